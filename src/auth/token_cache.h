// Tokens that were found right, so that the next request with the same one needs no signature
// checked.
#pragma once
#include <optional>
#include <unordered_map>

#include "auth/sha256.h"
#include "auth/token.h"
#include "base/mutex.h"

namespace tillrace::auth {

inline constexpr std::size_t kMostCachedTokens = 10'000;

// Keeps what a token says, by its SHA-256: no token is held in memory. What was right by keys of
// one generation is not by those of the next: a provider that takes a key back ends its tokens.
// When it is full, what has expired goes, and if nothing has, all of it.
//
// Thread-safe.
class TokenCache {
 public:
  explicit TokenCache(std::size_t most = kMostCachedTokens) : most_(most) {}

  // nullopt when it is not there, has expired or is of another generation.
  std::optional<Token> find(const Sha256& hash, std::uint64_t generation, UtcMicros now) const;
  void put(const Sha256& hash, std::uint64_t generation, Token token, UtcMicros now);
  std::size_t size() const;

 private:
  struct Entry {
    std::uint64_t generation = 0;
    Token token;
  };

  const std::size_t most_;
  mutable Mutex mutex_;
  std::unordered_map<Sha256, Entry, Sha256Hash> entries_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::auth
