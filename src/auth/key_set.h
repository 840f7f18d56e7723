// The public keys of an identity provider: a JWK set (RFC 7517, section 5).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/public_key.h"

namespace tillrace::auth {

inline constexpr std::size_t kMostSetKeys = 100;
inline constexpr std::size_t kMostKeySetBytes = 256 << 10;

// Constant once it is made; thread-safe.
class KeySet {
 public:
  // Takes the keys that sign with RS256 or ES256 and have a `kid`. A key of another kind or use is
  // left out, as RFC 7517 wants it, and so is one that is broken, one that holds its private part,
  // and the second of two with the same kid: notes() tells. invalid when it is no key set, or none
  // of its keys is fit.
  static Result<KeySet> decode(std::string_view json);

  // The key of this id, if it is one for this algorithm. nullptr when there is none.
  const PublicKey* find(std::string_view kid, Algorithm algorithm) const;
  std::size_t size() const { return keys_.size(); }
  // A line for each key that was left out, for the log.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Named {
    std::string kid;
    PublicKey key;
  };
  std::vector<Named> keys_;
  std::vector<std::string> notes_;
};

}  // namespace tillrace::auth
