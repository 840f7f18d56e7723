// Lets a number of events a second through, whoever asks.
#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "base/clock.h"

namespace tillrace::client {

// Sleeps in small steps, so that a stop is noticed within 50 ms. False when it was stopped.
bool sleep_unless_stopped(Clock& clock, std::chrono::nanoseconds duration,
                          const std::stop_token& stop);

// After a pause it lets up to a tenth of a second's events through at once, no more. Thread-safe.
class Pacer {
 public:
  // 0 events a second: no limit. `clock` must outlive the pacer.
  Pacer(std::uint64_t events_per_s, Clock& clock) : events_per_s_(events_per_s), clock_(clock) {}

  // Returns when `events` may go; false when it was stopped before.
  bool wait(std::uint64_t events, const std::stop_token& stop);

  // How many events to let through at once, so that the flow looks even.
  std::uint64_t group(std::uint64_t most) const;

 private:
  std::uint64_t events_per_s_;
  Clock& clock_;
  std::mutex mutex_;
  std::chrono::nanoseconds next_{0};  // when the next events may go; guarded by mutex_
};

}  // namespace tillrace::client
