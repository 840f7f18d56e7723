#include "client/json_scan.h"

#include <algorithm>
#include <charconv>

#include "base/blanks.h"

namespace tillrace::client {
namespace {

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

// The four hexadecimal digits that `text` begins with.
std::optional<std::uint32_t> hex4(std::string_view text) {
  std::string_view digits = text.substr(0, 4);
  std::uint32_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  bool whole = error == std::errc{} && digits.size() == 4 && end == digits.data() + 4;
  return whole ? std::optional(value) : std::nullopt;
}

void append_utf8(std::string& out, std::uint32_t character) {
  auto tail = [&out, character](int shift) {
    out += static_cast<char>(0x80 | (character >> shift & 0x3f));
  };
  if (character < 0x80) {
    out += static_cast<char>(character);
  } else if (character < 0x800) {
    out += static_cast<char>(0xc0 | character >> 6);
    tail(0);
  } else if (character < 0x10000) {
    out += static_cast<char>(0xe0 | character >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | character >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

// Behind \u. What is no character stays as it is written.
void append_unicode(std::string& out, std::string_view& rest) {
  auto first = hex4(rest);
  bool high = first && *first >= 0xd800 && *first < 0xdc00;
  auto second = high && rest.substr(4, 2) == "\\u" ? hex4(rest.substr(6)) : std::nullopt;
  bool pair = second && *second >= 0xdc00 && *second < 0xe000;
  bool surrogate = first && *first >= 0xd800 && *first < 0xe000;
  if (pair) {
    append_utf8(out, 0x10000 + ((*first - 0xd800) << 10) + (*second - 0xdc00));
    rest.remove_prefix(10);
  } else if (first && !surrogate) {
    append_utf8(out, *first);
    rest.remove_prefix(4);
  } else {
    out += "\\u";
  }
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
    case 'u': return append_unicode(out, rest);
    default: out += c; return;
  }
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
    std::size_t colon = object.find_first_not_of(kBlanks, key_end);
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
