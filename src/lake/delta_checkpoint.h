// Classic checkpoints: a snapshot's actions as one Parquet file, so that opening a table need not
// read its whole log. Written and read by DuckDB, as the protocol's "Checkpoint Schema" has them.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "lake/delta_actions.h"
#include "lake/delta_log.h"
#include "lake/delta_snapshot.h"
#include "lake/lake_ports.h"

namespace tillrace::lake {

// All actions of a checkpoint, given the paths of its parts in the store. corrupt when a part
// cannot be read as one; unavailable when it cannot be had now.
Result<std::vector<Action>> read_checkpoint(const LakePorts& ports,
                                            const std::vector<std::string>& parts);

// Writes the checkpoint of `snapshot`, then points _last_checkpoint to it, unless that points to a
// later one. Tombstones that have expired are left out. Beyond the snapshot itself memory is
// bounded by a row group. A failure does no harm: the log is complete without.
Status write_checkpoint(const LakePorts& ports, DeltaLog& log, const Snapshot& snapshot);

// Deletes commits and checkpoints that no version of the last delta.logRetentionDuration needs, the
// oldest first (the protocol's "Metadata Cleanup"). Answers how many files are gone.
Result<std::size_t> clean_log(const LakePorts& ports, DeltaLog& log, const Snapshot& snapshot);

}  // namespace tillrace::lake
