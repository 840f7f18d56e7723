// Whole numbers as servers write them.
#pragma once
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tillrace::client {

// Nothing for anything but digits, and beyond int64.
inline std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace tillrace::client
