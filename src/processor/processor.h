// Stage 2: the log to one sink. Owns one thread a partition it holds, and one that follows
// which these are.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "log/log.h"
#include "processor/partition_worker.h"
#include "processor/sink.h"

namespace tillrace::processor {

// How it goes, for /readyz and `status`.
struct Health {
  bool is_writing = true;  // false: waits for something, or has stopped for good
  bool has_stopped = false;
  bool is_detached = false;  // by a person
  std::string problem;       // the last failure, while it lasts
};

struct Lag {
  Partition partition;
  std::int64_t records;  // in the log, and not in the sink
  auto operator<=>(const Lag&) const = default;
};

// How far a partition is, and where the log ends; as last known.
struct Reached {
  Partition partition;
  Offset mark;
  Offset end;
};

// Any number of processes may work on one topic and one store. Each holds the partitions that
// its membership says, and each partition goes on by itself (PartitionWorker). Two processes that
// hold one partition for a while take nothing from each other but time: the sink's mark lets one of
// two batches in.
//
// Thread-safe. What it borrows outlives it. The destructor finishes the batches in hand, leaves the
// group and joins.
class Processor {
 public:
  // Begins with the partitions that `membership`, of the group that has the sink's name, holds
  // already.
  Processor(ProcessorOptions options, SinkKind sink, log::Log& log,
            std::unique_ptr<log::Membership> membership, Clock& clock, Metrics& metrics);
  ~Processor();
  Processor(const Processor&) = delete;
  Processor& operator=(const Processor&) = delete;

  const std::string& sink() const { return sink_.name; }
  // Of the partitions held, and of the group.
  Health health() const;
  // Of the partitions held, ascending. What other processes hold they tell themselves. Asks the log
  // where it ends; while that cannot say, by the ends it told last.
  std::vector<Lag> lags() const;
  // Of the partitions held, ascending.
  std::vector<Reached> reached() const;
  // By partition of the topic: the marks in the sink as known last, 0 where another process has the
  // partition; without asking anybody. Nothing while a person has taken the sink out. unavailable
  // until the sink has told the mark of each partition held.
  Result<std::optional<std::vector<Offset>>> marks() const;
  // Has what waits in the log written now, by a sink that would wait until it is worth it.
  void hurry();
  // Waits until every record that the partitions held have now is in the sink: true; false when
  // `patience` was over first, or what is missing belongs to a partition that has stopped. At once
  // true when a person has taken the sink out.
  bool catch_up(std::chrono::milliseconds patience);
  // Finishes the batches in hand; a sink that can abandon them (SinkKind) does. Later calls do
  // nothing.
  void stop();

 private:
  struct Held {
    Partition partition;
    Progress progress;
  };

  void follow(const std::stop_token& stop);
  bool adopt(const std::vector<Partition>& wanted);
  void note_group(const Status& waited);
  bool is_working() const;
  std::vector<Held> held() const;
  void look_at_log();
  Offset end_of(Partition partition) const;
  std::int64_t lag_of(const Held& held) const;
  bool knows_all_marks() const;

  const ProcessorOptions options_;
  const SinkKind sink_;
  log::Log& log_;
  const std::unique_ptr<log::Membership> membership_;
  Clock& clock_;
  Metrics& metrics_;
  Gauge held_partitions_;
  mutable Mutex mutex_;
  std::map<Partition, std::unique_ptr<PartitionWorker>> workers_ GUARDED_BY(mutex_);
  std::string group_problem_ GUARDED_BY(mutex_);
  mutable std::map<Partition, Offset> ends_ GUARDED_BY(mutex_);  // as the log told last
  // A log that does not answer makes everybody wait who asks, so only the follower does.
  std::atomic<bool> is_log_away_ = false;
  std::jthread follower_;  // last: it ends before what it uses
};

}  // namespace tillrace::processor
