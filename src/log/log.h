// Store A, the port: a topic's partitions of records, appended at the end and read from an offset.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/membership.h"
#include "model/record.h"

namespace tillrace::log {

// Where a record came to lie.
struct Appended {
  Partition partition;
  Offset offset;
  auto operator<=>(const Appended&) const = default;
};

// One place per record of the batch, in its order; or why the batch is not acknowledged.
using AppendDone = std::function<void(Result<std::vector<Appended>>)>;

// What lets a repeated request be answered as the first was: stored in one piece with the batch it
// belongs to, found again by its key. Both are opaque to the log.
struct Receipt {
  std::string key;   // 1 to kMaxReceiptKeyBytes
  std::string note;  // up to kMaxReceiptNoteBytes
};
inline constexpr std::size_t kMaxReceiptKeyBytes = 1024;
inline constexpr std::size_t kMaxReceiptNoteBytes = 4096;

// Where the records of one batch lie in one partition.
struct AppendedRange {
  Partition partition;
  Offset first;
  Offset last;
  std::int64_t count;
  auto operator<=>(const AppendedRange&) const = default;
};

struct StoredReceipt {
  std::string note;
  UtcMicros stored_at;
  std::vector<AppendedRange> ranges;  // by partition
};

// A read ends at whichever limit comes first, but holds at least one record where there is one.
// Bytes are those of keys and values.
struct ReadLimits {
  std::size_t max_records = 10'000;
  std::size_t max_bytes = 4 << 20;
};

// What a read found: records by ascending offset, and where the next read goes on. In the embedded
// log `next` is the last record's offset + 1 (or `from`); Kafka may skip offsets that hold its own
// control records, so a sink's mark comes from `next`, never from counting.
struct Fetched {
  std::vector<StoredRecord> records;
  Offset next;
};

// What a partition keeps of what every sink has for good; 0: no limit. Sizes are those of its
// tables, compressed.
struct Retention {
  std::uint64_t max_bytes = 0;
  std::int64_t max_age_h = 0;
  std::int64_t safety_h = 24;  // what was received since is kept, whatever the limits
};

// One topic. Gateways append, sinks read; it lies between stage 1 and stage 2 and knows neither.
// Thread-safe.
//
// Reads see the log up to its durable end only: what a power cut could take back is not readable.
// All records of a batch become readable at once within a partition, and never in part.
//
// Kafka knows no batches over partitions, so with it two things hold less: a batch may be readable
// in part while it is being stored, and after unavailable a part of it may stay. kafka_log.h has it
// in full. Sinks are exact in either case, because event ids tell repeats.
class Log {
 public:
  virtual ~Log() = default;

  // Appends all records of `batch` or none (Kafka: see above); each goes to partition_of(key), in
  // the batch's order within a partition. Does not wait. `done` is called exactly once: from the
  // log's own thread when the batch is on disk (synced) or the write failed, or from within this
  // call when the batch is refused at once. It must be quick, must not throw, and may call
  // append(), but not stop().
  //
  //   invalid        the batch is empty, or larger than the log's limit for one batch
  //   exhausted      too many bytes wait already; try again later
  //   unavailable    the disk or the broker failed. The batch may still turn out to be stored,
  //   whole: offsets stay
  //                  without holes or doubles either way, and a repeat with the same event ids is
  //                  safe
  //   corrupt        the log contradicts itself; it takes nothing more until a person has looked
  //   shutting_down  after stop()
  //
  // With a receipt, both are stored or neither, and only if no receipt with its key is there:
  //
  //   invalid        the receipt is beyond its limits
  //   conflict       one is there, durably, and nothing of this batch is stored; find_receipt()
  //                  shows it, unless it has grown too old meanwhile. Of several appends with one
  //                  key at once exactly one is stored. After unavailable the first may be stored
  //                  all the same: the repeat then gets conflict
  virtual void append(std::vector<Record> batch, std::optional<Receipt> receipt,
                      AppendDone done) = 0;
  void append(std::vector<Record> batch, AppendDone done) {
    append(std::move(batch), std::nullopt, std::move(done));
  }
  // append(), and waits for its answer. Not from within an AppendDone.
  Result<std::vector<Appended>> append_and_wait(std::vector<Record> batch,
                                                std::optional<Receipt> receipt = std::nullopt);

  // The durable receipt with this key; nothing when there is none, or it is too old. The log keeps
  // a limited number of them for a limited time, and drops the oldest first.
  virtual Result<std::optional<StoredReceipt>> find_receipt(std::string_view key) = 0;

  // Records from `from` on. At the end: no records, no error. corrupt: `from` lies beyond the end
  // or before the first kept record (a reader's mark and the log contradict each other), or what is
  // stored is damaged; the message names partition and offset. not_found: no such partition.
  // unavailable: the disk or the broker failed.
  virtual Result<Fetched> read(Partition partition, Offset from, const ReadLimits& limits) = 0;

  // Waits until there is a record at or after `offset`: true; false when the time was up or `stop`
  // was requested. shutting_down when the log is stopped and nothing is there to wait for any more.
  virtual Result<bool> wait_for(Partition partition, Offset offset,
                                std::chrono::nanoseconds timeout, const std::stop_token& stop) = 0;

  // The first record that is kept, and one past the last durable one; equal when there is none.
  virtual Result<Offset> first(Partition partition) = 0;
  virtual Result<Offset> end(Partition partition) = 0;

  // Joins the readers that share the topic under the name `group`; one name a kind of sink. A log
  // that belongs to one process gives each member every partition, for ever; Kafka shares them out
  // (a consumer group). unavailable: the group cannot be reached; invalid: the name is no group's.
  virtual Result<std::unique_ptr<Membership>> join(std::string_view group) = 0;

  virtual std::int32_t partitions() const = 0;
  virtual const std::string& topic() const = 0;
  // A UUID made with the topic. A sink stores it beside its mark, so that another log is noticed
  // (promise 2).
  virtual const std::string& id() const = 0;
  virtual Result<std::uint64_t> bytes_on_disk() = 0;
  // ok unless the last write failed, and that is not some seconds ago: a log that failed is tried
  // again by the next append, so whoever turns clients away on this must let them come back.
  // corrupt stays.
  virtual Status last_write() = 0;
  // About how many bytes lie from `from` to the end, as they are stored: compressed where they are
  // in files. Wrong by 64 KB and a batch, and by up to EmbeddedLogOptions::write_buffer_bytes where
  // `from` is in what is still in memory. Errors as of read().
  virtual Result<std::uint64_t> bytes_after(Partition partition, Offset from) = 0;

  // Drops the oldest records, by whole files, and moves first() up; returns when that is durable.
  // `flushed` is what every sink has on disk for good: nothing from there on is dropped, nor
  // anything received within safety_h. Of the rest goes what is older than max_age_h, at most an
  // eighth of it later, and what is beyond max_bytes. The partition's last file stays, whatever its
  // age; it is at most EmbeddedLogOptions::write_buffer_bytes large. Readers that have begun are
  // not disturbed; a reader whose mark is below the new first() gets corrupt. Not cheap: it may
  // write a file. Call it every few minutes, from one thread. not_found, corrupt (`flushed` lies
  // beyond the end) and unavailable as of read(); after a failure part may be dropped.
  virtual Status retain(Partition partition, Offset flushed, const Retention& retention) = 0;

  // Takes no more batches, answers those it has, and returns. Reading still works. The destructor
  // does the same.
  virtual void stop() = 0;
};

}  // namespace tillrace::log
