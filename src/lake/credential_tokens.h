// Access tokens: where they come from is a TokenSource's affair (credential_sources.h), that one is
// at hand when it is needed is a TokenCache's.
#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

namespace tillrace::lake {

struct AccessToken {
  std::string text;
  std::chrono::seconds lifetime{0};  // from now
};

class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // Called by one thread at a time. unavailable: trying again may help; invalid: it will not. No
  // secret is in a message.
  virtual Result<AccessToken> fetch() = 0;
};

// Thread-safe. A token is renewed kRenewAhead before it expires (a short one at half its life) by
// the caller that happens to come by; the others go on with the one in force. Without one in force
// all wait for that one fetch, and share what becomes of it.
class TokenCache {
 public:
  static constexpr std::chrono::minutes kRenewAhead{5};
  static constexpr std::chrono::seconds kMargin{30};  // a token this close to its end is not used
  static constexpr std::chrono::seconds kPauseWithToken{30};  // between fetches that fail
  static constexpr std::chrono::milliseconds kPauseWithoutToken{500};

  TokenCache(std::unique_ptr<TokenSource> source, Clock& clock);

  // As TokenSource::fetch().
  Result<std::string> token() EXCLUDES(mutex_);
  // The store did not take `refused`: if that is the one in force, it is forgotten.
  void forget(const std::string& refused) EXCLUDES(mutex_);

 private:
  using Nanos = std::chrono::nanoseconds;

  bool is_usable(Nanos now) const REQUIRES(mutex_) { return text_ && now < usable_until_; }
  void take(Result<AccessToken> fetched) EXCLUDES(mutex_);

  const std::unique_ptr<TokenSource> source_;
  Clock& clock_;
  Mutex mutex_;
  std::condition_variable fetched_;
  std::optional<std::string> text_ GUARDED_BY(mutex_);
  std::optional<Error> last_error_ GUARDED_BY(mutex_);
  bool fetching_ GUARDED_BY(mutex_) = false;
  Nanos usable_until_ GUARDED_BY(mutex_){0};
  Nanos next_fetch_ GUARDED_BY(mutex_){0};
};

}  // namespace tillrace::lake
