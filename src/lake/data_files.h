// A table's data files: Parquet, written by DuckDB to the spool folder, then brought to the store.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "lake/delta_actions.h"
#include "lake/delta_snapshot.h"
#include "lake/lake_ports.h"

namespace tillrace::lake {

// Runs `select` and writes its rows as new files of `table`, by partition, with statistics. Its
// columns go by name into those of the snapshot's schema and are cast to their types; what it lacks
// is null. The files are durable in the store, and in no version of the table yet: put them into a
// Transaction. No rows give no files. Memory is bounded by DuckDB's limit. invalid: a column that
// the table has not, a value that cannot be cast, a null that may not be, a text of
// more than 64 bytes as a partition's value. After a failure files may
// be left behind, which vacuum finds.
Result<std::vector<AddFile>> write_data_files(const LakePorts& ports, const std::string& table,
                                              const Snapshot& snapshot, const std::string& select);

// The same into one file of one partition; the rows' partition columns are not looked at.
Result<std::vector<AddFile>> write_partition_file(const LakePorts& ports, const std::string& table,
                                                  const Snapshot& snapshot,
                                                  const PartitionValues& values,
                                                  const std::string& select);

// Takes files away that no version refers to, such as those of a transaction that lost. What cannot
// be deleted is left to vacuum.
void discard_data_files(const LakePorts& ports, const std::string& table,
                        const std::vector<AddFile>& files);

}  // namespace tillrace::lake
