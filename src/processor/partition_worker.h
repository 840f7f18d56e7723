// One partition's thread: drives its loop, whatever happens to the log and the sink.
#pragma once
#include <atomic>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "log/log.h"
#include "processor/partition_loop.h"

namespace tillrace::processor {

struct ProcessorOptions {
  BatchLimits batch;
  TimeZone shop;
  // Pauses after failures double from the first to the longest.
  int first_pause_ms = 50;
  int longest_pause_ms = 5'000;
};

// How far a partition has come.
struct Progress {
  std::string problem;       // the last failure, while it lasts
  bool has_stopped = false;  // log and mark contradict each other; a person must look
  Offset mark;               // as last known
  bool is_current = false;   // false: the sink must be asked again what its mark is
  bool is_known = false;     // the sink has told a mark, if not just now
};

// It goes on by itself: it waits, brings a private server back, reads its mark again. Only when log
// and mark contradict each other (corrupt) does it stop, loudly.
//
// Thread-safe. What it borrows outlives it. The destructor finishes the batch in hand and joins.
class PartitionWorker {
 public:
  PartitionWorker(Partition partition, const ProcessorOptions& options, log::Log& log,
                  log::Membership& membership, const SinkKind& sink, Clock& clock,
                  Metrics& metrics);
  ~PartitionWorker();
  PartitionWorker(const PartitionWorker&) = delete;
  PartitionWorker& operator=(const PartitionWorker&) = delete;

  Progress progress() const;
  // Does not wait: the batch in hand is finished first.
  void ask_to_stop() { thread_.request_stop(); }
  bool was_asked_to_stop() const { return thread_.get_stop_token().stop_requested(); }
  // The thread has done its last work, and the destructor would not wait.
  bool has_ended() const { return has_ended_; }

 private:
  void run(const std::stop_token& stop);
  std::unique_ptr<Loop> open_loop();
  // False when the loop is to end.
  bool survive(const Error& error, int& pause_ms, Loop& loop, const std::stop_token& stop);
  void report(std::optional<Offset> mark);
  void report_problem(const std::string& problem, bool has_stopped);

  const Partition partition_;
  const ProcessorOptions options_;
  log::Log& log_;
  log::Membership& membership_;
  const SinkKind& sink_;
  Clock& clock_;
  Metrics& metrics_;
  Gauge waiting_;  // counts the workers of all partitions
  std::atomic<bool> has_ended_ = false;
  mutable Mutex mutex_;
  Progress progress_ GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace tillrace::processor
