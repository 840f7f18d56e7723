// Internal to the room; includes RocksDB. One topic's RocksDB database: how it is made, opened,
// recovered, written and read.
#pragma once
#include <rocksdb/db.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/log.h"
#include "log/partition_tables.h"
#include "log/receipts.h"
#include "log/topics.h"
#include "log/wal_check.h"

namespace tillrace::log {

struct DatabaseOptions {
  std::size_t write_buffer_bytes = 16 << 20;
  std::size_t all_write_buffers_bytes = 32 << 20;
  std::size_t block_cache_bytes = 8 << 20;
  int max_open_files = 256;
  rocksdb::Env* env = nullptr;
  ReceiptLimits receipts;
};

// A batch as it is stored, and where; the bytes are borrowed.
struct NewBatch {
  Partition partition;
  Offset base;
  std::uint32_t count = 0;
  std::size_t bytes = 0;
  std::vector<std::string_view> records;  // in pieces; without the header
};

// The folder of a topic, and of the database in it.
std::filesystem::path topic_folder(const std::filesystem::path& folder, std::string_view topic);
std::filesystem::path database_folder(const std::filesystem::path& folder, std::string_view topic);

// What is written with one sync, all of it or nothing. The bytes are borrowed.
struct NewGroup {
  std::vector<NewBatch> batches;
  std::vector<NewReceipt> receipts;
  std::int64_t records_before = 0;  // what the whole log holds
  UtcMicros now;
};

// read(), range() and receipts().find() may be called by several threads at once, write() by one
// more.
class Database {
 public:
  // Makes the database `info` describes in the folder `path`, durably.
  static Status create(const std::filesystem::path& path, const TopicInfo& info);
  // For reading and writing: recovers what a crash left, and makes it durable. corrupt, with the
  // disk left as it was, when something is missing.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& path,
                                                const DatabaseOptions& options);
  // For reading while another process may have it open; see LogReader.
  static Result<std::unique_ptr<Database>> follow(const std::filesystem::path& path);
  Database() = default;  // for open() and follow()
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const TopicInfo& info() const { return info_; }
  // Of what is stored now; reads the first and the last batch.
  Result<PartitionRange> range(Partition partition);
  Result<std::vector<PartitionRange>> ranges();
  // Records of `range` from `from` on.
  Result<Fetched> read(const PartitionRange& range, Offset from, const ReadLimits& limits);
  // The group or nothing of it, synced. After a failure this database takes no more writes; open it
  // anew to learn whether the group is stored.
  Status write(const NewGroup& group);
  PartitionTables tables(Partition partition) { return {*db_, *family(partition), partition}; }
  // Not of a follower.
  const Receipts& receipts() const { return *receipts_; }
  // Of a follower only.
  Status catch_up();
  // In write buffers, not yet in files.
  std::uint64_t unflushed_bytes();

 private:
  static Status check(const std::filesystem::path& path, const DatabaseOptions& options,
                      rocksdb::WALRecoveryMode mode);
  static Result<std::unique_ptr<Database>> open_checked(const std::filesystem::path& path,
                                                        const DatabaseOptions& options,
                                                        rocksdb::WALRecoveryMode mode);
  static Result<std::unique_ptr<Database>> follow_once(const std::filesystem::path& path);
  Status read_info();
  Status open_receipts(const ReceiptLimits& limits);
  Status check_recovered(const WalCheck& wal);
  Status check_joined(Partition partition, Offset first_replayed);
  Status check_receipts_joined(std::uint64_t first_replayed);
  rocksdb::ColumnFamilyHandle* family(Partition partition);

  std::unique_ptr<rocksdb::DB> db_;
  // default, p0, p1, ..., and receipts where it is there; destroyed before db_
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  TopicInfo info_;
  std::optional<Receipts> receipts_;
};

// Of all files below; files that vanish meanwhile do not count.
Result<std::uint64_t> bytes_of_folder(const std::filesystem::path& folder);

}  // namespace tillrace::log
