// Reads a table's rows: a snapshot as SQL for DuckDB.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lake/delta_snapshot.h"
#include "lake/lake_ports.h"

namespace tillrace::lake {

// A SELECT that gives the rows of some of a snapshot's files, in the schema's columns, in order and
// with its types; a column that a file lacks is null. `places` says where DuckDB finds each.
Result<std::string> scan_sql(const Snapshot& snapshot, const std::vector<AddFile>& files,
                             const std::vector<std::filesystem::path>& places);
// The same columns, and no place to read from: to scan it fails, saying `why`.
Result<std::string> columns_only_sql(const Snapshot& snapshot, std::string_view why);

// A SELECT that gives the rows of some data files, and those files where DuckDB can read them. Runs
// in any session of the same process, as often as wanted, while this lives.
class Scan {
 public:
  // All of the snapshot's files. Where the store is elsewhere they are fetched into the spool
  // folder, so the disk must have room for them.
  static Result<Scan> of(const LakePorts& ports, const std::string& table,
                         const Snapshot& snapshot);
  static Result<Scan> of(const LakePorts& ports, const std::string& table, const Snapshot& snapshot,
                         const std::vector<AddFile>& files);

  // As scan_sql() has it.
  const std::string& sql() const { return sql_; }

 private:
  Scan() = default;
  std::string sql_;
  std::vector<LocalCopy> copies_;
};

}  // namespace tillrace::lake
