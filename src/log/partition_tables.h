// Internal to the room; includes RocksDB. The tables that a partition's records lie in, and which
// of them are old enough to be dropped.
#pragma once
#include <rocksdb/db.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "log/log.h"

namespace tillrace::log {

// Keys only grow, so tables do not overlap: each holds the batches from one key to another.
struct Table {
  std::string first_key;
  std::string last_key;
  std::uint64_t bytes;
  int level;
};

// What is dropped and what is not, apart from the tables themselves.
struct DropRule {
  Offset flushed;
  const Retention& retention;
  UtcMicros now;
};

// Of one column family of an open database; borrows both. Thread-safe.
class PartitionTables {
 public:
  PartitionTables(rocksdb::DB& db, rocksdb::ColumnFamilyHandle& family, Partition partition)
      : db_(db), family_(family), partition_(partition) {}

  // By ascending offset.
  std::vector<Table> all() const;
  // Those that may go, from the first on. A table's time is that of its last batch. The last table
  // is never among them: the WAL joins on to it, and the end is read from it.
  Result<std::vector<Table>> droppable(const DropRule& rule) const;
  // Removes the first table, durably, and says where the partition begins now: as before, if
  // RocksDB is moving the table just now. Readers that have begun go on.
  Result<Offset> drop(const Table& table);
  // Writes what is in memory to a table, if it is to be dropped one day and has waited long.
  Status flush_old(const DropRule& rule);
  // About how many bytes lie from `from` on, in tables and in memory.
  Result<std::uint64_t> bytes_after(Offset from) const;

 private:
  Result<UtcMicros> received_at(const rocksdb::Iterator& at) const;
  Result<UtcMicros> last_received_at(const Table& table) const;

  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle& family_;
  const Partition partition_;
};

}  // namespace tillrace::log
