// One partition's way from the log into the warehouse.
#pragma once
#include <optional>
#include <stop_token>
#include <thread>

#include "base/clock.h"
#include "base/metrics.h"
#include "log/log.h"
#include "model/event_json.h"
#include "processor/metrics.h"
#include "warehouse/batch_writer.h"

namespace tillrace::processor {

struct BatchLimits {
  std::size_t max_records = 32'000;
  std::size_t max_bytes = 16 << 20;
};

// Not thread-safe; driven by one thread of Processor. What it borrows outlives it.
class PartitionLoop {
 public:
  PartitionLoop(Partition partition, BatchLimits limits, TimeZone shop, log::Log& log,
                std::string warehouse_url, Clock& clock, Metrics& metrics);

  // Takes what the log has, up to the limits, and writes it with the new mark; waits up to
  // `patience` when there is nothing. A batch closes when the log has no more, not when a timer
  // rings. Failures are the warehouse's or the log's; after any of them the next call starts from
  // the warehouse's own mark. corrupt: log and mark contradict each other.
  Status run_once(std::chrono::milliseconds patience, const std::stop_token& stop);

  // The next offset the warehouse wants; nothing before it was asked, after a failure, and when
  // the session was lost.
  std::optional<Offset> mark() const { return mark_; }
  void set_warehouse_url(std::string url) { writer_.set_url(std::move(url)); }

 private:
  struct Prepared {
    warehouse::Batch batch;
    UtcMicros oldest_received_at;
  };

  Result<Prepared> next_batch();
  Result<Prepared> read_batch(Offset from);
  Status idle(std::chrono::milliseconds patience, const std::stop_token& stop);
  Status write(const Prepared& prepared);
  void read_ahead(const warehouse::Batch& current);
  // What was read ahead, once; nothing when nothing was. Waits for it.
  std::optional<Result<Prepared>> take_read_ahead();

  Partition partition_;
  BatchLimits limits_;
  log::Log& log_;
  Clock& clock_;
  EventParser parser_;
  warehouse::BatchWriter writer_;
  PartitionMetrics metrics_;
  std::optional<Offset> mark_;  // as last read from, or moved in, the warehouse
  // The batch behind the one that is being written. The thread writes it; it is read after a join.
  std::optional<Result<Prepared>> ahead_;
  std::jthread ahead_thread_;
};

}  // namespace tillrace::processor
