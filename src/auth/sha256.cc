#include "auth/sha256.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <charconv>

#include "base/check.h"

namespace tillrace::auth {
namespace {

// Looked up once, for the life of the program: looking it up costs more than hashing a key.
const EVP_MD* algorithm() {
  static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  return found;
}

}  // namespace

Sha256 sha256(std::string_view bytes) {
  Sha256 value{};
  unsigned length = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), value.data(), &length, algorithm(), nullptr) == 1);
  CHECK(length == value.size());
  return value;
}

bool equal_in_constant_time(const Sha256& a, const Sha256& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_hex(const Sha256& value) {
  std::string hex;
  for (std::uint8_t byte : value) fmt::format_to(std::back_inserter(hex), "{:02x}", byte);
  return hex;
}

std::optional<Sha256> parse_sha256(std::string_view hex) {
  Sha256 value{};
  if (hex.size() != 2 * value.size() ||
      hex.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return std::nullopt;
  for (std::size_t i = 0; i < value.size(); ++i)
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, value[i], 16);
  return value;
}

}  // namespace tillrace::auth
