// Deletes data files that no version needs any more: those that were replaced or compacted long
// ago, and what writers left behind that failed or were killed.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "lake/delta_table.h"

namespace tillrace::lake {

struct VacuumOptions {
  static constexpr std::chrono::hours kLeastRetention{168};

  // How long a file stays after it was removed from the table or, never in it, was written. Unset:
  // as long as the table's delta.deletedFileRetentionDuration says, and not less than `least`.
  std::optional<std::chrono::milliseconds> retention = {};
  std::chrono::milliseconds least = kLeastRetention;
  // Allows a retention below kLeastRetention, or below the table's own. Readers at older versions,
  // and writers whose files are not committed yet, may then lose files under their hands.
  bool force = false;
  bool dry_run = false;       // only says what would go, and writes nothing
  std::stop_token stop = {};  // once requested, no other file goes
};

struct VacuumReport {
  std::vector<std::string> files;  // deleted, or to be deleted; relative to the table
  std::uint64_t bytes = 0;
};

// Never deletes a file of the latest version, one whose removal is younger than the retention, as
// far as the log still tells (delta.logRetentionDuration), one that is itself younger, anything
// whose name, or a folder's, begins with '_' or '.', as the log's does (folders of partition
// columns excepted), or what lies in the folder of another table below this one. Refreshes the
// table. A kill on the way leaves the rest for the next time. Age is told by the store's clock or
// this machine's, whichever is behind. `report` says what is gone, also when an error is answered.
// invalid: the retention is too short, or as DeltaTable::check_upkeep(); nothing was done.
Status vacuum(DeltaTable& table, const VacuumOptions& options, VacuumReport& report);
// For whom an error is all.
Result<VacuumReport> vacuum(DeltaTable& table, const VacuumOptions& options);

}  // namespace tillrace::lake
