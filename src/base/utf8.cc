#include "base/utf8.h"

#include <cstdint>

namespace tillrace {
namespace {

bool in(std::string_view text, std::size_t at, std::uint8_t low, std::uint8_t high) {
  if (at >= text.size()) return false;
  auto byte = static_cast<std::uint8_t>(text[at]);
  return byte >= low && byte <= high;
}

bool continues(std::string_view text, std::size_t at) { return in(text, at, 0x80, 0xbf); }

}  // namespace

// The table of RFC 3629, section 4.
std::size_t utf8_length(std::string_view text) {
  if (in(text, 0, 0x00, 0x7f)) return 1;
  if (in(text, 0, 0xc2, 0xdf)) return continues(text, 1) ? 2 : 0;
  if (in(text, 0, 0xe0, 0xef)) {
    std::uint8_t low = in(text, 0, 0xe0, 0xe0) ? 0xa0 : 0x80;
    std::uint8_t high = in(text, 0, 0xed, 0xed) ? 0x9f : 0xbf;
    return in(text, 1, low, high) && continues(text, 2) ? 3 : 0;
  }
  if (in(text, 0, 0xf0, 0xf4)) {
    std::uint8_t low = in(text, 0, 0xf0, 0xf0) ? 0x90 : 0x80;
    std::uint8_t high = in(text, 0, 0xf4, 0xf4) ? 0x8f : 0xbf;
    return in(text, 1, low, high) && continues(text, 2) && continues(text, 3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace tillrace
