// A group of readers whose partitions a test hands out. Included by *_test.cc alone.
//
// Fault model: members may hold one partition together, or none may hold it, for any time; a change
// comes at any moment, also in the middle of a batch; the group may be out of reach, and then
// members keep what they held.
#pragma once
#include <atomic>
#include <map>

#include "base/mutex.h"
#include "log/membership.h"

namespace tillrace::processor {

// What the test and the member share. Thread-safe.
class HandOuts {
 public:
  void give(std::vector<Partition> partitions) {
    MutexLock lock(mutex_);
    partitions_ = std::move(partitions);
    is_told_ = false;
  }
  void be_out_of_reach(bool is_away) { is_away_ = is_away; }
  Offset reported(Partition partition) {
    MutexLock lock(mutex_);
    return reported_[partition];
  }

 private:
  friend class HandedOut;
  Mutex mutex_;
  std::vector<Partition> partitions_ GUARDED_BY(mutex_);
  std::map<Partition, Offset> reported_ GUARDED_BY(mutex_);
  bool is_told_ GUARDED_BY(mutex_) = true;
  std::atomic<bool> is_away_ = false;
};

class HandedOut final : public log::Membership {
 public:
  explicit HandedOut(HandOuts& test) : test_(test) {}

  std::vector<Partition> mine() const override {
    MutexLock lock(test_.mutex_);
    return test_.partitions_;
  }
  Result<bool> wait_for_change(std::chrono::nanoseconds timeout,
                               const std::stop_token& stop) override {
    if (test_.is_away_) return fail(Code::unavailable, "the group is out of reach");
    auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!stop.stop_requested() && std::chrono::steady_clock::now() < deadline) {
      {
        MutexLock lock(test_.mutex_);
        if (!std::exchange(test_.is_told_, true)) return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  void report(Partition partition, Offset mark) override {
    MutexLock lock(test_.mutex_);
    test_.reported_[partition] = mark;
  }

 private:
  HandOuts& test_;
};

}  // namespace tillrace::processor
