// A Delta table: its state, and commits to it. The log of versions lies beside the data
// (docs/formats/delta.md); many processes may read and write one table at once, whatever they are.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "lake/delta_log.h"
#include "lake/delta_snapshot.h"
#include "lake/delta_transaction.h"
#include "lake/lake_ports.h"

namespace tillrace::lake {

struct TableSpec {
  Schema schema;
  std::vector<std::string> partition_columns;
  Properties properties;  // metaData.configuration, such as delta.appendOnly
  std::string name, description;
};

// Borrows its ports; for one thread at a time. Several may be open on one table, here and
// elsewhere.
//
// Errors of all calls: unavailable, the store is away; corrupt, the log contradicts itself;
// invalid, the table is beyond the profile (reader 1, writer 2).
class DeltaTable {
 public:
  // `path` is the table's in the store, such as "bronze/transactions". not_found: no table is
  // there.
  static Result<DeltaTable> open(LakePorts ports, std::string path);
  // Version 0. conflict: there is a table already.
  static Result<DeltaTable> create(LakePorts ports, std::string path, const TableSpec& spec);
  // Whichever is needed; of many that call it at once one creates.
  static Result<DeltaTable> open_or_create(LakePorts ports, std::string path,
                                           const TableSpec& spec);

  // As of the last open(), refresh() or commit().
  const Snapshot& snapshot() const { return snapshot_; }
  const std::string& path() const { return log_.table(); }
  const LakePorts& ports() const { return ports_; }
  // Takes in what others have committed.
  Status refresh();
  // The past, as far as log and data files still have it. not_found beyond. By time: invalid where
  // the table goes by times in its commits.
  Result<Snapshot> at_version(std::int64_t version);
  Result<Snapshot> at_time(UtcMicros time);
  // The commitInfo of `version`, empty where its writer gave none. not_found when it is not in the
  // log (any more).
  Result<CommitInfo> commit_info(std::int64_t version);

  // Data files for append() or replace(): see write_data_files() and write_partition_file().
  Result<std::vector<AddFile>> write(const std::string& select) const;

  // What commit() takes. Each is made of the snapshot as it is, and nothing happens yet.
  Transaction append(std::vector<AddFile> files) const;
  // `files` take the place of all files for which `replaced` is true.
  using FileFilter = std::function<bool(const AddFile&)>;
  Transaction replace(std::vector<AddFile> files, const FileFilter& replaced) const;
  Transaction replace(std::vector<AddFile> files) const;
  // `into` has the same rows as `from`, which are in the table.
  Transaction compaction(std::vector<AddFile> into, const std::vector<AddFile>& from) const;
  // invalid when a column is there already, or is not nullable.
  Result<Transaction> add_columns(const std::vector<Column>& columns) const;

  // Makes the next version, and answers its number. Durable for all when it returns. Others'
  // commits that came first are stepped over when the rules of check_conflict() allow it.
  //   conflict     they do not, or the log no longer tells, or a mark was not where it should be:
  //                nothing was done. The snapshot is up to date: read it, then decide
  //   invalid      see check_transaction(); nothing was done
  //   unavailable  it may have happened. Call again with the same transaction, now or after
  //   refresh():
  //                it is looked for by its id, and tried again only if it is nowhere. Where the log
  //                no longer tells, the answer stays unavailable
  //   corrupt      it may have happened, too
  // Every 10 versions (delta.checkpointInterval) it also writes a checkpoint and cleans the log;
  // when that fails the log says so, and the commit stands. A table that was not looked at for
  // kLongestTrust, or half of its delta.logRetentionDuration, is looked at first, and afterwards:
  // the log may have been cleaned of the very version that was to be made.
  Result<std::int64_t> commit(Transaction& transaction);
  static constexpr std::chrono::minutes kLongestTrust{5};
  // Whether the table, as of the snapshot, may be compacted, vacuumed and given checkpoints.
  // invalid: what its protocol has beyond the profile would be lost, or a property of it makes no
  // sense.
  Status check_upkeep() const;
  // A checkpoint of the snapshot, now. invalid as above.
  Status checkpoint();

 private:
  DeltaTable(LakePorts ports, std::string path);

  // By both clocks: that of the machine's uptime does not count its sleep, the other may be set.
  struct Moment {
    std::chrono::nanoseconds uptime{0};
    UtcMicros wall;
  };
  Moment moment() const;
  bool is_old() const;
  Result<bool> is_in_table(const Transaction& transaction, std::int64_t version);
  Result<std::int64_t> finish(const Transaction& transaction, std::int64_t version, bool sure);

  enum class Placed { ours, others };
  Result<Placed> place(std::int64_t version, const std::string& text, const std::string& id);
  Result<std::optional<Placed>> whose(std::int64_t version, const std::string& id);
  Status step_over_others(const Transaction& transaction);
  Result<std::optional<std::int64_t>> find_earlier_try(const Transaction& transaction);
  Status check_current(const Transaction& transaction);
  Status check_since_read(const Transaction& transaction);
  Status take_own(const std::string& text, std::int64_t version);
  void keep_house();
  void forget_expired();
  Status clean();

  LakePorts ports_;
  DeltaLog log_;
  Snapshot snapshot_;
  Moment known_;  // when the snapshot was the newest version for sure
};

}  // namespace tillrace::lake
