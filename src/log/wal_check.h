// Internal to the room; includes RocksDB. Proves while RocksDB replays its write-ahead log (WAL)
// that no write is missing.
//
// RocksDB's recovery modes do not do that: kTolerateCorruptedTailRecords accepts a cut end of every
// WAL file, not only of the last one, and kPointInTimeRecovery drops everything after the first
// damage. So every write carries a mark: how many records the whole log held before it. A mark that
// does not follow from the write before it is a hole. Receipts are numbered, for the same reason.
#pragma once
#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/record.h"

namespace tillrace::log {

// Puts the mark into a write: it lies in the WAL only.
void put_wal_mark(rocksdb::WriteBatch& write, std::int64_t records_before);

// Looks at one recovery. Used by one thread.
class WalCheck final : public rocksdb::WalFilter {
 public:
  struct Replayed {
    Offset first;  // of the partition's first record in the WAL
    Offset end;    // one past its last
  };

  void ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>& log_numbers,
                                const std::map<std::string, std::uint32_t>& ids) override;
  WalProcessingOption LogRecordFound(unsigned long long wal_number, const std::string& wal_name,
                                     const rocksdb::WriteBatch& write, rocksdb::WriteBatch*,
                                     bool*) override;
  const char* Name() const override { return "tillrace.wal_check"; }

  // What is wrong, when LogRecordFound() refused a write.
  const std::optional<Error>& problem() const { return problem_; }
  // By partition; what was already flushed is in it too.
  const std::map<Partition, Replayed>& replayed() const { return replayed_; }
  // The number of the first receipt in the WAL, where the one before it must be stored too;
  // nothing when there is none, or the one before it was removed since.
  std::optional<std::uint64_t> first_joining_receipt() const { return first_joining_receipt_; }
  // How many records the whole log holds by the last mark; nothing when the WAL had no writes.
  std::optional<std::int64_t> records() const { return records_; }

 private:
  class Contents;
  Status take(const rocksdb::WriteBatch& write, const std::string& wal_name);
  Status take_batches(const Contents& contents, const std::string& wal_name);
  Status take_receipts(const Contents& contents, const std::string& wal_name);

  std::map<std::uint32_t, Partition> partitions_;  // by column family id
  std::map<Partition, Replayed> replayed_;
  std::optional<std::uint32_t> receipts_family_;  // its id
  std::optional<std::uint64_t> next_receipt_;
  std::optional<std::uint64_t> first_joining_receipt_;
  std::optional<std::int64_t> records_;
  std::optional<Error> problem_;
};

}  // namespace tillrace::log
