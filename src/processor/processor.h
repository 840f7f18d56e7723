// Stage 2: the log to the warehouse. Owns one thread a partition.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "log/log.h"
#include "processor/partition_loop.h"
#include "warehouse/warehouse.h"

namespace tillrace::processor {

struct ProcessorOptions {
  BatchLimits batch;
  TimeZone shop;
  // Pauses after failures double from the first to the longest.
  int first_pause_ms = 50;
  int longest_pause_ms = 5'000;
};

// How it goes, for /readyz and `status`.
struct Health {
  bool is_writing = true;  // false: waits for something, or has stopped for good
  bool has_stopped = false;
  std::string problem;  // the last failure, while it lasts
};

// Each partition's loop goes on by itself whatever happens to PostgreSQL: it waits, brings a
// private server back, reads its mark again. Only when log and mark contradict each other (corrupt)
// does a loop stop, loudly; a person must look.
//
// Thread-safe. What it borrows outlives it. The destructor finishes the batch in hand and joins.
class Processor {
 public:
  Processor(ProcessorOptions options, log::Log& log, warehouse::Warehouse& warehouse, Clock& clock,
            Metrics& metrics);
  ~Processor();
  Processor(const Processor&) = delete;
  Processor& operator=(const Processor&) = delete;

  Health health() const;
  // By partition: records in the log that are not in the warehouse.
  std::vector<std::int64_t> lag_records() const;
  // Waits until every record that is in the log is in the warehouse: true; false when `patience`
  // was over first, or what is missing belongs to a partition that has stopped.
  bool catch_up(std::chrono::milliseconds patience);
  // Finishes the batch in hand. Later calls do nothing.
  void stop();

 private:
  struct LoopState {
    std::string problem;
    bool has_stopped = false;
    Offset mark;              // as last known
    bool is_current = false;  // false: the warehouse must be asked again what its mark is
  };

  void run(Partition partition, const std::stop_token& stop);
  // False when the loop is to end.
  bool survive(Partition partition, const Error& error, int& pause_ms, PartitionLoop& loop,
               const std::stop_token& stop);
  void report(Partition partition, std::optional<Offset> mark);
  void report_problem(Partition partition, const std::string& problem);
  void stop_reporting(Partition partition, const std::string& problem);
  void show_waiting() REQUIRES(mutex_);
  bool has_settled() const;
  bool has_caught_up() const;

  ProcessorOptions options_;
  log::Log& log_;
  warehouse::Warehouse& warehouse_;
  Clock& clock_;
  Metrics& metrics_;
  Gauge waiting_ GUARDED_BY(mutex_);
  mutable Mutex mutex_;
  std::vector<LoopState> states_ GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace tillrace::processor
