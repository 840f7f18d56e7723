#include "base/clock.h"

#include <date/date.h>
#include <fmt/format.h>

#include <thread>

namespace tillrace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

std::string to_string(UtcMicros time) {
  date::sys_time<microseconds> instant{microseconds{time.value}};
  auto day = date::floor<date::days>(instant);
  date::year_month_day date{day};
  date::hh_mm_ss clock{instant - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", int{date.year()},
                     unsigned{date.month()}, unsigned{date.day()}, clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

UtcMicros SystemClock::now() {
  auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {duration_cast<microseconds>(since_epoch).count()};
}

nanoseconds SystemClock::monotonic() {
  return duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch());
}

void SystemClock::sleep_for(nanoseconds duration) { std::this_thread::sleep_for(duration); }

UtcMicros FakeClock::now() {
  std::lock_guard lock(mutex_);
  return now_;
}

nanoseconds FakeClock::monotonic() {
  std::lock_guard lock(mutex_);
  return monotonic_;
}

void FakeClock::advance(nanoseconds duration) {
  std::lock_guard lock(mutex_);
  monotonic_ += duration;
  now_.value += duration_cast<microseconds>(duration).count();
}

}  // namespace tillrace
