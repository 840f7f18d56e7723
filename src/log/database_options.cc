#include "log/database_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

namespace tillrace::log {
namespace {

// RocksDB's own log lines go nowhere. In its file LOG, RocksDB 7.8 ends the process by an assertion
// (WritableFileWriter) at the first line behind one that found the disk full; what matters of them
// comes back as the status of a write.
class NoLines final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

void set_tables(rocksdb::Options& set, std::size_t block_cache_bytes) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(block_cache_bytes);
  table.block_size = 64 << 10;  // batches are read in their order, never singly
  set.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  set.compression = rocksdb::kLZ4Compression;  // the same on all levels, or a move between levels
                                               // would be a rewrite
}

// Keys only grow, so no two files overlap and compaction moves files down instead of rewriting
// them. Nothing may bring rewriting back: by default files older than 30 days are.
void set_compaction(rocksdb::Options& set) {
  set.compaction_style = rocksdb::kCompactionStyleLevel;
  set.level0_file_num_compaction_trigger = 1;  // moved on at once: retention drops none of level 0
  set.ttl = 0;
  set.periodic_compaction_seconds = 0;
  set.max_background_jobs = 2;
}

// After a crash the WAL is replayed into files before the database opens, so whatever was read once
// is durable, even where a failed sync had left it in the page cache only. The WAL covers all
// column families in the order of the writes and is never switched off, so they are consistent with
// each other without atomic flush.
void set_recovery(rocksdb::Options& set, rocksdb::WALRecoveryMode mode) {
  set.wal_recovery_mode = mode;
  set.avoid_flush_during_recovery = false;
  set.recycle_log_file_num = 0;  // a recycled file's old end cannot be told from a hole
  set.paranoid_checks = true;
  // RocksDB 7.8 resumes after a write error without changing the WAL file when no memtable holds
  // anything: the next write would follow a torn one. We close and recover instead.
  set.max_bgerror_resume_count = 0;
}

void set_housekeeping(rocksdb::Options& set) {
  set.info_log = std::make_shared<NoLines>();  // shared: RocksDB's interface takes it so
  set.stats_dump_period_sec = 0;
  set.stats_persist_period_sec = 0;
  set.skip_stats_update_on_db_open = true;
  set.bytes_per_sync = 1 << 20;  // a flush trickles to disk and does not hold up the WAL's syncs
}

}  // namespace

rocksdb::Options database_options(const DatabaseOptions& options, rocksdb::WALRecoveryMode mode) {
  rocksdb::Options set;
  if (options.env != nullptr) set.env = options.env;
  set.write_buffer_size = options.write_buffer_bytes;
  set.db_write_buffer_size = options.all_write_buffers_bytes;
  set.max_total_wal_size =
      options.all_write_buffers_bytes;  // an idle partition must not keep old WAL files alive
  set.max_open_files = options.max_open_files;
  set_tables(set, options.block_cache_bytes);
  set_compaction(set);
  set_recovery(set, mode);
  set_housekeeping(set);
  return set;
}

// Receipts are looked up singly, and mostly in vain.
rocksdb::ColumnFamilyOptions receipts_options(const rocksdb::Options& set) {
  rocksdb::ColumnFamilyOptions receipts = set;
  receipts.level0_file_num_compaction_trigger = 4;  // their keys do overlap
  auto table = *set.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  table.block_size = 4 << 10;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  receipts.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  receipts.memtable_prefix_bloom_size_ratio = 0.02;
  receipts.memtable_whole_key_filtering = true;
  return receipts;
}

rocksdb::Options follower_options() {
  rocksdb::Options set =
      database_options({}, rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords);
  set.max_open_files = -1;  // a file that the owner deletes stays readable while it is open
  return set;
}

}  // namespace tillrace::log
