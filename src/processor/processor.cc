#include "processor/processor.h"

#include <algorithm>

#include "base/logging.h"
#include "base/thread.h"

namespace tillrace::processor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kGroupPatience{1'000};
constexpr milliseconds kPoll{20};
// How often it is looked whether a partition that comes back is free of its former worker.
constexpr milliseconds kHandOver{100};

}  // namespace

Processor::Processor(ProcessorOptions options, SinkKind sink, log::Log& log,
                     std::unique_ptr<log::Membership> membership, Clock& clock, Metrics& metrics)
    : options_(std::move(options)),
      sink_(std::move(sink)),
      log_(log),
      membership_(std::move(membership)),
      clock_(clock),
      metrics_(metrics),
      held_partitions_(metrics.gauge("tillrace_processor_partitions",
                                     "Partitions that this process reads for the sink",
                                     {{"sink", sink_.name}})) {
  adopt(membership_->mine());
  follower_ = named_thread("members", [this](const std::stop_token& stop) { follow(stop); });
}

Processor::~Processor() { stop(); }

void Processor::stop() {
  follower_ = {};
  {
    MutexLock lock(mutex_);
    for (auto& [partition, worker] : workers_) worker->ask_to_stop();
  }
  if (sink_.abandon) sink_.abandon();
  while (is_working()) clock_.sleep_for(kPoll);
}

bool Processor::is_working() const {
  MutexLock lock(mutex_);
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& entry) { return !entry.second->has_ended(); });
}

void Processor::follow(const std::stop_token& stop) {
  bool is_settled = true;
  while (!stop.stop_requested()) {
    auto changed = membership_->wait_for_change(is_settled ? kGroupPatience : kHandOver, stop);
    note_group(changed ? Status{} : Status{fail(changed.error())});
    if (!changed) clock_.sleep_for(kHandOver);
    is_settled = adopt(membership_->mine());
    look_at_log();
    if (sink_.has_begun && knows_all_marks()) sink_.has_begun();
  }
}

// Starts and ends workers, and waits for none. False when a partition is wanted whose former worker
// has still a batch in hand.
bool Processor::adopt(const std::vector<Partition>& wanted) {
  MutexLock lock(mutex_);
  for (auto& [partition, worker] : workers_)
    if (!std::binary_search(wanted.begin(), wanted.end(), partition)) worker->ask_to_stop();
  std::erase_if(workers_, [](const auto& entry) {
    return entry.second->was_asked_to_stop() && entry.second->has_ended();
  });
  bool is_settled = true;
  for (Partition partition : wanted) {
    auto& worker = workers_[partition];
    if (!worker)
      worker = std::make_unique<PartitionWorker>(partition, options_, log_, *membership_, sink_,
                                                 clock_, metrics_);
    is_settled = is_settled && !worker->was_asked_to_stop();
  }
  held_partitions_.set(static_cast<double>(wanted.size()));
  return is_settled;
}

void Processor::note_group(const Status& waited) {
  std::string problem = waited ? "" : waited.error().message;
  MutexLock lock(mutex_);
  if (problem == group_problem_) return;
  if (!problem.empty()) logging::warning("{}: the group of processors: {}", sink_.name, problem);
  group_problem_ = std::move(problem);
}

std::vector<Processor::Held> Processor::held() const {
  MutexLock lock(mutex_);
  std::vector<Held> held;
  for (const auto& [partition, worker] : workers_) held.push_back({partition, worker->progress()});
  return held;
}

Health Processor::health() const {
  Health health;
  health.is_detached = sink_.is_detached && sink_.is_detached();
  if (health.is_detached) return health;
  auto add = [&health](const std::string& problem) {
    if (problem.empty()) return;
    health.is_writing = false;
    health.problem = problem;
  };
  {
    MutexLock lock(mutex_);
    add(group_problem_);
  }
  for (const Held& held : held()) {
    add(held.progress.problem);
    health.has_stopped = health.has_stopped || held.progress.has_stopped;
  }
  return health;
}

void Processor::look_at_log() {
  auto partitions = held();
  if (!partitions.empty()) is_log_away_ = !log_.end(partitions.front().partition);
}

Offset Processor::end_of(Partition partition) const {
  Result<Offset> end = fail(Code::unavailable, "the log is away");
  if (!is_log_away_) end = log_.end(partition);
  MutexLock lock(mutex_);
  Offset& known = ends_[partition];
  if (end) known = *end;
  return known;
}

std::int64_t Processor::lag_of(const Held& held) const {
  return std::max<std::int64_t>(end_of(held.partition).value - held.progress.mark.value, 0);
}

std::vector<Reached> Processor::reached() const {
  std::vector<Reached> all;
  for (const Held& held : held())
    all.push_back({held.partition, held.progress.mark, end_of(held.partition)});
  return all;
}

// A topic of Kafka's can have grown since the log was opened.
Result<std::optional<std::vector<Offset>>> Processor::marks() const {
  if (sink_.is_detached && sink_.is_detached()) return std::nullopt;
  std::vector<Offset> marks(static_cast<std::size_t>(log_.partitions()));
  for (const Held& held : held()) {
    if (!held.progress.is_known)
      return fail(Code::unavailable, "the {} has not told its mark of partition {} yet{}{}",
                  sink_.name, held.partition.value, held.progress.problem.empty() ? "" : ": ",
                  held.progress.problem);
    auto partition = static_cast<std::size_t>(held.partition.value);
    if (partition < marks.size()) marks[partition] = held.progress.mark;
  }
  return marks;
}

void Processor::hurry() {
  if (sink_.hurry) sink_.hurry();
}

std::vector<Lag> Processor::lags() const {
  std::vector<Lag> lags;
  for (const Held& held : held()) lags.push_back({held.partition, lag_of(held)});
  return lags;
}

bool Processor::knows_all_marks() const {
  auto partitions = held();
  return !partitions.empty() &&
         std::ranges::all_of(partitions, [](const Held& held) { return held.progress.is_current; });
}

// Others may go on writing to the log, so its ends are asked for once. A partition that has stopped
// comes no further, however long one waits; what another process has taken over is that one's.
bool Processor::catch_up(milliseconds patience) {
  if (sink_.is_detached && sink_.is_detached()) return true;
  hurry();
  std::map<Partition, Offset> missing;
  for (const Reached& each : reached()) missing[each.partition] = each.end;
  auto deadline = clock_.monotonic() + patience;
  bool has_stopped = false;
  while (true) {
    auto partitions = held();
    std::erase_if(missing, [&](const auto& wanted) {
      auto found = std::ranges::find(partitions, wanted.first, &Held::partition);
      if (found == partitions.end()) return true;
      const Progress& progress = found->progress;
      has_stopped = has_stopped || progress.has_stopped;
      return progress.has_stopped || (progress.is_current && progress.mark >= wanted.second);
    });
    if (missing.empty()) return !has_stopped;
    if (clock_.monotonic() >= deadline) return false;
    clock_.sleep_for(kPoll);
  }
}

}  // namespace tillrace::processor
