// Finds where records begin and end, by brackets and quotes alone (model/event_json.h).
#include "base/blanks.h"
#include "model/event_json.h"

namespace tillrace {
namespace {

// The end of the value that `text` starts with: the place of the comma or bracket behind it at its
// own level.
std::size_t value_end(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (quoted) {
      if (c == '\\')
        ++at;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;
      --depth;
    } else if (c == ',' && depth == 0) {
      return at;
    }
  }
  return std::string_view::npos;
}

}  // namespace

Result<std::vector<std::string_view>> split_array(std::string_view body, std::size_t most) {
  constexpr std::string_view kRule = "a JSON array of objects: [{...}, {...}]";
  std::string_view rest = trimmed(body);
  if (!rest.starts_with('[') || !rest.ends_with(']')) return fail(Code::invalid, "not {}", kRule);
  rest = rest.substr(1, rest.size() - 1);
  std::vector<std::string_view> records;
  if (trimmed(rest) == "]") return records;
  while (true) {
    std::size_t end = value_end(rest);
    if (end == std::string_view::npos || rest[end] == '}')
      return fail(Code::invalid, "not {}: record {} has no end", kRule, records.size());
    std::string_view record = trimmed(rest.substr(0, end));
    if (record.empty())
      return fail(Code::invalid, "not {}: record {} is empty", kRule, records.size());
    records.push_back(record);
    if (records.size() > most) return records;
    bool last = rest[end] == ']';
    rest.remove_prefix(end + 1);
    if (!last) continue;
    if (rest.empty()) return records;
    return fail(Code::invalid, "not {}: there is more behind record {}", kRule, records.size() - 1);
  }
}

std::vector<std::string_view> split_lines(std::string_view body, std::size_t most) {
  std::vector<std::string_view> records;
  while (!body.empty() && records.size() <= most) {
    std::size_t end = std::min(body.find('\n'), body.size());
    std::string_view record = trimmed(body.substr(0, end));
    if (!record.empty()) records.push_back(record);
    body.remove_prefix(std::min(end + 1, body.size()));
  }
  return records;
}

}  // namespace tillrace
