// The bronze tables: every event as it came, and every record that is none (docs/lake.md). What
// they are made of, and how far a partition of the log has come in them.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "lake/delta_snapshot.h"
#include "lake/delta_table.h"
#include "lake/duck.h"
#include "model/record.h"
#include "model/transaction.h"

namespace tillrace::lake {

inline constexpr const char* kBronzeTransactions = "bronze/transactions";
inline constexpr const char* kBronzeRejected = "bronze/rejected";
inline constexpr const char* kIngestDate = "ingest_date";  // the partition column of both

TableSpec bronze_transactions();
TableSpec bronze_rejected();

// Where records come from.
struct LogPartition {
  std::string topic;
  Partition partition;
  std::string log_id;  // a UUID as text
};

// Under which its mark, the next offset it wants, is a txn of either table.
std::string bronze_app_id(const LogPartition& from);
// corrupt: the table has a mark of the same topic and partition, and of another log.
Result<std::optional<Offset>> bronze_mark(const Snapshot& snapshot, const LogPartition& from);

struct BronzeEvent {
  EventId id;
  tillrace::Transaction event;
  StoredRecord stored;

  static const std::vector<DuckColumn>& columns();
  void put(DuckChunk& chunk, std::size_t row, const LogPartition& from) const;
};

struct BronzeRejected {
  StoredRecord stored;
  std::string kind;    // "not_json" ...
  std::string field;   // empty: none is to blame
  std::string reason;  // UTF-8

  static const std::vector<DuckColumn>& columns();
  void put(DuckChunk& chunk, std::size_t row, const LogPartition& from) const;
};

// Days since 1970-01-01 in UTC.
std::int32_t day_of(UtcMicros time);
// "2026-11-26", the partition's value.
std::string day_text(std::int32_t day);

// Rows of either table out of what `next` gives, one after the other, until it gives nullptr. A
// failure of it is kept for who asks; begin() forgets it. What is given need only live until the
// next call.
template <class Given>
class BronzeSource final : public DuckSource {
 public:
  using Next = std::function<Result<const Given*>()>;
  explicit BronzeSource(LogPartition from) : from_(std::move(from)) {}

  void begin(Next next) {
    next_ = std::move(next);
    error_.reset();
  }
  const std::optional<Error>& error() const { return error_; }

  const std::vector<DuckColumn>& columns() const override { return Given::columns(); }
  Result<std::size_t> fill(DuckChunk& chunk) override {
    for (std::size_t row = 0; row < DuckChunk::kRows; ++row) {
      auto given = next_();
      if (!given) {
        error_ = given.error();
        return fail(given.error());
      }
      if (*given == nullptr) return row;
      (*given)->put(chunk, row, from_);
    }
    return DuckChunk::kRows;
  }

 private:
  const LogPartition from_;
  Next next_;
  std::optional<Error> error_;
};

}  // namespace tillrace::lake
