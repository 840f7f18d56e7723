#include "http/message.h"

#include <algorithm>

namespace tillrace::http {
namespace {

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// Not std::tolower: header names are ASCII whatever the locale.
char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

bool unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

Result<std::string> form_decode(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return percent_decode(spaced);
}

}  // namespace

std::string_view name(Method method) {
  switch (method) {
    case Method::get: return "GET";
    case Method::head: return "HEAD";
    case Method::post: return "POST";
    case Method::put: return "PUT";
    case Method::delete_: return "DELETE";
    case Method::options: return "OPTIONS";
    case Method::other: break;
  }
  return "this method";
}

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

void Headers::add(std::string_view field, std::string_view value) {
  fields_.push_back({std::string(field), std::string(value)});
}

std::optional<std::string_view> Headers::find(std::string_view field) const {
  for (const Field& each : fields_)
    if (equal_without_case(each.name, field)) return each.value;
  return std::nullopt;
}

std::size_t Headers::count(std::string_view field) const {
  auto same = [&](const Field& each) { return equal_without_case(each.name, field); };
  return static_cast<std::size_t>(std::count_if(fields_.begin(), fields_.end(), same));
}

Result<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    int high = at + 1 < text.size() ? hex_value(text[at + 1]) : -1;
    int low = at + 2 < text.size() ? hex_value(text[at + 2]) : -1;
    if (high < 0 || low < 0)
      return fail(Code::invalid, "the % at byte {} is not followed by two hex digits", at + 1);
    decoded += static_cast<char>(high << 4 | low);
    at += 2;
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (char c : text) {
    if (unreserved(c)) {
      encoded += c;
      continue;
    }
    auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

Result<Query> Query::parse(std::string_view query) {
  Query parsed;
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    std::string_view raw_name = pair.substr(0, pair.find('='));
    auto parameter = form_decode(raw_name);
    if (!parameter) return fail(parameter.error(), "query parameter name");
    auto value = form_decode(pair.substr(std::min(pair.size(), raw_name.size() + 1)));
    if (!value) return fail(value.error(), fmt::format("query parameter '{}'", *parameter));
    parsed.parameters_.emplace_back(std::move(*parameter), std::move(*value));
  }
  return parsed;
}

std::optional<std::string_view> Query::find(std::string_view parameter) const {
  for (const auto& [each, value] : parameters_)
    if (each == parameter) return value;
  return std::nullopt;
}

}  // namespace tillrace::http
