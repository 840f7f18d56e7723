// Makes few large data files of many small ones. The rows stay the same, and readers at older
// versions are not disturbed: the small files stay in the store until vacuum.
#pragma once
#include <cstdint>
#include <stop_token>

#include "base/result.h"
#include "lake/delta_table.h"

namespace tillrace::lake {

struct CompactionOptions {
  std::uint64_t target_bytes = 128ULL * 1024 * 1024;  // of a file that is made
  // Files of at least so many hundredths of the target are large enough.
  std::uint64_t large_enough_percent = 75;
  std::size_t most_files_at_once = 1'000;  // that one new file takes the place of
  // A file that stays small is only rewritten together with so many hundredths of its own size: for
  // those who compact often, so that a file is rewritten some times until it is large, not each
  // time.
  std::uint64_t least_growth_percent = 0;
  std::stop_token stop = {};  // once requested, no other file is made; what was made stays
};

struct CompactionReport {
  std::size_t files_before = 0, files_after = 0;  // of those that it touched
  std::uint64_t bytes_before = 0, bytes_after = 0;
  std::size_t conflicts = 0;  // groups given up because others removed their files meanwhile
};

// Refreshes the table, then works partition by partition, a commit for each file that it makes
// (dataChange=false). Others may write meanwhile: their appends do no harm, and where they remove
// what it read the group is given up. Where a group's files cannot be read or merged the others are
// still compacted, unless the store is away, and the first such error is answered. Memory is
// bounded by DuckDB's limit, the spool folder holds one file, and copies of what goes into it where
// the store is elsewhere. `report` counts what was done, also when an error is answered.
//   invalid      also as DeltaTable::check_upkeep(); then nothing was done
//   unavailable  as commit()
//   corrupt      also when a file of the table is not in the store
Status compact(DeltaTable& table, const CompactionOptions& options, CompactionReport& report);
// For whom an error is all.
Result<CompactionReport> compact(DeltaTable& table, const CompactionOptions& options);

}  // namespace tillrace::lake
