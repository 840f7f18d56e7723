#include "model/not_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/blanks.h"
#include "base/utf8.h"

namespace tillrace {
namespace {

std::optional<std::size_t> first_bad_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = utf8_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

// What its brackets say, outside of strings.
struct Brackets {
  int depth = 0;  // at the text's end
  int deepest = 0;
  bool in_string = false;             // at the text's end
  std::optional<std::size_t> closed;  // behind the first value's last bracket
};

Brackets brackets_of(std::string_view text) {
  Brackets found;
  for (std::size_t at = 0; at < text.size() && !found.closed; ++at) {
    char c = text[at];
    if (found.in_string) {
      if (c == '\\') ++at;
      found.in_string = c != '"';
    } else if (c == '"') {
      found.in_string = true;
    } else if (c == '{' || c == '[') {
      found.deepest = std::max(found.deepest, ++found.depth);
    } else if (c == '}' || c == ']') {
      if (--found.depth <= 0) found.closed = at + 1;
    }
  }
  return found;
}

// Of a text that begins with a bracket.
std::string described_brackets(std::string_view text, int most_depth) {
  Brackets found = brackets_of(text);
  if (found.deepest > most_depth) return fmt::format("{} levels", found.deepest);
  if (!found.closed) return "a text that breaks off";
  if (!is_blank(text.substr(*found.closed)))
    return fmt::format("more behind its end, at byte {}", *found.closed + 1);
  return trimmed(text).starts_with('[') ? "an array" : "broken JSON";
}

}  // namespace

std::string described_malformed(std::string_view text, int most_depth) {
  if (auto bad = first_bad_utf8(text))
    return fmt::format("bytes that are not UTF-8, the first at byte {}", *bad + 1);
  if (std::size_t nul = text.find('\0'); nul != std::string_view::npos)
    return fmt::format("a NUL at byte {}", nul + 1);
  std::string_view word = trimmed(text);
  if (word.empty()) return "nothing";
  char c = word.front();
  if (c == '{' || c == '[') return described_brackets(text, most_depth);
  if (c == '"') return "a string";
  if (word.find_first_not_of("0123456789.+-eE \t\r\n") == std::string_view::npos) return "a number";
  if (word == "null" || word == "true" || word == "false") return std::string(word);
  return "a text that is no JSON";
}

}  // namespace tillrace
