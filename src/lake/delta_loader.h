// Finds a table's state in its log: the latest, or one of the past.
#pragma once
#include <cstdint>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "lake/delta_log.h"
#include "lake/delta_snapshot.h"
#include "lake/lake_ports.h"

namespace tillrace::lake {

// The latest version, from the latest checkpoint that can be read and the commits after it.
// _last_checkpoint only says where to begin to look; where it, or a checkpoint, is missing, broken
// or out of date, what the log's folder holds counts. not_found: there is no table. corrupt: the
// log has a hole, or nothing to begin with.
Result<Snapshot> load_latest(const LakePorts& ports, DeltaLog& log);

// not_found when the version is not there yet, or is no longer there because the log was cleaned.
Result<Snapshot> load_version(const LakePorts& ports, DeltaLog& log, std::int64_t version);

// The version that was the latest at `time`, by the store's times of the commits (made to ascend,
// as Spark does). not_found when the table, or what the log still has of it, is younger.
Result<std::int64_t> version_at(DeltaLog& log, UtcMicros time);

// When each of the commits was written, made to ascend as above.
std::map<std::int64_t, UtcMicros> ascending_times(const LogListing& listing);

// Takes in the commits after the snapshot's version. A snapshot that is far behind is loaded anew,
// and so is one that `is_old` where there is a checkpoint: the log may have been cleaned of what
// came next, and what lies there now may be a commit that no version follows from. After a failure
// it may have come some versions further, not all.
Status catch_up(const LakePorts& ports, DeltaLog& log, Snapshot& snapshot, bool is_old);

}  // namespace tillrace::lake
