#include "lake/store_path.h"

#include <algorithm>

#include "base/json_writer.h"
#include "base/utf8.h"

namespace tillrace::lake {
namespace {

bool is_forbidden(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\'; }

// The rule that a part breaks; empty when none.
std::string_view broken_rule(std::string_view part) {
  if (part.empty()) return "each part has a byte at least";
  if (part.size() > kMostPartBytes) return "a part has at most 254 bytes";
  if (part.back() == '.') return "no part ends with a dot";
  if (std::any_of(part.begin(), part.end(), is_forbidden))
    return "no part holds a control character or a backslash";
  return {};
}

}  // namespace

Status check_path(std::string_view path) {
  std::string_view rule;
  if (path.size() > kMostPathBytes) rule = "a path has at most 1,024 bytes";
  if (rule.empty() && !is_utf8(path)) rule = "a path is UTF-8";
  for (std::size_t at = 0; rule.empty() && at <= path.size();) {
    std::string_view part = path.substr(at, path.find('/', at) - at);
    rule = broken_rule(part);
    at += part.size() + 1;
  }
  if (rule.empty()) return {};
  return fail(Code::invalid, "{} is no path of a file in the lake: {}",
              json_quoted(path.substr(0, kMostPathBytes)), rule);
}

std::string_view folder_of(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string join_paths(std::string_view a, std::string_view b) {
  return fmt::format("{}{}{}", a, a.empty() || b.empty() ? "" : "/", b);
}

}  // namespace tillrace::lake
