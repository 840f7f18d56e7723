// Internal to the room. Integers as they lie on disk: little-endian, without padding.
#pragma once
#include <bit>
#include <cstring>
#include <string>
#include <string_view>

namespace tillrace::log {

static_assert(std::endian::native == std::endian::little, "integers are copied as they lie");

template <class Integer>
void put(std::string& out, Integer value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

// Takes the integer off the front of `in`, which is at least that long.
template <class Integer>
Integer take_integer(std::string_view& in) {
  Integer value;
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return value;
}

// Takes up to `size` bytes off the front of `in`.
inline std::string_view take_bytes(std::string_view& in, std::size_t size) {
  std::string_view bytes = in.substr(0, size);
  in.remove_prefix(bytes.size());
  return bytes;
}

}  // namespace tillrace::log
