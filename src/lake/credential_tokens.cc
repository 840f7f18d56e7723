#include "lake/credential_tokens.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"

namespace tillrace::lake {

TokenCache::TokenCache(std::unique_ptr<TokenSource> source, Clock& clock)
    : source_(std::move(source)), clock_(clock) {}

Result<std::string> TokenCache::token() {
  {
    MutexLock lock(mutex_);
    while (fetching_ && !is_usable(clock_.monotonic())) lock.wait(fetched_);
    Nanos now = clock_.monotonic();
    bool usable = is_usable(now);
    if (usable && (fetching_ || now < next_fetch_)) return *text_;
    if (!usable && last_error_ && now < next_fetch_) return fail(*last_error_);
    fetching_ = true;
  }
  take(source_->fetch());
  MutexLock lock(mutex_);
  if (is_usable(clock_.monotonic())) return *text_;
  return fail(last_error_.value_or(
      Error{Code::unavailable, "the identity provider's token has expired when it comes"}));
}

void TokenCache::take(Result<AccessToken> fetched) {
  MutexLock lock(mutex_);
  fetching_ = false;
  fetched_.notify_all();
  Nanos now = clock_.monotonic();
  if (!fetched) {
    last_error_ = fetched.error();
    bool usable = is_usable(now);
    next_fetch_ = now + (usable ? Nanos(kPauseWithToken) : Nanos(kPauseWithoutToken));
    if (usable)
      logging::warning("cannot renew the token for the lake: {}; the one in force stays",
                       fetched.error().message);
    return;
  }
  last_error_.reset();
  text_ = std::move(fetched->text);
  Nanos lifetime = fetched->lifetime;
  usable_until_ = now + std::max(lifetime - Nanos(kMargin), lifetime / 2);
  next_fetch_ = now + std::max(lifetime - Nanos(kRenewAhead), lifetime / 2);
}

void TokenCache::forget(const std::string& refused) {
  MutexLock lock(mutex_);
  if (text_ != refused) return;
  text_.reset();
  next_fetch_ = Nanos(0);
}

}  // namespace tillrace::lake
