#include "log/embedded_log.h"

#include <algorithm>
#include <condition_variable>
#include <set>
#include <thread>

#include "base/check.h"
#include "base/files.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "log/append_queue.h"
#include "log/database_slot.h"
#include "log/metrics.h"
#include "log/sole_member.h"
#include "log/topics.h"

namespace tillrace::log {
namespace {

constexpr std::chrono::seconds kFailureCounts{5};
constexpr std::chrono::hours kLongestWait{24};  // so that no deadline overflows
// Batches that are written together are stored as one up to this size, that of a table's block: a
// reader then takes many small ones in one step.
constexpr std::size_t kStoredTogetherBytes = 64 << 10;
constexpr std::int64_t kMaxReceiptAgeHours = 100 * 366 * 24;

Status check_options(const EmbeddedLogOptions& options) {
  if (Status name = check_topic_name(options.topic); !name) return name;
  if (options.partitions < 0 || options.partitions > kMaxPartitions)
    return fail(Code::invalid, "{} partitions; 1 to {}", options.partitions, kMaxPartitions);
  if (options.max_batch_bytes > options.max_waiting_bytes || options.max_batch_bytes > 1 << 30)
    return fail(Code::invalid, "max_batch_bytes {} is above max_waiting_bytes {} or above 1 GiB",
                options.max_batch_bytes, options.max_waiting_bytes);
  if (options.max_receipts < 1 || options.receipt_max_age_h < 1 ||
      options.receipt_max_age_h > kMaxReceiptAgeHours)
    return fail(Code::invalid, "max_receipts {} or receipt_max_age_h {}; from 1, up to {} hours",
                options.max_receipts, options.receipt_max_age_h, kMaxReceiptAgeHours);
  return {};
}

DatabaseOptions database_part(const EmbeddedLogOptions& options) {
  return {options.write_buffer_bytes,
          options.all_write_buffers_bytes,
          options.block_cache_bytes,
          options.max_open_files,
          options.env,
          {options.max_receipts, options.receipt_max_age_h}};
}

std::int64_t all_records(const std::vector<PartitionRange>& ranges) {
  std::int64_t records = 0;
  for (const auto& range : ranges) records += range.end.value;
  return records;
}

// Adds the records at the partition's end: to the batch that is stored there, while it is small.
void add_records(const WaitingBatch::Part& part, Offset end, NewGroup& fresh) {
  auto last = std::find_if(fresh.batches.rbegin(), fresh.batches.rend(),
                           [&](const auto& batch) { return batch.partition == part.partition; });
  if (last == fresh.batches.rend() || last->bytes + part.records.size() > kStoredTogetherBytes) {
    fresh.batches.push_back({part.partition, end, 0, 0, {}});
    last = fresh.batches.rbegin();
  }
  last->count += part.count;
  last->bytes += part.records.size();
  last->records.push_back(part.records);
}

// Gives the batch its offsets, from the partitions' ends on, moves `ranges` to the new ends, and
// adds it to what is written.
void place(WaitingBatch& waiting, std::vector<PartitionRange>& ranges, NewGroup& fresh) {
  std::vector<AppendedRange> placed;
  for (auto& appended : waiting.places)
    appended.offset.value += ranges[static_cast<std::size_t>(appended.partition.value)].end.value;
  for (const auto& part : waiting.parts) {
    Offset& end = ranges[static_cast<std::size_t>(part.partition.value)].end;
    add_records(part, end, fresh);
    placed.push_back({part.partition, end, {end.value + part.count - 1}, part.count});
    end.value += part.count;
  }
  if (waiting.receipt)
    fresh.receipts.push_back(
        {waiting.receipt->key, waiting.receipt->note, std::move(placed), waiting.replaces});
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
  void append(std::vector<Record> batch, std::optional<Receipt> receipt, AppendDone done) override;
  Result<std::optional<StoredReceipt>> find_receipt(std::string_view key) override;
  Result<Fetched> read(Partition partition, Offset from, const ReadLimits& limits) override;
  Result<bool> wait_for(Partition partition, Offset offset, std::chrono::nanoseconds timeout,
                        const std::stop_token& stop) override;
  Result<Offset> first(Partition partition) override;
  Result<Offset> end(Partition partition) override;
  Result<std::unique_ptr<Membership>> join(std::string_view) override {
    return make_sole_member(info_.partitions);
  }
  std::int32_t partitions() const override { return info_.partitions; }
  const std::string& topic() const override { return info_.name; }
  const std::string& id() const override { return info_.id; }
  Status last_write() override;
  Result<std::uint64_t> bytes_on_disk() override {
    return bytes_of_folder(topic_folder(options_.folder, options_.topic));
  }
  Result<std::uint64_t> bytes_after(Partition partition, Offset from) override;
  Status retain(Partition partition, Offset flushed, const Retention& retention) override;
  void stop() override;

 private:
  // The appender's thread.
  void run();
  void write_group(std::vector<WaitingBatch> group);
  void note_write(const Status& written);
  Status make_durable(std::vector<WaitingBatch>& group);
  Status find_repeats(std::vector<WaitingBatch>& group, UtcMicros now);
  void answer(WaitingBatch& waiting, const Status& written);
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
  Status last_write_ GUARDED_BY(mutex_);
  std::chrono::nanoseconds written_at_ GUARDED_BY(mutex_){0};

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

void EmbeddedLog::append(std::vector<Record> batch, std::optional<Receipt> receipt,
                         AppendDone done) {
  auto waiting =
      encode_waiting(batch, std::move(receipt), info_.partitions, options_.max_batch_bytes);
  Status taken;
  if (waiting) {
    waiting->done = std::move(done);
    auto bytes = static_cast<double>(waiting->bytes);
    taken = queue_.push(*waiting);
    if (taken) return metrics_.waiting_bytes.add(bytes);
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
  if (!written || !last_write()) note_write(written);
  std::size_t bytes = 0;
  for (auto& waiting : group) {
    bytes += waiting.bytes;
    waiting.parts.clear();
  }
  queue_.answered(bytes);
  metrics_.waiting_bytes.add(-static_cast<double>(bytes));
  for (auto& waiting : group) answer(waiting, written);
}

void EmbeddedLog::note_write(const Status& written) {
  MutexLock lock(mutex_);
  last_write_ = written;
  written_at_ = clock_.monotonic();
}

Status EmbeddedLog::last_write() {
  MutexLock lock(mutex_);
  bool is_old = clock_.monotonic() - written_at_ > kFailureCounts;
  if (!last_write_ && last_write_.error().code != Code::corrupt && is_old) return {};
  return last_write_;
}

void EmbeddedLog::answer(WaitingBatch& waiting, const Status& written) {
  if (!written) {
    metrics_.failed(written.error().code).add();
    return waiting.done(fail(written.error()));
  }
  if (waiting.is_repeat) {
    metrics_.failed(Code::conflict).add();
    return waiting.done(fail(Code::conflict, "a receipt with this key is stored already"));
  }
  waiting.done(std::move(waiting.places));
}

Status EmbeddedLog::make_durable(std::vector<WaitingBatch>& group) {
  if (slot_.needs_reopen())
    if (Status recovered = recover(); !recovered) return recovered;
  NewGroup fresh;
  fresh.now = clock_.now();
  if (Status looked = find_repeats(group, fresh.now); !looked) return looked;
  std::vector<PartitionRange> ranges;
  {
    MutexLock lock(mutex_);
    ranges = ranges_;
  }
  fresh.records_before = all_records(ranges);
  for (auto& waiting : group)
    if (!waiting.is_repeat) place(waiting, ranges, fresh);
  if (fresh.batches.empty()) return {};
  auto started = clock_.monotonic();
  Status written = slot_.write(fresh);
  if (!written) {
    logging::error("{}; the log is recovered from disk before the next write",
                   written.error().message);
    return written;
  }
  metrics_.sync_seconds.observe(
      std::chrono::duration<double>(clock_.monotonic() - started).count());
  metrics_.appended_records.add(static_cast<double>(all_records(ranges) - fresh.records_before));
  for (const auto& batch : fresh.batches)
    metrics_.appended_bytes.add(static_cast<double>(batch.bytes));
  publish(std::move(ranges));
  return {};
}

// The first with a key has it, whether it is in the database or in this group.
Status EmbeddedLog::find_repeats(std::vector<WaitingBatch>& group, UtcMicros now) {
  std::set<std::string_view> keys;
  for (auto& waiting : group) {
    if (!waiting.receipt) continue;
    const std::string& key = waiting.receipt->key;
    auto stored = slot_.receipts().find(key);
    if (!stored) return fail(stored.error());
    bool is_free = !*stored || slot_.receipts().is_too_old((*stored)->receipt.stored_at, now);
    waiting.is_repeat = !is_free || !keys.insert(key).second;
    if (*stored) waiting.replaces = (*stored)->number;
  }
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

// first() is moved up by retain() alone, which may have done so since `ranges` were read.
void EmbeddedLog::publish(std::vector<PartitionRange> ranges) {
  MutexLock lock(mutex_);
  for (const auto& known : ranges_) {
    Offset& first = ranges[static_cast<std::size_t>(known.partition.value)].first;
    first = std::max(first, known.first);
  }
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
  auto database = slot_.lend();
  if (!database) return fail(database.error());
  auto fetched = (*database)->read(*durable, from, limits);
  if (fetched) return fetched;
  auto now = range(partition);
  if (from >= now->first) return fetched;
  return fail(check_inside(*now, from).error());  // it was dropped meanwhile
}

Result<std::optional<StoredReceipt>> EmbeddedLog::find_receipt(std::string_view key) {
  auto database = slot_.lend();
  if (!database) return fail(database.error());
  const Receipts& receipts = (*database)->receipts();
  auto found = receipts.find(key);
  if (!found) return fail(found.error());
  if (!*found || receipts.is_too_old((*found)->receipt.stored_at, clock_.now()))
    return std::nullopt;
  return std::move((*found)->receipt);
}

Result<std::uint64_t> EmbeddedLog::bytes_after(Partition partition, Offset from) {
  auto durable = range(partition);
  if (!durable) return fail(durable.error());
  if (Status inside = check_inside(*durable, from); !inside) return fail(inside.error());
  if (from == durable->end) return 0;
  auto database = slot_.lend();
  if (!database) return fail(database.error());
  return (*database)->tables(partition).bytes_after(from);
}

Status EmbeddedLog::retain(Partition partition, Offset flushed, const Retention& retention) {
  auto durable = range(partition);
  if (!durable) return fail(durable.error());
  if (flushed > durable->end) return check_inside(*durable, flushed);
  auto database = slot_.lend();
  if (!database) return fail(database.error());
  PartitionTables tables = (*database)->tables(partition);
  DropRule rule{flushed, retention, clock_.now()};
  if (Status flushed_old = tables.flush_old(rule); !flushed_old) return flushed_old;
  auto droppable = tables.droppable(rule);
  if (!droppable) return fail(droppable.error());
  for (const auto& table : *droppable) {
    MutexLock lock(mutex_);  // so that no one is told a first record that is gone
    auto first = tables.drop(table);
    if (!first) return fail(first.error());
    Offset& known = ranges_[static_cast<std::size_t>(partition.value)].first;
    if (*first == known) break;
    known = *first;
  }
  return {};
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
