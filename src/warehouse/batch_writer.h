// Writes batches of events into the warehouse, exactly once. The processor's side of promise 2.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/record.h"
#include "model/transaction.h"
#include "warehouse/connection.h"

namespace tillrace::warehouse {

struct Line {
  Offset offset;
  EventId event_id;  // the record's; the transaction's own may be absent
  Transaction transaction;
};

// A record that is no valid event.
struct RejectedRecord {
  Offset offset;
  EventId event_id;
  UtcMicros received_at;
  std::string value;
  std::string reason;
};

// All that one partition holds in [from, to). Offsets ascend.
struct Batch {
  std::string topic;
  Partition partition;
  std::string log_id;  // a UUID as text
  Offset from;
  Offset to;
  std::vector<Line> lines;
  std::vector<RejectedRecord> rejected;
};

// What became of a batch's records; their sum is the number of records.
struct BatchCounts {
  std::int64_t inserted = 0;
  std::int64_t replaced = 0;
  std::int64_t repeated = 0;
  std::int64_t rejected = 0;
};

// One session with the warehouse, opened when it is first needed and again after it was lost. Not
// thread-safe; one a processor loop.
class BatchWriter {
 public:
  explicit BatchWriter(std::string url);

  // The offset that the warehouse wants next; 0 when it has seen nothing of the partition. corrupt
  // when the mark belongs to another log.
  Result<Offset> mark(const std::string& topic, Partition partition, const std::string& log_id);

  // Rows, aggregates and mark in one transaction. When it returns the rows are visible to
  // everybody, and will be on disk within about half a second (synchronous_commit is off: after a
  // power cut rows and mark go back together, and the log still has the records). conflict: the
  // mark is not batch.from, or a deadlock; read the mark again. unavailable: the batch may have
  // been written; read the mark again.
  Result<BatchCounts> apply(const Batch& batch);

  // False when the session was lost, or never opened: then what was written last may be gone, and
  // the mark with it (synchronous_commit is off). Asks nobody.
  bool has_session() const { return connection_ && connection_->alive(); }
  // The server has moved.
  void set_url(std::string url);

 private:
  Status ensure_session();
  Result<BatchCounts> apply_in_transaction(const Batch& batch);
  Status copy_lines(const Batch& batch);
  Status copy_rejected(const Batch& batch);
  void give_up();

  std::string url_;
  std::optional<Connection> connection_;
  std::string buffer_;
};

}  // namespace tillrace::warehouse
