#include "processor/partition_loop.h"

#include <algorithm>

#include "base/logging.h"
#include "base/thread.h"
#include "processor/decode.h"

namespace tillrace::processor {
namespace {

constexpr std::chrono::milliseconds kStoppedLogPause{20};

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

void cut(log::Fetched& fetched, Offset end) {
  while (!fetched.records.empty() && fetched.records.back().offset >= end)
    fetched.records.pop_back();
  fetched.next = std::min(fetched.next, end);
}

}  // namespace

PartitionLoop::PartitionLoop(Partition partition, BatchLimits limits, TimeZone shop, log::Log& log,
                             const SinkKind& sink, Clock& clock, Metrics& metrics)
    : partition_(partition),
      limits_(limits),
      log_(log),
      clock_(clock),
      parser_(std::move(shop)),
      sink_name_(sink.name),
      sink_(sink.open(partition)),
      metrics_(metrics, sink.name, partition),
      search_(limits.max_refused_in_a_row) {}

Status PartitionLoop::run_once(std::chrono::milliseconds patience, const std::stop_token& stop) {
  auto prepared = next_batch();
  Status done = prepared ? Status{} : Status{fail(prepared.error())};
  if (done && prepared->batch.from == prepared->batch.to) return idle(patience, stop);
  if (done) done = write(*prepared);
  if (!done) give_up(done.error().code);
  return done;
}

// What comes into the log meanwhile waits, and shall be seen to.
void PartitionLoop::give_up(Code code) {
  take_read_ahead();
  if (mark_) known_mark_ = mark_;
  mark_.reset();
  metrics_.failed(code);
  auto end = log_.end(partition_);
  if (end && known_mark_) metrics_.lag(std::max<std::int64_t>(end->value - known_mark_->value, 0));
}

// A server that crashed may have lost what it was last given, and would not be given it again
// before the next event comes. So a lost session is noticed while idle, and the mark is read anew.
Status PartitionLoop::idle(std::chrono::milliseconds patience, const std::stop_token& stop) {
  metrics_.lag(0);
  auto more = log_.wait_for(partition_, *mark_, patience, stop);
  if (!sink_->has_session()) mark_.reset();
  if (more) return {};
  if (more.error().code != Code::shutting_down) return fail(more.error());
  clock_.sleep_for(kStoppedLogPause);  // nothing will come, and the others need the processor
  return {};
}

Status PartitionLoop::write(const Prepared& prepared) {
  read_ahead(prepared.batch);
  Status applied = apply(prepared);
  if (applied || !sink_->refusal()) return applied;
  return narrow_down(prepared, applied.error());
}

Status PartitionLoop::apply(const Prepared& prepared) {
  const warehouse::Batch& batch = prepared.batch;
  auto started = clock_.monotonic();
  auto counts = sink_->apply(batch);
  if (!counts) return fail(counts.error());
  mark_ = batch.to;
  search_.taken(batch);
  metrics_.applied(*counts, batch.rejected, seconds(clock_.monotonic() - started));
  if (auto oldest = prepared.oldest_received_at)
    metrics_.visible_after(
        static_cast<double>(std::max<std::int64_t>(clock_.now().value - oldest->value, 0)) / 1e6);
  if (auto end = log_.end(partition_)) metrics_.lag(end->value - batch.to.value);
  return {};
}

// Nothing was written, and the session has rolled back: the mark is what it was.
Status PartitionLoop::narrow_down(const Prepared& prepared, const Error& refusal) {
  if (prepared.batch.lines.empty()) return fail(refusal);
  if (prepared.batch.lines.size() == 1) return reject_refused(prepared, refusal);
  search_.halve(prepared.batch);
  metrics_.failed(refusal.code);
  return {};
}

// That the batch goes in without the line proves that the line was to blame.
Status PartitionLoop::reject_refused(Prepared alone, const Error& refusal) {
  warehouse::Batch& batch = alone.batch;
  Offset offset = batch.lines.front().offset;
  if (!search_.may_blame())
    return fail(
        Code::invalid,
        "PostgreSQL has refused {} events in a row, so it seems to be no event's fault, and "
        "{}/{} waits at offset {}; change the rule that refuses them, or raise "
        "warehouse.max_refused_in_a_row: {}",
        search_.in_a_row(), log_.topic(), partition_.value, offset.value, refusal.message);
  auto fetched = log_.read(partition_, offset, {1, limits_.max_bytes});
  if (!fetched) return fail(fetched.error());
  batch.lines.clear();
  auto behind =
      std::find_if(batch.rejected.begin(), batch.rejected.end(),
                   [&](const warehouse::RejectedRecord& record) { return record.offset > offset; });
  batch.rejected.insert(behind, refused(std::move(fetched->records.front()), *sink_->refusal()));
  if (Status applied = apply(alone); !applied) return applied;
  search_.blamed();
  logging::warning(
      "partition {}: PostgreSQL refuses the event at offset {}; see `tillrace rejected "
      "show {}:{}`",
      partition_.value, offset.value, partition_.value, offset.value);
  return {};
}

// The one that was read ahead, if it starts at the mark; else what the log has there.
Result<PartitionLoop::Prepared> PartitionLoop::next_batch() {
  if (auto ahead = take_read_ahead(); ahead && *ahead && mark_) {
    if ((*ahead)->batch.from == *mark_) return std::move(*ahead);
  }
  if (!mark_) {
    auto mark = sink_->mark();
    if (!mark) return fail(mark.error());
    mark_ = *mark;
  }
  return read_batch(*mark_, search_.end_for(*mark_));
}

Result<PartitionLoop::Prepared> PartitionLoop::read_batch(Offset from, std::optional<Offset> end) {
  std::size_t most = limits_.max_records;
  if (end) most = std::min(most, static_cast<std::size_t>(end->value - from.value));
  auto fetched = log_.read(partition_, from, {most, limits_.max_bytes});
  if (!fetched) return fail(explain(fetched.error(), from));
  if (end) cut(*fetched, *end);
  Prepared prepared;
  prepared.batch = {log_.topic(), partition_, log_.id(), from, fetched->next, {}, {}};
  if (!fetched->records.empty())
    prepared.oldest_received_at = fetched->records.front().record.received_at;
  decode(std::move(fetched->records), parser_, prepared.batch);
  return prepared;
}

// What the log's retention means for a sink that was made anew on a log of its own, or comes from
// an old backup.
Error PartitionLoop::explain(Error error, Offset wanted) {
  auto first = log_.first(partition_);
  if (error.code != Code::corrupt || !first || wanted >= *first) return error;
  return {Code::corrupt,
          fmt::format("the {0} wants {1}/{2} from offset {3} on, and the log has dropped what lies "
                      "before {4}; restore the {0} from a backup that is not older",
                      sink_name_, log_.topic(), partition_.value, wanted.value, first->value)};
}

// Only while catching up: at the log's end there is nothing ahead, and parts of a batch are short.
// The parser is in one thread's hands at a time, since next_batch() waits for what is ahead before
// anything else is read.
void PartitionLoop::read_ahead(const warehouse::Batch& current) {
  auto end = log_.end(partition_);
  if (!end || *end <= current.to || search_.end_for(current.from)) return;
  metrics_.lag(end->value - current.from.value);
  ahead_thread_ = named_thread(
      "decode", [this, from = current.to](const std::stop_token&) { ahead_ = read_batch(from); });
}

std::optional<Result<PartitionLoop::Prepared>> PartitionLoop::take_read_ahead() {
  if (ahead_thread_.joinable()) ahead_thread_.join();
  return std::exchange(ahead_, std::nullopt);
}

}  // namespace tillrace::processor
