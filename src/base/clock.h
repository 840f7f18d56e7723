// Time as a port: what reads the clock or sleeps gets a Clock&, so a test can own time.
#pragma once
#include <chrono>
#include <compare>
#include <cstdint>
#include <mutex>
#include <string>

namespace tillrace {

// An instant: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
struct UtcMicros {
  std::int64_t value = 0;
  auto operator<=>(const UtcMicros&) const = default;
};
// The end of the year 9999, in seconds too: four digits are all that dates have.
inline constexpr std::int64_t kLatestSecond = 253'402'300'799;
inline constexpr UtcMicros kLatestTime{kLatestSecond * 1'000'000 + 999'999};
// 2026-11-22T13:05:09.123456Z, always with six decimals.
std::string to_string(UtcMicros time);

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual UtcMicros now() = 0;
  // Never goes back; only differences mean something.
  virtual std::chrono::nanoseconds monotonic() = 0;
  virtual void sleep_for(std::chrono::nanoseconds duration) = 0;
};

class SystemClock final : public Clock {
 public:
  UtcMicros now() override;
  std::chrono::nanoseconds monotonic() override;
  void sleep_for(std::chrono::nanoseconds duration) override;
};

// Stands still until advance(); sleep_for() advances it and returns at once. It never jumps back
// and never drifts.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(UtcMicros start = {}) : now_(start) {}
  UtcMicros now() override;
  std::chrono::nanoseconds monotonic() override;
  void sleep_for(std::chrono::nanoseconds duration) override { advance(duration); }
  void advance(std::chrono::nanoseconds duration);

 private:
  std::mutex mutex_;
  UtcMicros now_;
  std::chrono::nanoseconds monotonic_{0};
};

}  // namespace tillrace
