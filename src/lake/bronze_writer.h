// One partition's way from the log into the bronze tables, exactly once. The processor's side is
// processor/lake_loop.h.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "lake/bronze.h"
#include "lake/delta_table.h"

namespace tillrace::lake {

// The records of a partition, which can be read as often as is wanted and are always the same.
class BronzeReader {
 public:
  virtual ~BronzeReader() = default;
  // Reading begins at `from`. It ends at `end`; without one, where the reader sees fit. Answers
  // when the first record came in; nothing when there is none.
  virtual Result<std::optional<UtcMicros>> begin(Offset from, std::optional<Offset> end) = 0;
  // The next records; none at the end. For any number of threads: each gets others.
  virtual Result<std::vector<BronzeItem>> next() = 0;
  // Where the next reading goes on. Of use at the end.
  virtual Offset position() const = 0;
};

// What one commit held.
struct BronzeCounts {
  std::int64_t events = 0;
  std::map<std::string, std::int64_t> rejected;  // by kind
};

// Each table keeps a mark of its own, moved in the commit that adds the rows. That of the
// transactions is the partition's; bronze/rejected is committed before it and only where there is
// something to reject, so a crash between the two leaves its mark ahead: what lies below is left
// out when the range is read again. So nothing is lost and nothing doubled, whoever else writes the
// partition.
//
// Not thread-safe. Holds no rows but those of the file that is being written: of each thread that
// the engine of its ports has, DuckDB's row group and what BronzeReader::next() gives. Borrows its
// ports.
class BronzeWriter {
 public:
  // unavailable when DuckDB cannot take the sources.
  static Result<std::unique_ptr<BronzeWriter>> open(LakePorts ports, LogPartition from);

  // The next offset that the lake wants; nothing when it has seen nothing of the partition. Makes
  // the tables where they are absent. corrupt: a mark belongs to another log, or a table
  // contradicts itself. unavailable: the store is away.
  Result<std::optional<Offset>> mark();
  // Sets the mark to `first` without rows. Errors as of settle().
  Status begin_at(Offset first);

  // Writes data files of what `reader` gives from the mark on. Nothing is in the tables yet: then
  // comes settle(). After a failure, and where there was nothing to read, nothing is pending.
  Status prepare(BronzeReader& reader);
  bool is_pending() const { return pending_.has_value(); }
  // Commits what is pending, and answers the new mark. unavailable: it may have happened; it stays
  // pending, and the next call finds out. After any other failure it is dropped, and the mark is to
  // be asked again; conflict: somebody else was first.
  Result<Offset> settle();
  // Of the last settle().
  const BronzeCounts& counts() const { return counts_; }

  BronzeWriter(LakePorts ports, LogPartition from);  // for open()

 private:
  struct Pending {
    std::optional<Transaction> rejected;
    Transaction events;
    Offset to;
    BronzeCounts counts;
  };
  // What the first reading of a range tells.
  struct Range {
    Offset from, to;
    std::int32_t day = 0;         // of the first record
    std::int64_t other_days = 0;  // events of other days
    BronzeCounts counts;
  };

  Status open_tables();
  Result<std::vector<AddFile>> write_first_day(BronzeReader& reader, Range& range);
  Result<std::vector<AddFile>> write_other_days(BronzeReader& reader, const Range& range);
  Result<std::vector<AddFile>> write_rejected(BronzeReader& reader, const Range& range);
  static void count(const std::vector<BronzeItem>& items, Range& range);
  void make_pending(const Range& range, std::vector<AddFile> events, std::vector<AddFile> rejected);
  Status commit(DeltaTable& table, Transaction& transaction);
  void discard_pending();

  const LakePorts ports_;
  const LogPartition from_;
  BronzeSource<BronzeEvent> events_;
  BronzeSource<BronzeRejected> rejected_;
  std::string events_sql_, rejected_sql_;
  std::optional<DeltaTable> events_table_, rejected_table_;
  std::optional<Offset> mark_, rejected_mark_;  // as the tables had them last
  std::optional<Pending> pending_;
  BronzeCounts counts_;
};

}  // namespace tillrace::lake
