#include "app/housekeeping.h"

#include <sstream>

#include "base/check.h"
#include "base/files.h"
#include "base/logging.h"
#include "base/thread.h"

namespace tillrace::app {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kStart{10};  // that long nobody need know that a sink has not told

// A mark below the first record is that of a warehouse made anew: it wants all there is.
Result<std::uint64_t> backlog_of(log::Log& log, Partition partition, Offset mark) {
  auto first = log.first(partition);
  if (!first) return fail(first.error());
  return log.bytes_after(partition, std::max(*first, mark));
}

}  // namespace

Housekeeping::Housekeeping(const HousekeepingOptions& options, log::Log& log, FlushedMarks sink,
                           Clock& clock, Metrics& metrics)
    : options_(options),
      log_(log),
      sink_(std::move(sink)),
      clock_(clock),
      began_(clock.monotonic()),
      metrics_(metrics),
      backlog_gauge_(metrics.gauge("tillrace_log_backlog_bytes",
                                   "Bytes in the log that a sink might still need")),
      marks_(static_cast<std::size_t>(log.partitions())) {
  recall();
  report(ask_sink());
  count_backlog();
  thread_ = named_thread("housekeeping", [this](const std::stop_token& stop) { run(stop); });
}

Housekeeping::~Housekeeping() = default;

void Housekeeping::run(const std::stop_token& stop) {
  auto due = clock_.monotonic();
  while (!stop.stop_requested()) {
    bool is_due = clock_.monotonic() >= due || !is_told_;
    if (is_due || backlog_bytes_ >= options_.large_backlog_bytes) {
      Status done = ask_sink();
      if (is_due || !done) report(done ? drop_old() : done);
    }
    if (is_due) due = clock_.monotonic() + milliseconds(options_.check_interval_ms);
    count_backlog();
    wait(stop);
  }
}

Status Housekeeping::ask_sink() {
  auto told = sink_();
  if (!told) return fail(told.error());
  CHECK(told->size() == marks_.size());
  for (std::size_t i = 0; i < marks_.size(); ++i)
    if ((*told)[i] < marks_[i])
      logging::warning("partition {}: the mark that all sinks have has gone back from {} to {}", i,
                       marks_[i].value, (*told)[i].value);
  bool has_changed = marks_ != *told;
  marks_ = std::move(*told);
  is_told_ = true;
  if (has_changed) remember();
  return {};
}

// The log's identity, and a mark a partition, a line each.
void Housekeeping::remember() const {
  if (options_.marks_file.empty()) return;
  std::string text = log_.id() + "\n";
  for (Offset mark : marks_) text += std::to_string(mark.value) + "\n";
  Status done = make_private_folder(options_.marks_file.parent_path());
  if (done) done = write_file_atomically(options_.marks_file, text, 0600);
  if (!done) logging::warning("the sinks' marks are not kept: {}", done.error().message);
}

// Those of another log, and what is not as it was written, count for nothing.
void Housekeeping::recall() {
  if (options_.marks_file.empty()) return;
  auto text = read_file(options_.marks_file);
  if (!text) return;
  std::istringstream lines(*text);
  std::string log_id;
  std::vector<Offset> marks(marks_.size());
  if (!std::getline(lines, log_id) || log_id != log_.id()) return;
  for (Offset& mark : marks)
    if (!(lines >> mark.value) || mark.value < 0) return;
  marks_ = std::move(marks);
}

// Each partition by itself; the first failure is told.
Status Housekeeping::drop_old() {
  Status all;
  for (std::int32_t i = 0; i < log_.partitions(); ++i) {
    Partition partition{i};
    auto before = log_.first(partition);
    Status dropped =
        log_.retain(partition, marks_[static_cast<std::size_t>(i)], options_.retention);
    auto after = log_.first(partition);
    if (before && after && *after > *before) note_dropped(partition, *before, *after);
    if (!dropped && all) all = dropped;
  }
  return all;
}

void Housekeeping::note_dropped(Partition partition, Offset before, Offset after) {
  logging::info("partition {}: the log has dropped the records from {} to {}", partition.value,
                before.value, after.value - 1);
  metrics_
      .counter("tillrace_retention_dropped_records_total",
               "Records that the log has dropped, since all sinks have them",
               {{"partition", std::to_string(partition.value)}})
      .add(static_cast<double>(after.value - before.value));
}

// Stays as it was when a partition cannot say.
void Housekeeping::count_backlog() {
  std::uint64_t bytes = 0;
  for (std::int32_t i = 0; i < log_.partitions(); ++i) {
    auto more = backlog_of(log_, Partition{i}, marks_[static_cast<std::size_t>(i)]);
    if (!more) return logging::debug("the log's backlog: {}", more.error().message);
    bytes += *more;
  }
  backlog_bytes_ = bytes;
  backlog_gauge_.set(static_cast<double>(bytes));
}

// A failure is said once while it lasts. Sinks tell their marks when they have started.
void Housekeeping::report(const Status& done) {
  if (done) {
    if (!problem_.empty()) logging::info("the log drops what it need not keep again");
    return problem_.clear();
  }
  const Error& error = done.error();
  metrics_
      .counter("tillrace_retention_failed_total",
               "Times that the log dropped nothing because something was amiss, by code",
               {{"code", std::string(name(error.code))}})
      .add();
  bool is_starting =
      !is_told_ && clock_.monotonic() - began_ < kStart && error.code == Code::unavailable;
  if (is_starting || error.message == problem_) return;
  problem_ = error.message;
  if (error.code == Code::corrupt)
    logging::error("the log drops nothing: {}", error.message);
  else
    logging::warning("the log drops nothing: {}", error.message);
}

void Housekeeping::wait(const std::stop_token& stop) {
  auto until = std::chrono::steady_clock::now() + milliseconds(options_.backlog_interval_ms);
  std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex_);
    stopping_.notify_all();
  });
  MutexLock lock(mutex_);
  bool time_left = true;
  while (!stop.stop_requested() && time_left) time_left = lock.wait_until(stopping_, until);
}

}  // namespace tillrace::app
