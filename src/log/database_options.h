// Internal to the room; includes RocksDB. How RocksDB is set up for a log, and why.
#pragma once
#include <rocksdb/options.h>

#include "log/database.h"

namespace tillrace::log {

inline constexpr std::string_view kReceiptsFamily = "receipts";

rocksdb::Options database_options(const DatabaseOptions& options, rocksdb::WALRecoveryMode mode);
// For the column family of the receipts, in a database with the options `set`.
rocksdb::ColumnFamilyOptions receipts_options(const rocksdb::Options& set);
// For a follower, which writes nothing.
rocksdb::Options follower_options();

}  // namespace tillrace::log
