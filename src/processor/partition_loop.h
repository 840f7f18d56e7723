// One partition's way from the log into a sink.
#pragma once
#include <optional>
#include <stop_token>
#include <thread>

#include "base/clock.h"
#include "base/metrics.h"
#include "log/log.h"
#include "model/event_json.h"
#include "processor/metrics.h"
#include "processor/refusal_search.h"
#include "processor/sink.h"

namespace tillrace::processor {

struct BatchLimits {
  std::size_t max_records = 32'000;
  std::size_t max_bytes = 16 << 20;
  // Events that PostgreSQL refuses one after the other before the loop waits for a person.
  std::int64_t max_refused_in_a_row = 1'000;
};

// Not thread-safe; driven by one thread of Processor. What it borrows outlives it.
class PartitionLoop final : public Loop {
 public:
  PartitionLoop(Partition partition, BatchLimits limits, TimeZone shop, log::Log& log,
                const SinkKind& sink, Clock& clock, Metrics& metrics);

  // Takes what the log has, up to the limits, and writes it with the new mark; waits up to
  // `patience` when there is nothing. A batch closes when the log has no more, not when a timer
  // rings. Failures are the sink's or the log's; after any of them the next call starts from the
  // sink's own mark. corrupt: log and mark contradict each other.
  //
  // A batch that PostgreSQL refuses for what a record says is no failure: the next calls write
  // parts of it, until that record stands alone and goes to stream.rejected with PostgreSQL's
  // reason. It is a failure (invalid) when nothing but refused events came lately, or when
  // PostgreSQL refuses the batch also without the event: then a rule of the database is to blame,
  // not the events.
  Status run_once(std::chrono::milliseconds patience, const std::stop_token& stop) override;

  // The next offset the sink wants; nothing before it was asked, after a failure, and when
  // the session was lost.
  std::optional<Offset> mark() const override { return mark_; }
  void leave() override { metrics_.lag(0); }
  Status recover_sink() override { return sink_->recover(); }

 private:
  struct Prepared {
    warehouse::Batch batch;
    std::optional<UtcMicros> oldest_received_at;  // nothing where there are only holes
  };

  Result<Prepared> next_batch();
  Result<Prepared> read_batch(Offset from, std::optional<Offset> end = {});
  Error explain(Error error, Offset wanted);
  Status idle(std::chrono::milliseconds patience, const std::stop_token& stop);
  Status write(const Prepared& prepared);
  void give_up(Code code);
  Status apply(const Prepared& prepared);
  Status narrow_down(const Prepared& prepared, const Error& refusal);
  Status reject_refused(Prepared alone, const Error& refusal);
  void read_ahead(const warehouse::Batch& current);
  // What was read ahead, once; nothing when nothing was. Waits for it.
  std::optional<Result<Prepared>> take_read_ahead();

  Partition partition_;
  BatchLimits limits_;
  log::Log& log_;
  Clock& clock_;
  EventParser parser_;
  const std::string sink_name_;
  const std::unique_ptr<Sink> sink_;
  PartitionMetrics metrics_;
  RefusalSearch search_;
  std::optional<Offset> mark_;        // as last read from, or moved in, the sink
  std::optional<Offset> known_mark_;  // the same before the last failure
  // The batch behind the one that is being written. The thread writes it; it is read after a join.
  std::optional<Result<Prepared>> ahead_;
  std::jthread ahead_thread_;
};

}  // namespace tillrace::processor
