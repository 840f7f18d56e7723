// The bronze tables: every event as it came, and every record that is none (docs/lake.md). What
// they are made of, and how far a partition of the log has come in them.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/mutex.h"
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

// One record of the log.
using BronzeItem = std::variant<BronzeEvent, BronzeRejected>;

// Rows of either table, out of the items that `next` gives until it gives none: those of its kind
// that are wanted. A failure of `next` is kept for who asks; begin() forgets it.
template <class Given>
class BronzeSource final : public DuckSource {
 public:
  // Both are called by DuckDB's threads, several at once.
  using Next = std::function<Result<std::vector<BronzeItem>>()>;
  using Wanted = std::function<bool(const Given&)>;
  explicit BronzeSource(LogPartition from) : from_(std::move(from)) {}

  // While no statement runs through it.
  void begin(Next next, Wanted wanted) {
    next_ = std::move(next);
    wanted_ = std::move(wanted);
    MutexLock lock(mutex_);
    error_.reset();
  }
  std::optional<Error> error() const {
    MutexLock lock(mutex_);
    return error_;
  }

  const std::vector<DuckColumn>& columns() const override { return Given::columns(); }
  std::unique_ptr<Share> open_share() override { return std::make_unique<Items>(*this); }

 private:
  class Items final : public Share {
   public:
    explicit Items(BronzeSource& source) : source_(source) {}
    Result<std::size_t> fill(DuckChunk& chunk) override {
      for (std::size_t row = 0; row < DuckChunk::kRows;) {
        if (at_ == items_.size()) {
          if (Status more = refill(); !more) return fail(more.error());
          if (items_.empty()) return row;
        }
        const auto* given = std::get_if<Given>(&items_[at_++]);
        if (given != nullptr && source_.wanted_(*given)) given->put(chunk, row++, source_.from_);
      }
      return DuckChunk::kRows;
    }

   private:
    Status refill() {
      items_ = {};  // before the next are made
      at_ = 0;
      auto items = source_.next_();
      if (!items) {
        source_.keep(items.error());
        return fail(items.error());
      }
      items_ = std::move(*items);
      return {};
    }

    BronzeSource& source_;
    std::vector<BronzeItem> items_;
    std::size_t at_ = 0;
  };

  void keep(const Error& error) {
    MutexLock lock(mutex_);
    error_ = error;
  }

  const LogPartition from_;
  Next next_;
  Wanted wanted_;
  mutable Mutex mutex_;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::lake
