// Which names the warehouse is known to have. No I/O.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace tillrace::warehouse {

struct Line;  // batch_writer.h

// Names of a batch, each once. The views are those of the batch's lines.
struct Names {
  std::vector<std::string_view> countries;
  std::vector<std::string_view> customers;
  // With the first description that a line gives.
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> products;

  bool empty() const { return countries.empty() && customers.empty() && products.empty(); }
};

// A hint: what it takes for known may be gone, and what it does not know may be there. Bounded: a
// full one forgets everything. Not thread-safe.
class KnownNames {
 public:
  static constexpr std::size_t kMostNames = 500'000;

  // The names of `lines` that it does not know. A product is known once it has a description.
  Names missing_in(const std::vector<Line>& lines) const;
  void add(const Names& names);
  void forget() { hashes_.clear(); }

 private:
  bool knows(char kind, std::string_view name) const;

  std::unordered_set<std::uint64_t> hashes_;  // two names with one hash: the hint is wrong
};

}  // namespace tillrace::warehouse
