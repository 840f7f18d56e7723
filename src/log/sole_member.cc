#include "log/sole_member.h"

#include <condition_variable>
#include <mutex>

namespace tillrace::log {
namespace {

class SoleMember final : public Membership {
 public:
  explicit SoleMember(std::int32_t partitions) : partitions_(partitions) {}

  std::vector<Partition> mine() const override {
    std::vector<Partition> all;
    for (std::int32_t i = 0; i < partitions_; ++i) all.push_back({i});
    return all;
  }

  Result<bool> wait_for_change(std::chrono::nanoseconds timeout,
                               const std::stop_token& stop) override {
    if (!std::exchange(is_told_, true)) return true;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    never.wait_for(lock, stop, timeout, [] { return false; });
    return false;
  }

  void report(Partition, Offset) override {}

 private:
  const std::int32_t partitions_;
  bool is_told_ = false;
};

}  // namespace

std::unique_ptr<Membership> make_sole_member(std::int32_t partitions) {
  return std::make_unique<SoleMember>(partitions);
}

}  // namespace tillrace::log
