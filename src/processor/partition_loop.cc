#include "processor/partition_loop.h"

#include "base/thread.h"
#include "processor/decode.h"

namespace tillrace::processor {
namespace {

constexpr std::chrono::milliseconds kStoppedLogPause{20};

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

PartitionLoop::PartitionLoop(Partition partition, BatchLimits limits, TimeZone shop, log::Log& log,
                             std::string warehouse_url, Clock& clock, Metrics& metrics)
    : partition_(partition),
      limits_(limits),
      log_(log),
      clock_(clock),
      parser_(std::move(shop)),
      writer_(std::move(warehouse_url)),
      metrics_(metrics, partition) {}

Status PartitionLoop::run_once(std::chrono::milliseconds patience, const std::stop_token& stop) {
  auto prepared = next_batch();
  Status done = prepared ? Status{} : Status{fail(prepared.error())};
  if (done && prepared->batch.from == prepared->batch.to) return idle(patience, stop);
  if (done) done = write(*prepared);
  if (!done) {
    take_read_ahead();
    mark_.reset();
    metrics_.failed(done.error().code);
  }
  return done;
}

// A server that crashed may have lost what it was last given, and would not be given it again
// before the next event comes. So a lost session is noticed while idle, and the mark is read anew.
Status PartitionLoop::idle(std::chrono::milliseconds patience, const std::stop_token& stop) {
  metrics_.lag(0);
  auto more = log_.wait_for(partition_, *mark_, patience, stop);
  if (!writer_.has_session()) mark_.reset();
  if (more) return {};
  if (more.error().code != Code::shutting_down) return fail(more.error());
  clock_.sleep_for(kStoppedLogPause);  // nothing will come, and the others need the processor
  return {};
}

Status PartitionLoop::write(const Prepared& prepared) {
  const warehouse::Batch& batch = prepared.batch;
  read_ahead(batch);
  auto started = clock_.monotonic();
  auto counts = writer_.apply(batch);
  if (!counts) return fail(counts.error());
  mark_ = batch.to;
  metrics_.applied(*counts, seconds(clock_.monotonic() - started));
  metrics_.visible_after(
      static_cast<double>(clock_.now().value - prepared.oldest_received_at.value) / 1e6);
  if (auto end = log_.end(partition_)) metrics_.lag(end->value - batch.to.value);
  return {};
}

// The one that was read ahead, if it starts at the mark; else what the log has there.
Result<PartitionLoop::Prepared> PartitionLoop::next_batch() {
  if (auto ahead = take_read_ahead(); ahead && *ahead && mark_) {
    if ((*ahead)->batch.from == *mark_) return std::move(*ahead);
  }
  if (!mark_) {
    auto mark = writer_.mark(log_.topic(), partition_, log_.id());
    if (!mark) return fail(mark.error());
    mark_ = *mark;
  }
  return read_batch(*mark_);
}

Result<PartitionLoop::Prepared> PartitionLoop::read_batch(Offset from) {
  auto fetched = log_.read(partition_, from, {limits_.max_records, limits_.max_bytes});
  if (!fetched) return fail(fetched.error());
  Prepared prepared;
  prepared.batch = {log_.topic(), partition_, log_.id(), from, fetched->next, {}, {}};
  if (!fetched->records.empty())
    prepared.oldest_received_at = fetched->records.front().record.received_at;
  decode(std::move(fetched->records), parser_, prepared.batch);
  return prepared;
}

// Only while catching up: at the log's end there is nothing ahead. The parser is in one thread's
// hands at a time, since next_batch() waits for what is ahead before anything else is read.
void PartitionLoop::read_ahead(const warehouse::Batch& current) {
  auto end = log_.end(partition_);
  if (!end || *end <= current.to) return;
  metrics_.lag(end->value - current.from.value);
  ahead_thread_ = named_thread(
      "decode", [this, from = current.to](const std::stop_token&) { ahead_ = read_batch(from); });
}

std::optional<Result<PartitionLoop::Prepared>> PartitionLoop::take_read_ahead() {
  if (ahead_thread_.joinable()) ahead_thread_.join();
  return std::exchange(ahead_, std::nullopt);
}

}  // namespace tillrace::processor
