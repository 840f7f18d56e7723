// How much of request bodies and of answers that are not read yet all connections of a server hold
// together, so that memory stays bounded whatever clients do.
#pragma once
#include <atomic>
#include <cstddef>
#include <utility>

#include "base/metrics.h"

namespace tillrace::http {

// Thread-safe.
class ByteBudget {
 public:
  ByteBudget(std::size_t limit, Gauge in_flight) : limit_(limit), in_flight_(in_flight) {}

  std::size_t limit() const { return limit_; }
  // False, and nothing is taken, when the limit would be passed.
  bool take(std::size_t bytes) {
    std::size_t used = used_.load(std::memory_order_relaxed);
    do {
      if (used > limit_ || bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    in_flight_.add(static_cast<double>(bytes));
    return true;
  }
  // Whatever the limit says: for what is there already.
  void add(std::size_t bytes) {
    used_.fetch_add(bytes, std::memory_order_relaxed);
    in_flight_.add(static_cast<double>(bytes));
  }
  bool is_overdrawn() const { return used_.load(std::memory_order_relaxed) > limit_; }
  bool is_nearly_full() const {
    return used_.load(std::memory_order_relaxed) > limit_ - limit_ / 8;
  }
  void give_back(std::size_t bytes) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    in_flight_.add(-static_cast<double>(bytes));
  }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> used_ = 0;
  Gauge in_flight_;
};

// One request's share, and then its answer's, given back at the latest when this goes. Not
// thread-safe.
class Reservation {
 public:
  explicit Reservation(ByteBudget& budget) : budget_(budget) {}
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() { release(); }

  // False when the budget has not that much; what is held stays held.
  bool grow_to(std::size_t bytes) {
    if (bytes <= held_) return true;
    if (!budget_.take(bytes - held_)) return false;
    held_ = bytes;
    return true;
  }
  // So much from now on, even beyond the limit.
  void hold(std::size_t bytes) {
    if (bytes > held_) budget_.add(bytes - held_);
    if (bytes < held_) budget_.give_back(held_ - bytes);
    held_ = bytes;
  }
  std::size_t held() const { return held_; }
  void release() {
    if (held_ > 0) budget_.give_back(std::exchange(held_, 0));
  }

 private:
  ByteBudget& budget_;
  std::size_t held_ = 0;
};

}  // namespace tillrace::http
