#include "client/json_scan.h"

#include <algorithm>
#include <charconv>

namespace tillrace::client {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// The place behind the string that begins at `at`.
std::size_t string_end(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return std::min(at + 1, text.size());
}

// The place of the comma or bracket behind the value that begins at `at`.
std::size_t value_end(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    char c = text[at];
    if (c == '"') {
      at = string_end(text, at);
      continue;
    }
    bool closes = c == '}' || c == ']';
    if (depth == 0 && (closes || c == ',')) break;
    if (c == '{' || c == '[') ++depth;
    if (closes) --depth;
    ++at;
  }
  return at;
}

void append_escaped(std::string& out, std::string_view& rest) {
  char c = rest.front();
  rest.remove_prefix(1);
  switch (c) {
    case 'n': out += '\n'; return;
    case 't': out += '\t'; return;
    case 'r': out += '\r'; return;
    case 'b': out += '\b'; return;
    case 'f': out += '\f'; return;
    case 'u': break;
    default: out += c; return;
  }
  // Only what servers escape in practice, control characters, is worth decoding here.
  unsigned value = 0;
  auto digits = rest.substr(0, 4);
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  bool whole = error == std::errc{} && digits.size() == 4 && end == digits.data() + 4;
  if (whole && value < 0x80) {
    out += static_cast<char>(value);
  } else {
    out.append("\\u").append(digits);
  }
  rest.remove_prefix(digits.size());
}

}  // namespace

std::vector<JsonMember> json_members(std::string_view object) {
  std::vector<JsonMember> members;
  object = trimmed(object);
  if (!object.starts_with('{')) return members;
  std::size_t at = 1;
  while (true) {
    at = object.find_first_not_of(" \t\r\n,", at);
    if (at == std::string_view::npos || object[at] != '"') return members;
    std::size_t key_end = string_end(object, at);
    std::string_view key = object.substr(at + 1, key_end - at - 1);
    if (key.ends_with('"')) key.remove_suffix(1);
    std::size_t colon = object.find_first_not_of(kBlank, key_end);
    if (colon == std::string_view::npos || object[colon] != ':') return members;
    at = value_end(object, colon + 1);
    members.push_back({key, trimmed(object.substr(colon + 1, at - colon - 1))});
    if (at >= object.size() || object[at] != ',') return members;
  }
}

std::optional<std::string_view> json_member(std::string_view object, std::string_view key) {
  for (const JsonMember& member : json_members(object))
    if (member.key == key) return member.value;
  return std::nullopt;
}

std::string json_text(std::string_view value) {
  if (value.size() < 2 || !value.starts_with('"') || !value.ends_with('"'))
    return std::string(value);
  std::string_view rest = value.substr(1, value.size() - 2);
  std::string out;
  while (!rest.empty()) {
    char c = rest.front();
    rest.remove_prefix(1);
    if (c == '\\' && !rest.empty()) {
      append_escaped(out, rest);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace tillrace::client
