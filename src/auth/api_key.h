// One API key as people handle it: tr_<id>_<secret><checksum>, 72 characters, lower case. The
// format is docs/formats/api-keys.md. Nothing here touches a file.
#pragma once
#include <string>
#include <string_view>

#include "auth/sha256.h"
#include "base/random.h"
#include "base/result.h"

namespace tillrace::auth {

inline constexpr std::string_view kKeyPrefix = "tr_";
inline constexpr std::size_t kKeyIdCharacters = 10;      // 50 random bits
inline constexpr std::size_t kKeySecretCharacters = 52;  // 256 random bits
inline constexpr std::size_t kKeyCharacters = 72;

// The id names the key, everywhere; who has the secret is its holder.
struct ApiKey {
  std::string id;
  std::string secret;
};

// `random` must be fit for secrets.
ApiKey make_api_key(Random& random);
std::string to_text(const ApiKey& key);

// invalid when it is no key; the message tells a cut off paste from a slip, and holds nothing of
// the text.
Result<ApiKey> parse_api_key(std::string_view text);

bool is_key_id(std::string_view text);

// What is stored of a secret. 256 random bits cannot be guessed, so no slow hash is needed that
// would make guessing dear.
Sha256 hash_of_secret(std::string_view secret);

}  // namespace tillrace::auth
