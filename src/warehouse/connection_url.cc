#include "warehouse/connection_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

namespace tillrace::warehouse {
namespace {

// A password's place in the URL: [begin, end).
struct Span {
  std::size_t begin;
  std::size_t end;
};

bool is_space(char byte) { return std::isspace(static_cast<unsigned char>(byte)) != 0; }

bool names_a_secret(std::string_view keyword) {
  return keyword == "password" || keyword == "sslpassword";
}

// From the first colon behind the scheme to the last @ of all: more than libpq would take for the
// password, since a forgotten percent-encoding moves libpq's own idea of it.
std::vector<Span> secrets_of_uri(std::string_view url) {
  std::vector<Span> secrets;
  std::size_t begin = url.find("://") + 3;
  std::size_t at = url.rfind('@');
  std::size_t colon = url.find(':', begin);
  std::size_t rest = begin;
  if (at != std::string_view::npos && colon < at) {
    secrets.push_back({colon + 1, at});
    rest = at;
  }
  std::size_t parameter = url.find('?', rest);
  while (parameter < url.size()) {
    std::size_t end = std::min(url.find('&', parameter + 1), url.size());
    std::size_t equals = url.find('=', parameter);
    if (equals < end && names_a_secret(url.substr(parameter + 1, equals - parameter - 1)))
      secrets.push_back({equals + 1, end});
    parameter = end;
  }
  return secrets;
}

// The end of a value of a keyword=value string: quoted with ', or up to the next space; \ escapes.
std::size_t end_of_value(std::string_view text, std::size_t begin) {
  bool quoted = begin < text.size() && text[begin] == '\'';
  for (std::size_t at = begin + (quoted ? 1 : 0); at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (quoted ? text[at] == '\'' : is_space(text[at])) {
      return at + (quoted ? 1 : 0);
    }
  }
  return text.size();
}

std::vector<Span> secrets_of_keywords(std::string_view text) {
  std::vector<Span> secrets;
  std::size_t at = 0;
  while (at < text.size()) {
    while (at < text.size() && is_space(text[at])) ++at;
    std::size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) return secrets;
    std::string_view keyword = text.substr(at, equals - at);
    while (!keyword.empty() && is_space(keyword.back())) keyword.remove_suffix(1);
    std::size_t begin = equals + 1;
    while (begin < text.size() && is_space(text[begin])) ++begin;
    at = end_of_value(text, begin);
    if (names_a_secret(keyword)) secrets.push_back({begin, at});
  }
  return secrets;
}

std::vector<Span> secrets_of(std::string_view url) {
  bool is_uri = url.starts_with("postgresql://") || url.starts_with("postgres://");
  return is_uri ? secrets_of_uri(url) : secrets_of_keywords(url);
}

void replace_all(std::string& text, const std::string& what, std::string_view by) {
  std::size_t at = 0;
  while ((at = text.find(what, at)) != std::string::npos) {
    text.replace(at, what.size(), by);
    at += by.size();
  }
}

// `secret` and the pieces that libpq can have cut it into.
std::vector<std::string> pieces(std::string_view secret) {
  std::vector<std::string> result{std::string(secret)};
  std::size_t begin = 0;
  while (begin <= secret.size()) {
    std::size_t end = std::min(secret.find_first_of("/?#@:&=[]' \\", begin), secret.size());
    if (end > begin) result.emplace_back(secret.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

}  // namespace

std::string redacted(std::string_view url) {
  std::string text;
  std::size_t shown = 0;
  for (const Span& secret : secrets_of(url)) {
    text += url.substr(shown, secret.begin - shown);
    text += "***";
    shown = secret.end;
  }
  text += url.substr(shown);
  return text;
}

std::string without_secrets(std::string message, std::string_view url) {
  constexpr std::size_t long_enough_to_stand_out = 4;
  for (const Span& secret : secrets_of(url)) {
    for (const std::string& piece : pieces(url.substr(secret.begin, secret.end - secret.begin))) {
      if (piece.empty()) continue;
      if (piece.size() >= long_enough_to_stand_out) replace_all(message, piece, "***");
      replace_all(message, fmt::format("\"{}\"", piece), "\"***\"");
    }
  }
  return message;
}

std::string percent_encoded(std::string_view text) {
  std::string result;
  for (char byte : text) {
    bool plain = std::isalnum(static_cast<unsigned char>(byte)) != 0 ||
                 std::string_view("-._~").find(byte) != std::string_view::npos;
    if (plain) {
      result += byte;
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned char>(byte));
    }
  }
  return result;
}

}  // namespace tillrace::warehouse
