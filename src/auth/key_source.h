// Where an identity provider's public keys come from, and how they are kept fresh.
#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <string>
#include <thread>

#include "auth/key_set.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"

namespace tillrace::auth {

struct KeySourceOptions {
  std::string location;      // of a JWK set: an http or https URL, or a file
  int refresh_ms = 600'000;  // after a fetch that worked
  int least_pause_ms =
      30'000;  // between two fetches, also when keys are asked for that are not there
  int first_pause_ms = 1'000;  // instead, as long as no fetch has worked
  int timeout_ms = 5'000;      // of a fetch
};

// A thread, auth-jwks, fetches the key set at once and then again and again, so that no request
// ever waits for the provider. When a fetch fails the keys from before stay, and one line is
// logged. Redirects are not followed.
//
// Thread-safe. The clock and the metrics outlive it. The destructor waits for a fetch under way, at
// most timeout_ms.
class KeySource {
 public:
  // A file is read at once, and invalid or not_found when it is no key set; a URL is
  // looked at, but not waited for.
  static Result<std::unique_ptr<KeySource>> open(KeySourceOptions options, Clock& clock,
                                                 Metrics& metrics);
  ~KeySource();

  struct Current {
    // shared: a token is checked with the set it began with, while the thread puts in the next.
    std::shared_ptr<const KeySet> keys;  // nullptr: no fetch has worked yet
    std::uint64_t generation = 0;        // another number, other keys
  };
  Current current() const;

  // Someone needs a key that is not there. True when there may be newer keys soon: a fetch is under
  // way or begins now, or the last one failed. False when the last one worked, less than
  // least_pause_ms ago: then there is no such key.
  bool ask_for_newer();

  KeySource(KeySourceOptions options, Clock& clock, Metrics& metrics);  // for open()

 private:
  using Nanos = std::chrono::nanoseconds;

  void run(const std::stop_token& stop);
  Status fetch();
  Result<std::string> read();
  void take(std::string text, KeySet keys) EXCLUDES(mutex_);
  // What became of a fetch, and when the next is due.
  void note(const Status& fetched) EXCLUDES(mutex_);

  const KeySourceOptions options_;
  Clock& clock_;
  Counter fetched_;
  Counter failed_;
  std::optional<std::string> text_;  // of the keys in force; the thread's own

  mutable Mutex mutex_;
  std::condition_variable changed_;
  Current current_ GUARDED_BY(mutex_);
  bool wanted_ GUARDED_BY(mutex_) = true;  // a fetch is due now, or under way
  bool last_failed_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  Nanos last_fetch_ GUARDED_BY(mutex_){0};
  Nanos next_fetch_ GUARDED_BY(mutex_){0};
  std::jthread thread_;
};

}  // namespace tillrace::auth
