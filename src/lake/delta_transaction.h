// What one commit is to do, and when it may no longer be done because others were faster.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "lake/delta_actions.h"
#include "lake/delta_snapshot.h"

namespace tillrace::lake {

// An application's mark, compared and set: the commit happens only if the table's mark of `app_id`
// is `from` (nullopt: none yet) at that very moment.
struct TxnMove {
  std::string app_id;
  std::optional<std::int64_t> from;
  std::int64_t to = 0;
};

// One commit to be: all of it happens, or nothing. Kept by the caller until its fate is known: a
// transaction whose commit() answered unavailable may have happened, and the same object given to
// commit() again finds that out before anything is tried.
struct Transaction {
  std::string operation = "WRITE";  // as in commitInfo
  Properties parameters = {};       // operationParameters
  std::vector<AddFile> add = {};
  std::vector<RemoveFile> remove = {};
  std::vector<TxnMove> txns = {};
  std::optional<Metadata> metadata = {};
  std::optional<Protocol> protocol = {};
  // The outcome depends on which files the table has: files of data that others add or remove
  // meanwhile are a conflict. Appends and compactions leave it unset.
  bool reads_whole_table = false;
  // The version that it was prepared on; what came after it is checked for conflicts. Unset: that
  // of the table's snapshot when it is first given to commit().
  std::optional<std::int64_t> read_version = {};

  // Set by commit().
  std::string id = {};                                   // the UUID by which the commit is known
  std::optional<std::int64_t> first_tried_version = {};  // where to begin looking for it

  bool is_blind_append() const {
    return remove.empty() && !metadata && !protocol && !reads_whole_table;
  }
};

// Whether `transaction` can be done on `snapshot` at all. invalid: the table is beyond this writer,
// is append-only and data would be removed, has invariants or nested columns without nulls, which
// are not checked here, or a file lacks a partition value. conflict: a mark is not where it was
// expected, or a file that is to be removed is not there (any more).
Status check_transaction(const Transaction& transaction, const Snapshot& snapshot);

// Whether `transaction`, prepared before the commit with the actions `winner`, may follow it. The
// protocol leaves the rules to the writer; these are Spark's, serializable: others' metadata or
// protocol is a conflict for all, a moved mark for who moves it too, a removed file for who removes
// it too, added or removed data for who reads the whole table. conflict says which.
Status check_conflict(const Transaction& transaction, const std::vector<Action>& winner);

// Whether what `transaction` did is seen in `snapshot`, which is later; by its new files, which are
// nobody else's, else by what it removed or moved. Not after a removal of its files has expired.
Result<bool> is_seen(const Transaction& transaction, const Snapshot& snapshot);

// The text of the commit.
std::string commit_text(const Transaction& transaction, std::int64_t read_version,
                        std::int64_t now_ms);

}  // namespace tillrace::lake
