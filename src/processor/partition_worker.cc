#include "processor/partition_worker.h"

#include "base/logging.h"
#include "base/thread.h"

namespace tillrace::processor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{1'000};  // an idle loop looks around this often
constexpr milliseconds kStopPoll{20};

void pause(Clock& clock, milliseconds duration, const std::stop_token& stop) {
  for (milliseconds slept{0}; slept < duration && !stop.stop_requested(); slept += kStopPoll)
    clock.sleep_for(std::min(kStopPoll, duration - slept));
}

}  // namespace

PartitionWorker::PartitionWorker(Partition partition, const ProcessorOptions& options,
                                 log::Log& log, log::Membership& membership, const SinkKind& sink,
                                 Clock& clock, Metrics& metrics)
    : partition_(partition),
      options_(options),
      log_(log),
      membership_(membership),
      sink_(sink),
      clock_(clock),
      metrics_(metrics),
      waiting_(metrics.gauge("tillrace_processor_waiting",
                             "Partitions whose loop cannot write to the sink",
                             {{"sink", sink.name}})) {
  thread_ = named_thread(sink.name + "-" + std::to_string(partition.value),
                         [this](const std::stop_token& stop) {
                           run(stop);
                           has_ended_ = true;
                         });
}

PartitionWorker::~PartitionWorker() {
  thread_ = {};
  if (!progress().problem.empty()) waiting_.add(-1);
}

Progress PartitionWorker::progress() const {
  MutexLock lock(mutex_);
  return progress_;
}

void PartitionWorker::run(const std::stop_token& stop) {
  auto opened = open_loop();
  Loop& loop = *opened;
  int pause_ms = options_.first_pause_ms;
  while (!stop.stop_requested()) {
    Status done = loop.run_once(kPatience, stop);
    if (done) {
      pause_ms = options_.first_pause_ms;
      report(loop.mark());
    } else if (!survive(done.error(), pause_ms, loop, stop)) {
      return;
    }
  }
  loop.leave();
}

std::unique_ptr<Loop> PartitionWorker::open_loop() {
  if (sink_.open_loop) return sink_.open_loop(partition_);
  return std::make_unique<PartitionLoop>(partition_, options_.batch, options_.shop, log_, sink_,
                                         clock_, metrics_);
}

// A conflict means that another process writes the partition too, for as long as the group takes to
// agree. Each of them is a batch read in vain, so the pause grows as after any other failure.
bool PartitionWorker::survive(const Error& error, int& pause_ms, Loop& loop,
                              const std::stop_token& stop) {
  if (error.code == Code::corrupt) {
    logging::error("{}: partition {} stops: {}", sink_.name, partition_.value, error.message);
    report_problem(error.message, true);
    return false;
  }
  if (error.code != Code::conflict || pause_ms > options_.first_pause_ms) {
    logging::warning("{}: partition {} waits: {}", sink_.name, partition_.value, error.message);
    report_problem(error.message, false);
  }
  pause(clock_, milliseconds(pause_ms), stop);
  pause_ms = std::min(pause_ms * 2, options_.longest_pause_ms);
  if (error.code == Code::unavailable && !stop.stop_requested()) {
    if (Status up = loop.recover_sink(); !up) report_problem(up.error().message, false);
  }
  return true;
}

void PartitionWorker::report(std::optional<Offset> mark) {
  MutexLock lock(mutex_);
  if (!progress_.problem.empty()) {
    if (mark) logging::info("{}: partition {} goes on", sink_.name, partition_.value);
    waiting_.add(-1);
  }
  bool has_moved = mark && *mark != progress_.mark;
  progress_ = {"", false, mark.value_or(progress_.mark), mark.has_value(),
               progress_.is_known || mark.has_value()};
  if (has_moved && sink_.reports_marks) membership_.report(partition_, *mark);
}

void PartitionWorker::report_problem(const std::string& problem, bool has_stopped) {
  MutexLock lock(mutex_);
  if (progress_.problem.empty()) waiting_.add(1);
  progress_.problem = problem;
  progress_.has_stopped = has_stopped;
  progress_.is_current = false;
}

}  // namespace tillrace::processor
