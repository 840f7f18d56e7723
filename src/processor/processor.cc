#include "processor/processor.h"

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

Processor::Processor(ProcessorOptions options, log::Log& log, warehouse::Warehouse& warehouse,
                     Clock& clock, Metrics& metrics)
    : options_(std::move(options)),
      log_(log),
      warehouse_(warehouse),
      clock_(clock),
      metrics_(metrics),
      waiting_(metrics.gauge("tillrace_processor_waiting",
                             "1 while a partition's loop cannot write to the warehouse")) {
  {
    MutexLock lock(mutex_);
    states_.resize(static_cast<std::size_t>(log.partitions()));
  }
  for (std::int32_t i = 0; i < log.partitions(); ++i)
    threads_.push_back(
        named_thread("warehouse-" + std::to_string(i),
                     [this, i](const std::stop_token& stop) { run(Partition{i}, stop); }));
}

Processor::~Processor() { stop(); }

void Processor::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void Processor::run(Partition partition, const std::stop_token& stop) {
  PartitionLoop loop(partition, options_.batch, options_.shop, log_, warehouse_.url(), clock_,
                     metrics_);
  int pause_ms = options_.first_pause_ms;
  while (!stop.stop_requested()) {
    Status done = loop.run_once(kPatience, stop);
    if (done) {
      pause_ms = options_.first_pause_ms;
      report(partition, loop.mark());
    } else if (!survive(partition, done.error(), pause_ms, loop, stop)) {
      return;
    }
  }
}

bool Processor::survive(Partition partition, const Error& error, int& pause_ms, PartitionLoop& loop,
                        const std::stop_token& stop) {
  if (error.code == Code::corrupt) {
    logging::error("partition {} stops: {}", partition.value, error.message);
    stop_reporting(partition, error.message);
    return false;
  }
  if (error.code != Code::conflict || pause_ms > options_.first_pause_ms) {
    logging::warning("partition {} waits: {}", partition.value, error.message);
    report_problem(partition, error.message);
  }
  pause(clock_, milliseconds(pause_ms), stop);
  pause_ms = std::min(pause_ms * 2, options_.longest_pause_ms);
  if (error.code == Code::unavailable && !stop.stop_requested()) {
    if (Status up = warehouse_.ensure_running(); !up) report_problem(partition, up.error().message);
    loop.set_warehouse_url(warehouse_.url());
  }
  return true;
}

void Processor::report(Partition partition, std::optional<Offset> mark) {
  MutexLock lock(mutex_);
  LoopState& state = states_[static_cast<std::size_t>(partition.value)];
  if (!state.problem.empty()) logging::info("partition {} goes on", partition.value);
  state = {"", false, mark.value_or(state.mark), mark.has_value()};
  show_waiting();
}

void Processor::report_problem(Partition partition, const std::string& problem) {
  MutexLock lock(mutex_);
  LoopState& state = states_[static_cast<std::size_t>(partition.value)];
  state.problem = problem;
  state.is_current = false;
  show_waiting();
}

void Processor::stop_reporting(Partition partition, const std::string& problem) {
  MutexLock lock(mutex_);
  LoopState& state = states_[static_cast<std::size_t>(partition.value)];
  state.problem = problem;
  state.has_stopped = true;
  show_waiting();
}

void Processor::show_waiting() {
  auto waiting = std::count_if(states_.begin(), states_.end(),
                               [](const LoopState& state) { return !state.problem.empty(); });
  waiting_.set(static_cast<double>(waiting));
}

Health Processor::health() const {
  MutexLock lock(mutex_);
  Health health;
  for (const LoopState& state : states_) {
    if (state.problem.empty()) continue;
    health.is_writing = false;
    health.has_stopped = health.has_stopped || state.has_stopped;
    health.problem = state.problem;
  }
  return health;
}

std::vector<std::int64_t> Processor::lag_records() const {
  MutexLock lock(mutex_);
  std::vector<std::int64_t> lags;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    auto end = log_.end(Partition{static_cast<std::int32_t>(i)});
    lags.push_back(end ? end->value - states_[i].mark.value : 0);
  }
  return lags;
}

bool Processor::has_caught_up() const {
  std::vector<std::int64_t> lags = lag_records();
  MutexLock lock(mutex_);
  for (std::size_t i = 0; i < states_.size(); ++i)
    if (lags[i] > 0 || !states_[i].is_current) return false;
  return true;
}

// A partition that has stopped comes no further, however long one waits.
bool Processor::has_settled() const {
  std::vector<std::int64_t> lags = lag_records();
  MutexLock lock(mutex_);
  for (std::size_t i = 0; i < states_.size(); ++i)
    if ((lags[i] > 0 || !states_[i].is_current) && !states_[i].has_stopped) return false;
  return true;
}

bool Processor::catch_up(milliseconds patience) {
  auto deadline = clock_.monotonic() + patience;
  while (!has_settled() && clock_.monotonic() < deadline) clock_.sleep_for(kStopPoll);
  return has_caught_up();
}

}  // namespace tillrace::processor
