// Tells an unfinished last write from a hole, where RocksDB sees only "corruption" in its
// write-ahead log (WAL).
//
// A power cut may leave the pages of the last, unsynced write in any state: cut short, but also
// zeros or old bytes in its middle, with some of its later pages in place. RocksDB's
// kTolerateCorruptedTailRecords accepts only the cut. Since each write is synced before the next
// one starts, at most one write can be unfinished, and nothing can lie behind it: damage is an
// unfinished last write exactly if no other write begins after it.
#pragma once
#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace tillrace::log {

enum class WalState {
  whole,      // every write is whole
  torn_tail,  // damage or a cut end, and no write begins after it
  hole,       // damage, and a write begins after it
};

// The bytes of one WAL file, in RocksDB 7's format (its wiki: "Write Ahead Log File Format"),
// without recycling.
WalState check_wal_bytes(std::string_view bytes);

// All WAL files of a database folder that no one writes to, in their order.
Result<WalState> check_wal_files(const std::filesystem::path& folder);

}  // namespace tillrace::log
