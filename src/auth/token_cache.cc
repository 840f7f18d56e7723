#include "auth/token_cache.h"

namespace tillrace::auth {

std::optional<Token> TokenCache::find(const Sha256& hash, std::uint64_t generation,
                                      UtcMicros now) const {
  MutexLock lock(mutex_);
  auto found = entries_.find(hash);
  if (found == entries_.end() || found->second.generation != generation ||
      found->second.token.expires_at <= now)
    return std::nullopt;
  return found->second.token;
}

void TokenCache::put(const Sha256& hash, std::uint64_t generation, Token token, UtcMicros now) {
  MutexLock lock(mutex_);
  if (entries_.size() >= most_)
    std::erase_if(entries_, [&](const auto& entry) {
      return entry.second.token.expires_at <= now || entry.second.generation != generation;
    });
  if (entries_.size() >= most_) entries_.clear();
  entries_.insert_or_assign(hash, Entry{generation, std::move(token)});
}

std::size_t TokenCache::size() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace tillrace::auth
