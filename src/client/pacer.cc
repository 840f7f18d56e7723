#include "client/pacer.h"

#include <algorithm>

namespace tillrace::client {

using std::chrono::nanoseconds;

bool sleep_unless_stopped(Clock& clock, nanoseconds duration, const std::stop_token& stop) {
  constexpr nanoseconds kStep = std::chrono::milliseconds(50);
  for (; duration > nanoseconds(0) && !stop.stop_requested(); duration -= kStep)
    clock.sleep_for(std::min(duration, kStep));
  return !stop.stop_requested();
}

bool Pacer::wait(std::uint64_t events, const std::stop_token& stop) {
  if (events_per_s_ == 0) return !stop.stop_requested();
  constexpr nanoseconds kBurst = std::chrono::milliseconds(100);
  nanoseconds now = clock_.monotonic();
  nanoseconds mine;
  {
    std::lock_guard lock(mutex_);
    mine = std::max(next_, now - kBurst);
    next_ = mine + nanoseconds(static_cast<std::int64_t>(static_cast<double>(events) * 1e9 /
                                                         static_cast<double>(events_per_s_)));
  }
  return sleep_unless_stopped(clock_, mine - now, stop);
}

std::uint64_t Pacer::group(std::uint64_t most) const {
  if (events_per_s_ == 0) return most;
  return std::clamp<std::uint64_t>(events_per_s_ / 20, 1, most);
}

}  // namespace tillrace::client
