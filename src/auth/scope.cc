#include "auth/scope.h"

#include <algorithm>
#include <array>

namespace tillrace::auth {
namespace {

struct Word {
  Scope scope;
  std::string_view name;
};
constexpr std::array<Word, 3> kWords = {
    {{Scope::ingest, "ingest"}, {Scope::read, "read"}, {Scope::admin, "admin"}}};

std::string_view without_blanks(std::string_view text) {
  std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::string_view name(Scope scope) { return kWords[static_cast<std::size_t>(scope)].name; }

std::optional<Scope> parse_scope(std::string_view word) {
  const auto* found = std::find_if(kWords.begin(), kWords.end(),
                                   [&](const Word& known) { return known.name == word; });
  if (found == kWords.end()) return std::nullopt;
  return found->scope;
}

std::vector<Scope> Scopes::list() const {
  std::vector<Scope> scopes;
  for (const Word& word : kWords)
    if ((bits_ & bit(word.scope)) != 0) scopes.push_back(word.scope);
  return scopes;
}

std::string to_string(const Scopes& scopes) {
  std::string text;
  for (Scope scope : scopes.list()) {
    if (!text.empty()) text += ',';
    text += name(scope);
  }
  return text;
}

Result<Scopes> parse_scopes(std::string_view text) {
  Scopes scopes;
  for (std::size_t from = 0; from <= text.size();) {
    std::size_t comma = std::min(text.find(',', from), text.size());
    std::string_view word = without_blanks(text.substr(from, comma - from));
    std::optional<Scope> scope = parse_scope(word);
    if (!scope)
      return fail(Code::invalid, "'{}' is no scope; there are ingest, read and admin", word);
    scopes.add(*scope);
    from = comma + 1;
  }
  return scopes;
}

}  // namespace tillrace::auth
