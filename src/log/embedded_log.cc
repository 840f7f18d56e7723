#include "log/embedded_log.h"

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "base/check.h"
#include "base/files.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "log/append_queue.h"
#include "log/database_slot.h"
#include "log/metrics.h"
#include "log/topics.h"

namespace tillrace::log {
namespace {

constexpr std::chrono::hours kLongestWait{24};  // so that no deadline overflows

Status check_options(const EmbeddedLogOptions& options) {
  if (Status name = check_topic_name(options.topic); !name) return name;
  if (options.partitions < 0 || options.partitions > kMaxPartitions)
    return fail(Code::invalid, "{} partitions; 1 to {}", options.partitions, kMaxPartitions);
  if (options.max_batch_bytes > options.max_waiting_bytes || options.max_batch_bytes > 1 << 30)
    return fail(Code::invalid, "max_batch_bytes {} is above max_waiting_bytes {} or above 1 GiB",
                options.max_batch_bytes, options.max_waiting_bytes);
  return {};
}

DatabaseOptions database_part(const EmbeddedLogOptions& options) {
  return {options.write_buffer_bytes, options.all_write_buffers_bytes, options.block_cache_bytes,
          options.max_open_files, options.env};
}

std::int64_t all_records(const std::vector<PartitionRange>& ranges) {
  std::int64_t records = 0;
  for (const auto& range : ranges) records += range.end.value;
  return records;
}

// Gives the batches of a group their offsets, from the partitions' ends on, and moves `ranges` to
// the new ends.
std::vector<NewBatch> place(std::vector<WaitingBatch>& group, std::vector<PartitionRange>& ranges) {
  std::vector<NewBatch> batches;
  for (auto& waiting : group) {
    for (auto& appended : waiting.places)
      appended.offset.value += ranges[static_cast<std::size_t>(appended.partition.value)].end.value;
    for (const auto& part : waiting.parts) {
      Offset& end = ranges[static_cast<std::size_t>(part.partition.value)].end;
      batches.push_back({part.partition, end, part.bytes});
      end.value += part.count;
    }
  }
  return batches;
}

class EmbeddedLog final : public Log {
 public:
  EmbeddedLog(const EmbeddedLogOptions& options, FolderLock lock, Clock& clock, Metrics& metrics)
      : options_(options),
        lock_(std::move(lock)),
        clock_(clock),
        metrics_(metrics),
        slot_(database_folder(options.folder, options.topic), database_part(options)),
        queue_(options.max_waiting_bytes) {}
  ~EmbeddedLog() override { stop(); }

  Status start();
  void append(std::vector<Record> batch, AppendDone done) override;
  Result<Fetched> read(Partition partition, Offset from, const ReadLimits& limits) override;
  Result<bool> wait_for(Partition partition, Offset offset, std::chrono::nanoseconds timeout,
                        const std::stop_token& stop) override;
  Result<Offset> first(Partition partition) override;
  Result<Offset> end(Partition partition) override;
  std::int32_t partitions() const override { return info_.partitions; }
  const std::string& topic() const override { return info_.name; }
  const std::string& id() const override { return info_.id; }
  Result<std::uint64_t> bytes_on_disk() override {
    return bytes_of_folder(topic_folder(options_.folder, options_.topic));
  }
  void stop() override;

 private:
  // The appender's thread.
  void run();
  void write_group(std::vector<WaitingBatch> group);
  Status make_durable(std::vector<WaitingBatch>& group);
  Status recover();
  void publish(std::vector<PartitionRange> ranges);

  Result<PartitionRange> range(Partition partition);

  const EmbeddedLogOptions options_;
  const FolderLock lock_;
  Clock& clock_;
  LogMetrics metrics_;
  TopicInfo info_;
  DatabaseSlot slot_;
  AppendQueue queue_;

  Mutex mutex_;
  std::condition_variable grown_;
  std::vector<PartitionRange> ranges_ GUARDED_BY(mutex_);  // what readers may see: durable
  bool stopped_ GUARDED_BY(mutex_) = false;

  std::mutex stopping_;  // one stop() at a time
  std::jthread appender_;
};

Status EmbeddedLog::start() {
  if (Status opened = slot_.reopen(); !opened) return opened;
  info_ = slot_.info();
  if (options_.partitions != 0 && options_.partitions != info_.partitions)
    return fail(Code::invalid,
                "topic {} has {} partitions, not {}: their number is fixed when a topic is made, "
                "because an "
                "invoice's partition follows from it; ask for {}, or make another topic",
                info_.name, info_.partitions, options_.partitions, info_.partitions);
  auto ranges = slot_.ranges();
  if (!ranges) return fail(ranges.error());
  publish(*ranges);
  appender_ = named_thread("log-append", [this](const std::stop_token&) { run(); });
  return {};
}

void EmbeddedLog::append(std::vector<Record> batch, AppendDone done) {
  auto waiting = encode_waiting(batch, info_.partitions, options_.max_batch_bytes);
  Status taken;
  if (waiting) {
    waiting->done = std::move(done);
    taken = queue_.push(*waiting);
    if (taken) return metrics_.waiting_bytes.set(static_cast<double>(queue_.waiting_bytes()));
    done = std::move(waiting->done);
  } else {
    taken = fail(waiting.error());
  }
  metrics_.failed(taken.error().code).add();
  done(fail(taken.error()));
}

void EmbeddedLog::run() {
  for (auto group = queue_.take(options_.max_group_bytes); !group.empty();
       group = queue_.take(options_.max_group_bytes))
    write_group(std::move(group));
}

void EmbeddedLog::write_group(std::vector<WaitingBatch> group) {
  Status written = make_durable(group);
  std::size_t bytes = 0;
  for (auto& waiting : group) {
    bytes += waiting.bytes;
    waiting.parts.clear();
  }
  queue_.answered(bytes);
  metrics_.waiting_bytes.set(static_cast<double>(queue_.waiting_bytes()));
  for (auto& waiting : group) {
    if (written) {
      metrics_.appended_records.add(static_cast<double>(waiting.places.size()));
      metrics_.appended_bytes.add(static_cast<double>(waiting.bytes));
      waiting.done(std::move(waiting.places));
    } else {
      metrics_.failed(written.error().code).add();
      waiting.done(fail(written.error()));
    }
  }
}

Status EmbeddedLog::make_durable(std::vector<WaitingBatch>& group) {
  if (slot_.needs_reopen())
    if (Status recovered = recover(); !recovered) return recovered;
  std::vector<PartitionRange> ranges;
  {
    MutexLock lock(mutex_);
    ranges = ranges_;
  }
  std::int64_t records_before = all_records(ranges);
  auto batches = place(group, ranges);
  auto started = clock_.monotonic();
  Status written = slot_.write(batches, records_before);
  if (!written) {
    logging::error("{}; the log is recovered from disk before the next write",
                   written.error().message);
    return written;
  }
  metrics_.sync_seconds.observe(
      std::chrono::duration<double>(clock_.monotonic() - started).count());
  publish(std::move(ranges));
  return {};
}

// After a failed write: takes what the disk holds for the truth, as a new process would.
Status EmbeddedLog::recover() {
  if (Status opened = slot_.reopen(); !opened) return opened;
  auto ranges = slot_.ranges();
  if (!ranges) return fail(ranges.error());
  for (const auto& now : *ranges) {
    auto before = range(now.partition);
    if (now.end >= before->end) continue;
    slot_.close();
    return fail(Code::corrupt,
                "partition {} ended at offset {} and ends at {} after recovery: acknowledged "
                "records are gone",
                now.partition.value, before->end.value, now.end.value);
  }
  publish(*ranges);
  logging::info("the log {} is recovered and takes records again", info_.name);
  return {};
}

void EmbeddedLog::publish(std::vector<PartitionRange> ranges) {
  MutexLock lock(mutex_);
  ranges_ = std::move(ranges);
  grown_.notify_all();
}

Result<PartitionRange> EmbeddedLog::range(Partition partition) {
  MutexLock lock(mutex_);
  if (partition.value < 0 || static_cast<std::size_t>(partition.value) >= ranges_.size())
    return fail(Code::not_found, "topic {} has no partition {}; 0 to {}", info_.name,
                partition.value, ranges_.size() - 1);
  return ranges_[static_cast<std::size_t>(partition.value)];
}

Result<Fetched> EmbeddedLog::read(Partition partition, Offset from, const ReadLimits& limits) {
  auto durable = range(partition);
  if (!durable) return fail(durable.error());
  return slot_.read(*durable, from, limits);
}

Result<bool> EmbeddedLog::wait_for(Partition partition, Offset offset,
                                   std::chrono::nanoseconds timeout, const std::stop_token& stop) {
  if (auto known = range(partition); !known) return fail(known.error());
  auto deadline =
      std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(timeout, kLongestWait);
  std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex_);
    grown_.notify_all();
  });
  MutexLock lock(mutex_);
  bool time_left = true;
  while (ranges_[static_cast<std::size_t>(partition.value)].end <= offset) {
    if (stopped_) return fail(Code::shutting_down, "the log is stopped");
    if (stop.stop_requested() || !time_left) return false;
    time_left = lock.wait_until(grown_, deadline);
  }
  return true;
}

Result<Offset> EmbeddedLog::first(Partition partition) {
  return range(partition).map([](const PartitionRange& known) { return known.first; });
}

Result<Offset> EmbeddedLog::end(Partition partition) {
  return range(partition).map([](const PartitionRange& known) { return known.end; });
}

void EmbeddedLog::stop() {
  std::lock_guard one(stopping_);
  queue_.close();
  if (appender_.joinable()) appender_.join();
  MutexLock lock(mutex_);
  stopped_ = true;
  grown_.notify_all();
}

}  // namespace

Result<std::unique_ptr<Log>> open_embedded_log(const EmbeddedLogOptions& options, Clock& clock,
                                               Random& random, Metrics& metrics) {
  if (Status valid = check_options(options); !valid) return fail(valid.error());
  auto folder = topic_folder(options.folder, options.topic);
  if (!std::filesystem::exists(folder)) {
    auto made =
        create_topic(options.folder, options.topic, std::max(options.partitions, 1), clock, random);
    if (!made && made.error().code != Code::conflict) return fail(made.error());
  }
  auto lock = FolderLock::acquire(folder);
  if (!lock) return fail(lock.error());
  auto log = std::make_unique<EmbeddedLog>(options, std::move(*lock), clock, metrics);
  if (Status started = log->start(); !started) return fail(started.error());
  return log;
}

}  // namespace tillrace::log
