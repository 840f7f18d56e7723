#include "auth/api_key.h"

#include <array>
#include <span>

namespace tillrace::auth {
namespace {

// RFC 4648, section 6, in lower case: no two of them look alike, and a double click takes them all.
constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t kChecksumCharacters = 6;
static_assert(kKeyPrefix.size() + kKeyIdCharacters + 1 + kKeySecretCharacters +
                  kChecksumCharacters ==
              kKeyCharacters);

// The first `characters` of the bytes in base 32, without padding; zero bits after the last byte.
std::string base32(std::span<const std::uint8_t> bytes, std::size_t characters) {
  std::string text;
  for (std::size_t i = 0; i < characters; ++i) {
    std::size_t bit = 5 * i;
    unsigned high = bytes[bit / 8];
    unsigned low = bit / 8 + 1 < bytes.size() ? bytes[bit / 8 + 1] : 0;
    text += kAlphabet[((high << 8 | low) >> (11 - bit % 8)) & 31];
  }
  return text;
}

std::string checksum(std::string_view text) { return base32(sha256(text), kChecksumCharacters); }

bool is_base32(std::string_view text) {
  return text.find_first_not_of(kAlphabet) == std::string_view::npos;
}

}  // namespace

ApiKey make_api_key(Random& random) {
  std::array<std::uint8_t, 7> id{};
  std::array<std::uint8_t, 32> secret{};
  random.fill(id);
  random.fill(secret);
  return {base32(id, kKeyIdCharacters), base32(secret, kKeySecretCharacters)};
}

std::string to_text(const ApiKey& key) {
  std::string text = fmt::format("{}{}_{}", kKeyPrefix, key.id, key.secret);
  return text + checksum(text);
}

Result<ApiKey> parse_api_key(std::string_view text) {
  if (!text.starts_with(kKeyPrefix))
    return fail(Code::invalid, "an API key begins with {}", kKeyPrefix);
  if (text.size() != kKeyCharacters)
    return fail(Code::invalid, "the API key is {}: it has {} characters instead of {}",
                text.size() < kKeyCharacters ? "cut off" : "too long", text.size(), kKeyCharacters);
  std::string_view id = text.substr(kKeyPrefix.size(), kKeyIdCharacters);
  std::string_view secret =
      text.substr(kKeyPrefix.size() + kKeyIdCharacters + 1, kKeySecretCharacters);
  std::string_view summed = text.substr(0, kKeyCharacters - kChecksumCharacters);
  if (text[kKeyPrefix.size() + kKeyIdCharacters] != '_' || !is_base32(id) || !is_base32(secret) ||
      text.substr(summed.size()) != checksum(summed))
    return fail(Code::invalid, "the API key is mistyped: its checksum does not fit");
  return ApiKey{std::string(id), std::string(secret)};
}

bool is_key_id(std::string_view text) { return text.size() == kKeyIdCharacters && is_base32(text); }

Sha256 hash_of_secret(std::string_view secret) { return sha256(secret); }

}  // namespace tillrace::auth
