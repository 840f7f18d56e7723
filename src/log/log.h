// Store A, the port: a topic's partitions of records, appended at the end and read from an offset.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
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

// One topic. Gateways append, sinks read; it lies between stage 1 and stage 2 and knows neither.
// Thread-safe.
//
// Reads see the log up to its durable end only: what a power cut could take back is not readable.
// All records of a batch become readable at once within a partition, and never in part.
class Log {
 public:
  virtual ~Log() = default;

  // Appends all records of `batch` or none; each goes to partition_of(key), in the batch's order
  // within a partition. Does not wait. `done` is called exactly once: from the log's own thread
  // when the batch is on disk (synced) or the write failed, or from within this call when the batch
  // is refused at once. It must be quick, must not throw, and may call append(), but not stop().
  //
  //   invalid        the batch is empty, or larger than the log's limit for one batch
  //   exhausted      too many bytes wait already; try again later
  //   unavailable    the disk or the broker failed. The batch may still turn out to be stored,
  //   whole: offsets stay
  //                  without holes or doubles either way, and a repeat with the same event ids is
  //                  safe
  //   corrupt        the log contradicts itself; it takes nothing more until a person has looked
  //   shutting_down  after stop()
  virtual void append(std::vector<Record> batch, AppendDone done) = 0;
  // append(), and waits for its answer. Not from within an AppendDone.
  Result<std::vector<Appended>> append_and_wait(std::vector<Record> batch);

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

  virtual std::int32_t partitions() const = 0;
  virtual const std::string& topic() const = 0;
  // A UUID made with the topic. A sink stores it beside its mark, so that another log is noticed
  // (promise 2).
  virtual const std::string& id() const = 0;
  virtual Result<std::uint64_t> bytes_on_disk() = 0;

  // Takes no more batches, answers those it has, and returns. Reading still works. The destructor
  // does the same.
  virtual void stop() = 0;
};

}  // namespace tillrace::log
