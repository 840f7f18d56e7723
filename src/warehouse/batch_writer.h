// Writes batches of events into the warehouse, exactly once. The processor's side of promise 2.
#pragma once
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/record.h"
#include "model/transaction.h"
#include "warehouse/connection.h"
#include "warehouse/known_names.h"

namespace tillrace::warehouse {

struct Line {
  Offset offset;
  EventId event_id;  // the record's; the transaction's own may be absent
  Transaction transaction;
};

// Why a record is not in the shop; the column `kind` of stream.rejected.
enum class RejectedKind {
  not_json,   // no JSON object at all
  too_large,  // longer than an event may be
  field,      // a field breaks its rule
  refused,    // an event, but PostgreSQL did not take it
};
inline constexpr std::array kRejectedKinds = {RejectedKind::not_json, RejectedKind::too_large,
                                              RejectedKind::field, RejectedKind::refused};
// "not_json" ..., as the table and the metrics write it.
std::string_view name(RejectedKind kind);

// A record that does not go into the shop, as it came.
struct RejectedRecord {
  Offset offset;
  EventId event_id;
  UtcMicros received_at;
  std::string key;  // empty: none
  std::string value;
  RejectedKind kind = RejectedKind::not_json;
  std::string field;   // the first that breaks its rule; empty: none is to blame
  std::string reason;  // UTF-8 without NUL
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

  // The offset that the warehouse wants next; nothing when it has seen nothing of the partition.
  // corrupt when the mark belongs to another log.
  Result<std::optional<Offset>> mark(const std::string& topic, Partition partition,
                                     const std::string& log_id);
  // Sets the first mark of a partition whose log has dropped its beginning; where there is none the
  // first batch starts at 0. A mark that is there stays.
  Status begin_at(const std::string& topic, Partition partition, const std::string& log_id,
                  Offset first);

  // Rows, aggregates and mark in one transaction. When it returns the rows are visible to
  // everybody, and will be on disk within about half a second (synchronous_commit is off: after a
  // power cut rows and mark go back together, and the log still has the records). conflict: the
  // mark is not batch.from, a deadlock, or rows that another partition's writer added at the same
  // moment; read the mark again. unavailable: the batch may have been written; read the mark again.
  // invalid: not written; refusal() may say why.
  Result<BatchCounts> apply(const Batch& batch);
  // Why PostgreSQL refuses what the lines of the last apply() say (SQLSTATE classes 22 and 23, at
  // their COPY, in stream.apply_batch or at the commit), in its own words; nothing when that did
  // not fail, or for another reason. One of the lines may be to blame, or a rule of the database
  // that nothing can meet. Quotes rows: not for log lines.
  const std::optional<std::string>& refusal() const { return refusal_; }

  // False when the session was lost, or never opened: then what was written last may be gone, and
  // the mark with it (synchronous_commit is off). Asks nobody.
  bool has_session() const { return connection_ && connection_->alive(); }
  // The server has moved.
  void set_url(std::string url);

 private:
  Status ensure_session();
  Status add_names(const Batch& batch);
  Result<BatchCounts> apply_in_transaction(const Batch& batch);
  Status copy_lines(const Batch& batch);
  Status copy_rejected(const Batch& batch);
  void give_up();
  void note_refusal();
  bool has_met_another() const;

  std::string url_;
  std::optional<Connection> connection_;
  KnownNames known_names_;
  std::string buffer_;
  std::optional<std::string> refusal_;
};

}  // namespace tillrace::warehouse
