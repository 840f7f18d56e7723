// Classic checkpoints: a snapshot's actions as one Parquet file, so that opening a table need not
// read its whole log. Written by DuckDB, as the protocol's "Checkpoint Schema" has them; read by
// delta_checkpoint_reader.h.
#pragma once
#include <cstddef>

#include "base/result.h"
#include "lake/delta_log.h"
#include "lake/delta_snapshot.h"
#include "lake/lake_ports.h"

namespace tillrace::lake {

// Writes the checkpoint of `snapshot`, then points _last_checkpoint to it, unless that points to a
// later one. Tombstones that have expired are left out. Beyond the snapshot itself memory is
// bounded by a row group. A failure does no harm: the log is complete without.
Status write_checkpoint(const LakePorts& ports, DeltaLog& log, const Snapshot& snapshot);

// Deletes commits and checkpoints that no version of the last delta.logRetentionDuration needs, the
// oldest first (the protocol's "Metadata Cleanup"). Answers how many files are gone.
Result<std::size_t> clean_log(const LakePorts& ports, DeltaLog& log, const Snapshot& snapshot);

}  // namespace tillrace::lake
