// What a caller may do. The same words stand in keys.json, in tokens and on the command line.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tillrace::auth {

enum class Scope : std::uint8_t {
  ingest,  // send transactions
  read,    // read metrics
  admin,   // everything
};
// "ingest", "read", "admin".
std::string_view name(Scope scope);
std::optional<Scope> parse_scope(std::string_view word);

// A set of scopes.
class Scopes {
 public:
  Scopes() = default;
  Scopes(std::initializer_list<Scope> scopes) {
    for (Scope scope : scopes) add(scope);
  }

  void add(Scope scope) { bits_ = static_cast<std::uint8_t>(bits_ | bit(scope)); }
  // Whether a holder may do what `needed` stands for: by it, or by admin.
  bool allow(Scope needed) const { return (bits_ & (bit(needed) | bit(Scope::admin))) != 0; }
  bool empty() const { return bits_ == 0; }
  // Those that were added, in the order of the enum.
  std::vector<Scope> list() const;
  bool operator==(const Scopes&) const = default;

 private:
  static std::uint8_t bit(Scope scope) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(scope));
  }
  std::uint8_t bits_ = 0;
};
// "ingest,read".
std::string to_string(const Scopes& scopes);
// "ingest,read"; blanks around the words are no matter. invalid, naming the word and what would be
// right, when one is not known or there is none.
Result<Scopes> parse_scopes(std::string_view text);

}  // namespace tillrace::auth
