// The files of a table's log in the store: commits and checkpoints by version. Knows names and
// places, not what the actions mean.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lake/delta_actions.h"
#include "lake/delta_decoder.h"
#include "lake/store.h"

namespace tillrace::lake {

// A listing of the log's folder.
struct LogListing {
  std::map<std::int64_t, UtcMicros> commits;  // and when the store says that they were written
  // Complete ones only; in parts, the paths are in order. Paths are relative to the store.
  std::map<std::int64_t, std::vector<std::string>> checkpoints;
  std::vector<std::string> unknown;  // names of other files, such as leftovers
};

// Not thread-safe (its decoder is reused); many may be open on one table.
class DeltaLog {
 public:
  // `table` is the table's path in the store, such as bronze/transactions. Borrows the store.
  DeltaLog(Store& store, std::string table) : store_(&store), table_(std::move(table)) {}

  // Everything from version `from` on.
  Result<LogListing> list(std::int64_t from);
  // The version that _last_checkpoint names; nullopt when it is absent or makes no sense: it is a
  // hint.
  Result<std::optional<std::int64_t>> last_checkpoint();

  // not_found when the version is not there (any more).
  Result<std::vector<Action>> read_commit(std::int64_t version);
  // The commit exists in whole when this returns, for all. conflict: another's has this version.
  // unavailable: it may have happened; read_commit() tells.
  Status write_commit(std::int64_t version, std::string_view text);

  // The path in the store of a path in the table.
  std::string path(std::string_view in_table) const { return table_ + '/' + std::string(in_table); }
  const std::string& table() const { return table_; }
  Store& store() const { return *store_; }

 private:
  Store* store_;
  std::string table_;
  ActionDecoder decoder_;
};

}  // namespace tillrace::lake
