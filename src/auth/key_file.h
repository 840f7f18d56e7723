// keys.json: what is stored of the API keys. The format is docs/formats/api-keys.md.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/scope.h"
#include "auth/sha256.h"
#include "base/clock.h"
#include "base/result.h"

namespace tillrace::auth {

inline constexpr std::size_t kMostKeys = 10'000;  // revoked and expired ones too
inline constexpr std::size_t kMostKeyNameBytes = 100;
inline constexpr std::size_t kMostKeyFileBytes = 8 << 20;

// Times are whole seconds in the file.
struct StoredKey {
  std::string id;
  std::string name;  // for people; need not be the only one
  Scopes scopes;
  Sha256 secret_hash{};
  UtcMicros created_at;
  std::optional<UtcMicros> expires_at;
  std::optional<UtcMicros> revoked_at;
  bool operator==(const StoredKey&) const = default;

  bool expired(UtcMicros now) const { return expires_at && *expires_at <= now; }
};

// invalid when it is empty, too long, no UTF-8, or has control characters.
Status check_key_name(std::string_view name);

std::string encode_keys(const std::vector<StoredKey>& keys);
// corrupt, saying where, when it is not what encode_keys() writes; invalid when it was written by a
// newer version of the program.
Result<std::vector<StoredKey>> decode_keys(std::string_view text);

// No keys when there is no file. invalid when others than its owner may read or change it (what
// they could put in would be in force). Else as decode_keys().
Result<std::vector<StoredKey>> read_key_file(const std::filesystem::path& path);

}  // namespace tillrace::auth
