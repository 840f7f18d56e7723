#include "log/topic_watch.h"

#include "base/logging.h"
#include "base/thread.h"

namespace tillrace::log {
namespace {

constexpr int kLookTimeoutMs = 2'000;  // broken links shall show within seconds
constexpr int kFailuresCount = 2;
constexpr std::chrono::seconds kIdle{10};

}  // namespace

TopicWatch::TopicWatch(KafkaAdmin& admin, KafkaReaders& readers, const TopicInfo& info,
                       int interval_ms)
    : admin_(admin), readers_(readers), info_(info), interval_(interval_ms) {
  thread_ = named_thread("log-watch", [this](const std::stop_token& stop) { run(stop); });
}

Status TopicWatch::same() const {
  MutexLock lock(mutex_);
  return same_;
}

Status TopicWatch::well() const {
  MutexLock lock(mutex_);
  if (!same_ || failed_looks_ < kFailuresCount) return same_;
  return fail(Code::unavailable, "{}", problem_);
}

void TopicWatch::run(const std::stop_token& stop) {
  std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex_);
    stopping_.notify_all();
  });
  while (!stop.stop_requested() && same()) {
    look();
    readers_.rest_idle(kIdle);
    MutexLock lock(mutex_);
    auto until = std::chrono::steady_clock::now() + interval_;
    while (!stop.stop_requested() && lock.wait_until(stopping_, until)) {
    }
  }
}

void TopicWatch::look() {
  auto found = admin_.find_topic(info_.name, kLookTimeoutMs);
  if (!found) return note(found.error().message);
  if (!*found) return note(fmt::format("topic {} is not there any more", info_.name));
  note("");
  const TopicInfo& now = **found;
  if (now.id == info_.id && now.partitions == info_.partitions) return;
  Error error{
      Code::corrupt,
      fmt::format("topic {} is not the one that was opened: then {} with {} partitions, now "
                  "{} with {}; if that is meant, start anew",
                  info_.name, info_.id, info_.partitions, now.id, now.partitions)};
  logging::error("{}", error.message);
  MutexLock lock(mutex_);
  same_ = fail(std::move(error));
}

// A problem is said once while it lasts, whatever its words.
void TopicWatch::note(const std::string& problem) {
  int before = 0;
  {
    MutexLock lock(mutex_);
    before = std::exchange(failed_looks_, problem.empty() ? 0 : failed_looks_ + 1);
    problem_ = problem;
  }
  if (problem.empty() && before > 0)
    logging::info("Kafka answers again, and has topic {}", info_.name);
  if (!problem.empty() && before == 0) logging::warning("{}", problem);
}

}  // namespace tillrace::log
