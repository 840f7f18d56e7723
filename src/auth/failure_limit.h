// How many failed attempts an address may make.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"

namespace tillrace::auth {

struct FailureLimitOptions {
  int most_failures = 20;  // a window
  int window_s = 60;       // from an address's first failure on
  std::size_t most_addresses = 4096;
};

// Counts failures only. Who fails too often is told to wait instead of being told why, but is
// never kept from succeeding: behind one address there may be a whole shop, and a key of 256 random
// bits needs no help against guessing. Of IPv6 a network of 64 bits counts as one address.
//
// When the table is full, what is over goes, and if nothing is, all of it. Thread-safe.
class FailureLimit {
 public:
  FailureLimit(FailureLimitOptions options, Clock& clock) : options_(options), clock_(clock) {}

  struct TooMany {
    int retry_after_s = 1;  // until the window ends
    bool just_now = false;  // the first one beyond the limit in this window
  };
  // One more failure of this address. nullopt: not too many yet.
  std::optional<TooMany> count(std::string_view remote_address);
  std::size_t size() const;

 private:
  struct Window {
    std::chrono::nanoseconds ends{0};
    std::int64_t failures = 0;
  };

  void make_room(std::chrono::nanoseconds now) REQUIRES(mutex_);

  const FailureLimitOptions options_;
  Clock& clock_;
  mutable Mutex mutex_;
  std::unordered_map<std::string, Window> windows_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::auth
