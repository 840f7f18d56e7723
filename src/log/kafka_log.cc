#include "log/kafka_log.h"

#include <algorithm>
#include <condition_variable>

#include "base/mutex.h"
#include "log/append_queue.h"
#include "log/kafka_admin.h"
#include "log/kafka_member.h"
#include "log/kafka_producer.h"
#include "log/kafka_reader.h"
#include "log/metrics.h"
#include "log/receipt_gate.h"
#include "log/receipt_store.h"
#include "log/topic_watch.h"

namespace tillrace::log {
namespace {

constexpr std::chrono::seconds kFailureCounts{5};
constexpr std::chrono::hours kLongestWait{24};  // so that no deadline overflows
constexpr std::size_t kRecordOverhead = 100;    // headers, and what the library keeps
constexpr std::size_t kRequestOverhead = 100;   // what Kafka counts beside a request's only record
constexpr std::uint64_t kGuessedRecordBytes = 256;

std::size_t bytes_of(const Record& record) {
  return record.key.size() + record.value.size() + kRecordOverhead;
}

Status check_options(const KafkaLogOptions& options) {
  if (Status name = check_topic_name(options.topic); !name) return name;
  if (options.connection.brokers.empty())
    return fail(Code::invalid, "no Kafka broker is named; HOST:PORT is wanted, or several");
  if (options.max_batch_bytes > options.max_waiting_bytes)
    return fail(Code::invalid, "max_batch_bytes {} is above max_waiting_bytes {}",
                options.max_batch_bytes, options.max_waiting_bytes);
  return {};
}

// What this process has seen of the topic: for estimates.
class RecordSizes {
 public:
  void saw(std::size_t records, std::size_t bytes) {
    records_ += records;
    bytes_ += bytes;
  }
  std::uint64_t bytes_of(std::int64_t records) const {
    std::uint64_t seen = records_;
    std::uint64_t mean = seen == 0 ? kGuessedRecordBytes : bytes_ / seen;
    return static_cast<std::uint64_t>(records) * mean;
  }

 private:
  std::atomic<std::uint64_t> records_ = 0, bytes_ = 0;
};

class KafkaLog final : public Log {
 public:
  KafkaLog(const KafkaLogOptions& options, Clock& clock, Metrics& metrics)
      : options_(options), clock_(clock), metrics_(metrics) {}
  ~KafkaLog() override { stop(); }

  Status start();
  void append(std::vector<Record> batch, std::optional<Receipt> receipt, AppendDone done) override;
  Result<std::optional<StoredReceipt>> find_receipt(std::string_view key) override;
  Result<Fetched> read(Partition partition, Offset from, const ReadLimits& limits) override;
  Result<bool> wait_for(Partition partition, Offset offset, std::chrono::nanoseconds timeout,
                        const std::stop_token& stop) override;
  Result<Offset> first(Partition partition) override;
  Result<Offset> end(Partition partition) override;
  Result<std::unique_ptr<Membership>> join(std::string_view group) override;
  std::int32_t partitions() const override { return info_.partitions; }
  const std::string& topic() const override { return info_.name; }
  const std::string& id() const override { return info_.id; }
  Result<std::uint64_t> bytes_on_disk() override;
  Status last_write() override;
  Result<std::uint64_t> bytes_after(Partition partition, Offset from) override;
  Status retain(Partition partition, Offset flushed, const Retention& retention) override;
  void stop() override;

 private:
  Status learn_limit();
  Status check_size(const Record& record) const;
  Result<std::unique_ptr<KafkaBatch>> make_batch(std::vector<Record> records,
                                                 std::optional<Receipt> receipt) const;
  Status admit(const KafkaBatch& batch);
  void send(std::unique_ptr<KafkaBatch> batch);
  void on_settled(SettledBatches batches);
  void release_key(const KafkaBatch& batch, bool was_stored);
  void answer(std::unique_ptr<KafkaBatch> batch, std::optional<Error> error);
  void count(const KafkaBatch& batch, const std::optional<Error>& error);
  void note_write(Status written);
  Status check_partition(Partition partition) const;
  Result<PartitionRange> range(Partition partition);

  const KafkaLogOptions options_;
  Clock& clock_;
  LogMetrics metrics_;
  RecordSizes sizes_;
  TopicInfo info_;
  std::size_t max_request_bytes_ = 0;
  std::unique_ptr<KafkaAdmin> admin_;
  std::unique_ptr<KafkaReaders> readers_;
  std::unique_ptr<TopicWatch> watch_;
  std::unique_ptr<ReceiptStore> store_;
  std::unique_ptr<ReceiptGate> gate_;

  Mutex mutex_;
  std::condition_variable answered_;
  std::size_t unanswered_ GUARDED_BY(mutex_) = 0;
  std::size_t waiting_bytes_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
  Status last_write_ GUARDED_BY(mutex_);
  std::chrono::nanoseconds written_at_ GUARDED_BY(mutex_){0};
  std::stop_source closing_;

  std::unique_ptr<KafkaProducer> producer_;  // last: it ends before what it reports to
};

Status KafkaLog::start() {
  auto admin = KafkaAdmin::open(options_.connection);
  if (!admin) return fail(admin.error());
  admin_ = std::move(*admin);
  auto found = admin_->find_topic(options_.topic);
  if (!found) return fail(found.error());
  if (!*found) return no_such_topic(options_.connection, options_.topic);
  info_ = **found;
  if (options_.partitions != 0 && options_.partitions != info_.partitions)
    return fail(Code::invalid,
                "topic {} has {} partitions, not {}: ask for {}, or make another topic", info_.name,
                info_.partitions, options_.partitions, info_.partitions);
  if (Status limited = learn_limit(); !limited) return limited;
  if (!options_.receipts_folder.empty()) {
    auto store = ReceiptStore::open(options_.receipts_folder,
                                    {options_.max_receipts, options_.receipt_max_age_h});
    if (!store) return fail(store.error());
    store_ = std::move(*store);
    gate_ = std::make_unique<ReceiptGate>(*store_, clock_);
  }
  auto producer = KafkaProducer::open(options_, max_request_bytes_, [this](SettledBatches batches) {
    on_settled(std::move(batches));
  });
  if (!producer) return fail(producer.error());
  producer_ = std::move(*producer);
  readers_ = std::make_unique<KafkaReaders>(options_, info_.id, *admin_);
  watch_ =
      std::make_unique<TopicWatch>(*admin_, *readers_, info_, options_.topic_check_interval_ms);
  return {};
}

// Who may write to a topic may not always see its settings; then the brokers refuse what is too
// large for them.
Status KafkaLog::learn_limit() {
  max_request_bytes_ = options_.max_record_bytes + kRequestOverhead;
  auto limit = admin_->max_message_bytes(info_.name);
  if (!limit && limit.error().code != Code::invalid) return fail(limit.error());
  if (limit) max_request_bytes_ = std::min(max_request_bytes_, *limit);
  return {};
}

// Before anything is sent: of a batch that holds a record too large, nothing is stored.
Status KafkaLog::check_size(const Record& record) const {
  std::size_t bytes = bytes_of(record);
  if (bytes + kRequestOverhead <= max_request_bytes_) return {};
  if (bytes > options_.max_record_bytes)
    return fail(Code::invalid, "a record of {} bytes; at most max_record_bytes, {}", bytes,
                options_.max_record_bytes);
  return fail(Code::invalid, "a record of {} bytes; topic {} has max.message.bytes = {}", bytes,
              info_.name, max_request_bytes_);
}

Result<std::unique_ptr<KafkaBatch>> KafkaLog::make_batch(std::vector<Record> records,
                                                         std::optional<Receipt> receipt) const {
  if (records.empty()) return fail(Code::invalid, "a batch holds at least one record");
  if (receipt) {
    if (!gate_) return fail(Code::invalid, "this log was opened without a folder for receipts");
    if (Status fits = check_receipt(*receipt); !fits) return fail(fits.error());
  }
  auto batch = std::make_unique<KafkaBatch>();
  batch->places.reserve(records.size());
  for (const Record& record : records) {
    if (Status fits = check_size(record); !fits) return fail(fits.error());
    batch->bytes += bytes_of(record);
    batch->places.push_back({partition_of(record.key, info_.partitions), {}});
  }
  if (batch->bytes > options_.max_batch_bytes)
    return fail(Code::invalid, "a batch of {} bytes; at most max_batch_bytes, {}; send it in parts",
                batch->bytes, options_.max_batch_bytes);
  batch->slots.reserve(records.size());
  batch->records = std::move(records);
  batch->receipt = std::move(receipt);
  return batch;
}

Status KafkaLog::admit(const KafkaBatch& batch) {
  if (Status same = watch_->same(); !same) return same;
  MutexLock lock(mutex_);
  if (stopped_) return fail(Code::shutting_down, "the log is stopping and takes nothing more");
  if (waiting_bytes_ + batch.bytes > options_.max_waiting_bytes)
    return fail(Code::exhausted, "{} bytes wait for Kafka already; at most max_waiting_bytes, {}",
                waiting_bytes_, options_.max_waiting_bytes);
  waiting_bytes_ += batch.bytes;
  ++unanswered_;
  metrics_.waiting_bytes.set(static_cast<double>(waiting_bytes_));
  return {};
}

void KafkaLog::append(std::vector<Record> records, std::optional<Receipt> receipt,
                      AppendDone done) {
  auto batch = make_batch(std::move(records), std::move(receipt));
  Status taken = batch ? admit(**batch) : fail(batch.error());
  if (!taken) {
    metrics_.failed(taken.error().code).add();
    return done(fail(taken.error()));
  }
  (*batch)->done = std::move(done);
  if (!(*batch)->receipt) return send(std::move(*batch));
  auto entered = gate_->enter(*batch);
  if (!entered) return answer(std::move(*batch), entered.error());
  if (*entered) send(std::move(*entered));
}

void KafkaLog::send(std::unique_ptr<KafkaBatch> batch) {
  batch->sent_at = clock_.monotonic();
  producer_->send(std::move(batch));
}

void KafkaLog::on_settled(SettledBatches batches) {
  if (gate_) gate_->keep(batches);
  for (auto& batch : batches) {
    auto error = batch->failure();
    note_write(error ? Status(fail(*error)) : Status());
    if (batch->receipt) release_key(*batch, !error);
    answer(std::move(batch), std::move(error));
  }
}

void KafkaLog::release_key(const KafkaBatch& batch, bool was_stored) {
  for (auto& waiting : gate_->leave(batch.receipt->key, was_stored)) {
    if (was_stored)
      answer(std::move(waiting),
             Error{Code::conflict, "a receipt with this key is stored already"});
    else
      send(std::move(waiting));
  }
}

void KafkaLog::answer(std::unique_ptr<KafkaBatch> batch, std::optional<Error> error) {
  count(*batch, error);
  if (error)
    batch->done(fail(std::move(*error)));
  else
    batch->done(std::move(batch->places));
  MutexLock lock(mutex_);
  --unanswered_;
  answered_.notify_all();
}

// The bytes are free before the answer, so that an answer may append.
void KafkaLog::count(const KafkaBatch& batch, const std::optional<Error>& error) {
  if (error) {
    metrics_.failed(error->code).add();
  } else {
    auto took = clock_.monotonic() - batch.sent_at;
    metrics_.sync_seconds.observe(std::chrono::duration<double>(took).count());
    metrics_.appended_records.add(static_cast<double>(batch.records.size()));
    metrics_.appended_bytes.add(static_cast<double>(batch.bytes));
    sizes_.saw(batch.records.size(), batch.bytes);
  }
  MutexLock lock(mutex_);
  waiting_bytes_ -= batch.bytes;
  metrics_.waiting_bytes.set(static_cast<double>(waiting_bytes_));
}

// A record that the brokers find too large says nothing of them.
void KafkaLog::note_write(Status written) {
  if (!written && written.error().code == Code::invalid) return;
  if (written) watch_->acknowledged();
  MutexLock lock(mutex_);
  last_write_ = std::move(written);
  written_at_ = clock_.monotonic();
}

Status KafkaLog::last_write() {
  if (Status well = watch_->well(); !well) return well;
  MutexLock lock(mutex_);
  if (!last_write_ && clock_.monotonic() - written_at_ > kFailureCounts) return {};
  return last_write_;
}

Result<std::optional<StoredReceipt>> KafkaLog::find_receipt(std::string_view key) {
  if (!store_) return std::nullopt;
  return store_->find(key, clock_.now());
}

Status KafkaLog::check_partition(Partition partition) const {
  if (Status same = watch_->same(); !same) return same;
  if (partition.value >= 0 && partition.value < info_.partitions) return {};
  return fail(Code::not_found, "topic {} has no partition {}; 0 to {}", info_.name, partition.value,
              info_.partitions - 1);
}

Result<PartitionRange> KafkaLog::range(Partition partition) {
  if (Status known = check_partition(partition); !known) return fail(known.error());
  return admin_->range(info_.name, partition);
}

Result<Offset> KafkaLog::first(Partition partition) {
  return range(partition).map([](const PartitionRange& found) { return found.first; });
}

Result<Offset> KafkaLog::end(Partition partition) {
  return range(partition).map([](const PartitionRange& found) { return found.end; });
}

Result<Fetched> KafkaLog::read(Partition partition, Offset from, const ReadLimits& limits) {
  if (Status known = check_partition(partition); !known) return fail(known.error());
  auto cursor = readers_->lend(partition, from);
  if (!cursor) return fail(cursor.error());
  auto fetched = (*cursor)->read(from, limits);
  if (!fetched) return fetched;
  if (Status same = watch_->same(); !same) return fail(same.error());
  std::size_t bytes = 0;
  for (const StoredRecord& stored : fetched->records) bytes += bytes_of(stored.record);
  sizes_.saw(fetched->records.size(), bytes);
  return fetched;
}

Result<bool> KafkaLog::wait_for(Partition partition, Offset offset,
                                std::chrono::nanoseconds timeout, const std::stop_token& stop) {
  if (Status known = check_partition(partition); !known) return fail(known.error());
  auto deadline =
      std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(timeout, kLongestWait);
  auto cursor = readers_->lend(partition, offset);
  if (!cursor) return fail(cursor.error());
  return (*cursor)->wait_for(offset, deadline, stop, closing_.get_token());
}

Result<std::unique_ptr<Membership>> KafkaLog::join(std::string_view group) {
  if (group.empty()) return fail(Code::invalid, "a group of readers has a name");
  return join_kafka_group(options_, kafka_group(options_.group_prefix, info_.name, group));
}

Result<std::uint64_t> KafkaLog::bytes_on_disk() {
  std::int64_t records = 0;
  for (std::int32_t i = 0; i < info_.partitions; ++i) {
    auto found = range({i});
    if (!found) return fail(found.error());
    records += found->end.value - found->first.value;
  }
  return sizes_.bytes_of(records);
}

Result<std::uint64_t> KafkaLog::bytes_after(Partition partition, Offset from) {
  auto found = range(partition);
  if (!found) return fail(found.error());
  if (Status inside = check_inside(*found, from); !inside) return fail(inside.error());
  return sizes_.bytes_of(found->end.value - from.value);
}

// The brokers drop by the topic's own settings, which `doctor` looks at.
Status KafkaLog::retain(Partition partition, Offset flushed, const Retention&) {
  auto found = range(partition);
  if (!found) return fail(found.error());
  return flushed > found->end ? check_inside(*found, flushed) : Status();
}

void KafkaLog::stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  closing_.request_stop();
  while (unanswered_ > 0) lock.wait(answered_);
}

}  // namespace

Result<std::unique_ptr<Log>> open_kafka_log(const KafkaLogOptions& options, Clock& clock,
                                            Metrics& metrics) {
  if (Status valid = check_options(options); !valid) return fail(valid.error());
  auto log = std::make_unique<KafkaLog>(options, clock, metrics);
  if (Status started = log->start(); !started) return fail(started.error());
  return std::unique_ptr<Log>(std::move(log));
}

}  // namespace tillrace::log
