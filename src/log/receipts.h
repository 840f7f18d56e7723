// Internal to the room; includes RocksDB. The receipts of an open database: found by key, bounded
// by count and age.
#pragma once
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/receipt_format.h"

namespace tillrace::log {

struct ReceiptLimits {
  std::size_t max_count = 100'000;
  std::int64_t max_age_h = 24;
};

// A receipt to be stored; borrows its bytes.
struct NewReceipt {
  std::string_view key;
  std::string_view note;
  std::vector<AppendedRange> ranges;
  std::optional<std::uint64_t> replaces;  // the number of one with this key that is too old
};

// The database is the only index: nothing is kept in memory but the first and the next number.
// find() may be called by any thread, add() by one. `db` and `family` outlive it.
class Receipts {
 public:
  static Result<Receipts> open(rocksdb::DB& db, rocksdb::ColumnFamilyHandle& family,
                               const ReceiptLimits& limits);

  // Young or too old.
  Result<std::optional<ReceiptEntry>> find(std::string_view key) const;
  bool is_too_old(UtcMicros stored_at, UtcMicros now) const;

  // Puts `receipts`, which have keys of their own, into `write`, and the removal of old ones before
  // them: for each new one at most two, so that no write pays for a long pause. So there may be
  // more than max_count for a while, as many as one write brought. The write must be the
  // database's next, and must succeed: otherwise open the database anew.
  Status add(rocksdb::WriteBatch& write, const std::vector<NewReceipt>& receipts, UtcMicros now);

 private:
  Receipts(rocksdb::DB& db, rocksdb::ColumnFamilyHandle& family, const ReceiptLimits& limits)
      : db_(db), family_(family), limits_(limits) {}
  Status read_numbers();
  Status remove_old(rocksdb::WriteBatch& write, std::size_t fresh, UtcMicros now);
  void put(rocksdb::WriteBatch& write, const NewReceipt& receipt, UtcMicros now);

  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle& family_;
  ReceiptLimits limits_;
  std::uint64_t first_ = 0;  // none has a lower number
  std::uint64_t next_ = 0;
};

}  // namespace tillrace::log
