// Internal to the room; includes RocksDB. How RocksDB is set up for a log, and why.
#pragma once
#include <rocksdb/options.h>

#include "log/database.h"

namespace tillrace::log {

rocksdb::Options database_options(const DatabaseOptions& options, rocksdb::WALRecoveryMode mode);
// For a follower, which writes nothing.
rocksdb::Options follower_options();

}  // namespace tillrace::log
