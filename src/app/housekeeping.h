// What is done beside the flow of events: the log drops what it need not keep, and what it has to
// keep is counted.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "log/log.h"

namespace tillrace::app {

struct HousekeepingOptions {
  log::Retention retention;
  int check_interval_ms = 60'000;   // until the sink is asked again, and old records go
  int backlog_interval_ms = 1'000;  // until the backlog is counted again
  // From here on the sink is asked before each count: a limit on the backlog must not meet a mark
  // that is a minute old.
  std::uint64_t large_backlog_bytes = 1 << 30;
  // What was told last, kept over a restart; empty: it is not.
  std::filesystem::path marks_file;
};

// By partition: the marks that are on a sink's disk for good. May take some seconds.
using FlushedMarks = std::function<Result<std::vector<Offset>>()>;

// Owns the thread "housekeeping". The log drops only what lies below marks that the sink has just
// told: while the sink is away, tells of another log or cannot say, nothing goes. The backlog is
// what lies above the marks that were told last, be it before a restart (marks_file); before any
// was told, all that the log has.
//
// Thread-safe. What it borrows outlives it. The destructor waits for a sink that is being asked.
class Housekeeping {
 public:
  // Asks the sink, so that the backlog is known when it returns; drops nothing yet.
  Housekeeping(const HousekeepingOptions& options, log::Log& log, FlushedMarks sink, Clock& clock,
               Metrics& metrics);
  ~Housekeeping();
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;

  // The bytes in the log that the sink might still need, as counted last. Costs nothing.
  std::uint64_t backlog_bytes() const { return backlog_bytes_; }

 private:
  void run(const std::stop_token& stop);
  Status ask_sink();
  void remember() const;
  void recall();
  Status drop_old();
  void note_dropped(Partition partition, Offset before, Offset after);
  void count_backlog();
  void report(const Status& done);
  void wait(const std::stop_token& stop);

  const HousekeepingOptions options_;
  log::Log& log_;
  const FlushedMarks sink_;
  Clock& clock_;
  const std::chrono::nanoseconds began_;
  Metrics& metrics_;
  Gauge backlog_gauge_;
  std::atomic<std::uint64_t> backlog_bytes_ = 0;

  // Of the constructor, then of the thread alone.
  std::vector<Offset> marks_;  // as told last
  bool is_told_ = false;       // ever
  std::string problem_;        // the last failure, while it lasts

  Mutex mutex_;
  std::condition_variable stopping_;
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace tillrace::app
