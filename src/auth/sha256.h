// SHA-256 (FIPS 180-4), and how two of its values are compared without telling how far they agree.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace tillrace::auth {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
// In a time that does not depend on the values.
bool equal_in_constant_time(const Sha256& a, const Sha256& b);

// 64 lower-case hex digits, and back.
std::string to_hex(const Sha256& value);
std::optional<Sha256> parse_sha256(std::string_view hex);

// For hash tables: a hash value's own first bytes are as good as any.
struct Sha256Hash {
  std::size_t operator()(const Sha256& value) const {
    std::size_t first = 0;
    std::memcpy(&first, value.data(), sizeof first);
    return first;
  }
};

}  // namespace tillrace::auth
