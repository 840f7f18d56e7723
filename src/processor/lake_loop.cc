#include "processor/lake_loop.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "base/thread.h"

namespace tillrace::processor {
namespace {

using std::chrono::milliseconds;

// How often it is looked whether haste was asked for, and whether it is a partition's turn.
constexpr milliseconds kLook{50};
// How often the log is asked whether a partition is due; Kafka has to ask its brokers.
constexpr milliseconds kAskLog{500};
// Data files that were not committed for so long might meet a vacuum (which keeps them 168 h) or a
// log of the table that has forgotten them. They are left to it, and written anew.
constexpr std::chrono::hours kLongestPending{24};

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

// Holds the turn to write for its lifetime.
class Turn {
 public:
  explicit Turn(LakeSink& sink) : sink_(sink), is_ours_(sink.take_turn()) {}
  ~Turn() {
    if (is_ours_) sink_.end_turn();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  bool is_ours() const { return is_ours_; }

 private:
  LakeSink& sink_;
  const bool is_ours_;
};

}  // namespace

LakeLoop::LakeLoop(LakeSink& sink, Partition partition)
    : sink_(sink),
      partition_(partition),
      metrics_(sink.metrics, "lake", partition),
      reader_(sink.log, partition, sink.options.shop, sink.options.reader),
      seen_hurries_(sink.hurries()) {
  put_this_thread_behind();
}

LakeLoop::~LakeLoop() = default;

// What fails while a person takes the lake out is no concern of theirs.
Status LakeLoop::run_once(milliseconds patience, const std::stop_token& stop) {
  if (sink_.attachment() == Attachment::detached) {
    forget();
    metrics_.lag(0);
    seen_hurries_ = sink_.hurries();
    wait(patience, stop);
    return {};
  }
  Status done = step(patience, stop);
  if (done) return done;
  mark_.reset();
  if (sink_.attachment() == Attachment::detached) return {};
  metrics_.failed(done.error().code);
  return done;
}

// The mark is to be read anew; what is pending is dropped, for it may have been committed.
void LakeLoop::forget() {
  mark_.reset();
  writer_.reset();
}

// Ends early when haste is asked for.
void LakeLoop::wait(milliseconds patience, const std::stop_token& stop) {
  for (milliseconds left = patience;
       left > milliseconds(0) && !stop.stop_requested() && sink_.hurries() == seen_hurries_;
       left -= kLook)
    sink_.clock.sleep_for(std::min(left, kLook));
}

Status LakeLoop::step(milliseconds patience, const std::stop_token& stop) {
  if (writer_ && writer_->is_pending()) return settle();
  if (!mark_) {
    if (Status read = read_mark(); !read) return read;
  }
  // Before the log is asked: haste may be meant for what comes in right now.
  std::uint64_t hurries = sink_.hurries();
  auto end = sink_.log.end(partition_);
  if (!end) return fail(end.error());
  metrics_.lag(end->value - mark_->value);
  if (*end < *mark_) return read_mark();
  if (*end == *mark_) return idle(hurries, patience, stop);
  if (is_due(hurries, *end)) return write(patience, stop);
  wait(std::min(patience, kAskLog), stop);
  return {};
}

Status LakeLoop::open_writer() {
  if (writer_) return {};
  if (!session_) {
    auto session = sink_.open_session();
    if (!session) return fail(session.error());
    session_.emplace(std::move(*session));
  }
  auto writer = lake::BronzeWriter::open(sink_.ports(*session_),
                                         {sink_.log.topic(), partition_, sink_.log.id()});
  if (!writer) return fail(writer.error());
  writer_ = std::move(*writer);
  return {};
}

Status LakeLoop::read_mark() {
  if (Status opened = open_writer(); !opened) return opened;
  auto mark = writer_->mark();
  if (!mark) return fail(mark.error());
  auto first = sink_.log.first(partition_);
  if (!first) return fail(first.error());
  auto end = sink_.log.end(partition_);
  if (!end) return fail(end.error());
  if (*mark && **mark > *end)
    return fail(Code::corrupt, "the lake's mark of {}/{} is {}, and the log ends at {}",
                sink_.log.topic(), partition_.value, (*mark)->value, end->value);
  if (mark->value_or(Offset{0}) < *first) return begin_late(*mark, *first);
  mark_ = mark->value_or(Offset{0});
  return {};
}

// As the warehouse does, a lake that knows nothing of a topic which others keep takes what is
// there. What it had once begun it goes on with only where a person said so.
bool LakeLoop::may_begin_late(const std::optional<Offset>& mark) const {
  if (sink_.attachment() == Attachment::reattached) return true;
  return !mark && sink_.options.late == LateStart::allowed;
}

Status LakeLoop::begin_late(std::optional<Offset> mark, Offset first) {
  Offset wanted = mark.value_or(Offset{0});
  if (!may_begin_late(mark))
    return fail(Code::corrupt,
                "the lake wants {0}/{1} from offset {2} on, and the log has dropped what lies "
                "before {3}; `tillrace sink attach lake` and a new start have it begin there, "
                "without those records",
                sink_.log.topic(), partition_.value, wanted.value, first.value);
  logging::warning(
      "lake: {}/{} goes on at offset {}; the {} offsets from {} on are gone, for the log has "
      "dropped them",
      sink_.log.topic(), partition_.value, first.value, first.value - wanted.value, wanted.value);
  write_began_ = sink_.clock.monotonic();
  if (Status begun = writer_->begin_at(first); !begun) return begun;
  mark_ = first;
  return {};
}

// Haste that was asked for while there is nothing to write is done with.
Status LakeLoop::idle(std::uint64_t hurries, milliseconds patience, const std::stop_token& stop) {
  waiting_since_.reset();
  seen_hurries_ = hurries;
  auto more = sink_.log.wait_for(partition_, *mark_, patience, stop);
  if (more) return {};
  if (more.error().code != Code::shutting_down) return fail(more.error());
  sink_.clock.sleep_for(kLook);  // nothing will come
  return {};
}

bool LakeLoop::is_due(std::uint64_t hurries, Offset end) {
  Nanos now = sink_.clock.monotonic();
  if (!waiting_since_) waiting_since_ = now;
  if (hurries != seen_hurries_) {
    seen_hurries_ = hurries;
    hurry_to_ = end;
  }
  if (*mark_ < hurry_to_) return true;
  if (now - *waiting_since_ >= milliseconds(sink_.options.commit_interval_ms)) return true;
  auto bytes = sink_.log.bytes_after(partition_, *mark_);
  return bytes && *bytes >= sink_.options.reader.commit_bytes;
}

Status LakeLoop::write(milliseconds patience, const std::stop_token& stop) {
  {
    Turn turn(sink_);
    if (!turn.is_ours()) {
      wait(std::min(patience, kLook), stop);
      return {};
    }
    write_began_ = sink_.clock.monotonic();
    reader_.set_stop(stop);
    if (Status prepared = writer_->prepare(reader_); !prepared) return prepared;
  }
  return writer_->is_pending() ? settle() : Status{};
}

Status LakeLoop::settle() {
  if (sink_.clock.monotonic() - write_began_ > kLongestPending) {
    forget();
    return fail(Code::unavailable, "{}/{}: what could not be committed for {} h is written anew",
                sink_.log.topic(), partition_.value, kLongestPending.count());
  }
  auto mark = writer_->settle();
  if (!mark) return fail(mark.error());
  mark_ = *mark;
  waiting_since_ = write_began_;  // what came since then waits
  auto end = sink_.log.end(partition_);
  report(end.value_or(*mark));
  return {};
}

void LakeLoop::report(Offset end) {
  warehouse::BatchCounts counts;
  counts.inserted = writer_->counts().events;
  for (warehouse::RejectedKind kind : warehouse::kRejectedKinds) {
    auto found = writer_->counts().rejected.find(std::string(name(kind)));
    if (found == writer_->counts().rejected.end()) continue;
    counts.rejected += found->second;
    metrics_.rejected(kind, found->second);
  }
  metrics_.applied(counts, seconds(sink_.clock.monotonic() - write_began_));
  if (auto oldest = reader_.oldest_received_at())
    metrics_.visible_after(
        static_cast<double>(std::max<std::int64_t>(sink_.clock.now().value - oldest->value, 0)) /
        1e6);
  metrics_.lag(end.value - mark_->value);
}

}  // namespace tillrace::processor
