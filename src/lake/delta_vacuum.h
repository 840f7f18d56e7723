// Deletes data files that no version needs any more: those that were replaced or compacted long
// ago, and what writers left behind that failed or were killed.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "lake/delta_table.h"

namespace tillrace::lake {

struct VacuumOptions {
  // How long a file stays after it was removed from the table or, never in it, was written.
  // Default: the table's delta.deletedFileRetentionDuration, 168 h.
  std::optional<std::chrono::milliseconds> retention;
  // Allows a retention below kLeastRetention. Readers at older versions, and writers whose files
  // are not committed yet, may then lose files under their hands.
  bool force = false;
  bool dry_run = false;  // only says what would go

  static constexpr std::chrono::hours kLeastRetention{168};
};

struct VacuumReport {
  std::vector<std::string> files;  // deleted, or to be deleted; relative to the table
  std::uint64_t bytes = 0;
};

// Never deletes a file of the latest version, one whose removal is younger than the retention, one
// that is itself younger, or anything whose name, or a folder's, begins with '_' or '.', as the
// log's does (folders of partition columns excepted). Refreshes the table. A kill on the way leaves
// the rest for the next time. invalid: the retention is too short; nothing was done.
Result<VacuumReport> vacuum(DeltaTable& table, const VacuumOptions& options);

}  // namespace tillrace::lake
