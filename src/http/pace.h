// How fast a peer has to send or read: it may not pause too long, and not be slower than the lowest
// rate over time either.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>

namespace tillrace::http {

// The peer has a credit of time: one pause at the start, and the time of each of its bytes at the
// lowest rate. The clock runs between resume() and suspend(), while the peer is the one to move.
// The credit is capped, so that a long fast start does not allow days of dripping. Not thread-safe.
class Pace {
 public:
  using Nanos = std::chrono::nanoseconds;

  Pace(int pause_ms, std::size_t min_bytes_per_second)
      : pause_(std::chrono::milliseconds(pause_ms)),
        cap_(std::max<Nanos>(pause_, std::chrono::minutes(1))),
        nanos_per_byte_(1e9 / static_cast<double>(min_bytes_per_second)) {}

  // A new transfer; the clock runs from `now`.
  void start(Nanos now) {
    credit_ = pause_;
    since_ = now;
  }
  void suspend(Nanos now) { credit_ -= now - since_; }
  void resume(Nanos now) { since_ = now; }
  // `bytes` have just been moved.
  void moved(Nanos now, std::size_t bytes) {
    double earned =
        std::min(static_cast<double>(bytes) * nanos_per_byte_, static_cast<double>(cap_.count()));
    credit_ -= now - since_;
    credit_ = std::min(credit_ + Nanos(static_cast<Nanos::rep>(earned)), cap_);
    since_ = now;
  }
  // When the peer is too slow, unless it moves before. `now` is when it last moved.
  Nanos deadline(Nanos now) const { return std::min(now + pause_, since_ + credit_); }

 private:
  Nanos pause_;
  Nanos cap_;
  double nanos_per_byte_;
  Nanos credit_{0};
  Nanos since_{0};
};

// What a sender must keep to always, and what while others want the room that it holds.
class SenderPace {
 public:
  using Nanos = Pace::Nanos;

  SenderPace(Pace usual, Pace while_scarce) : usual_(usual), while_scarce_(while_scarce) {}

  void start(Nanos now) {
    usual_.start(now);
    while_scarce_.start(now);
  }
  void suspend(Nanos now) {
    usual_.suspend(now);
    while_scarce_.suspend(now);
  }
  void resume(Nanos now) {
    usual_.resume(now);
    while_scarce_.resume(now);
  }
  void moved(Nanos now, std::size_t bytes) {
    usual_.moved(now, bytes);
    while_scarce_.moved(now, bytes);
  }
  Nanos deadline(Nanos now) const { return usual_.deadline(now); }
  Nanos scarce_deadline(Nanos now) const { return while_scarce_.deadline(now); }

 private:
  Pace usual_, while_scarce_;
};

}  // namespace tillrace::http
