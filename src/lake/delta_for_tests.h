// What the tests of Delta tables share: a lake in a scratch folder, with its own engine and clock.
// Included by *_test.cc alone.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/scratch_for_tests.h"
#include "lake/delta_scan.h"
#include "lake/delta_table.h"
#include "lake/folder_store.h"

namespace tillrace::lake {

// A store, an engine and all else that a table needs. Several may share one folder, as processes
// do.
class Lake {
 public:
  explicit Lake(const std::filesystem::path& folder, std::uint64_t seed = 1)
      : random_(seed),
        store_(*FolderStore::open(folder / "store", clock_, random_)),
        duck_(*Duck::open({.memory_limit_mb = 256, .threads = 1, .temp_folder = {}})),
        session_(*DuckSession::open(duck_)),
        spool_(folder / ("spool-" + std::to_string(seed))) {}

  LakePorts ports() { return ports(*store_); }
  LakePorts ports(Store& store) { return {store, session_, clock_, random_, spool_}; }
  Store& store() { return *store_; }
  SystemClock& clock() { return clock_; }
  DuckSession& duck() { return session_; }

  // The rows of a query, columns separated by '|'.
  std::vector<std::string> rows(const std::string& sql) {
    auto rows = session_.query("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (" + sql + ")");
    EXPECT_TRUE(rows) << rows.error().message;
    std::vector<std::string> out;
    while (rows) {
      auto more = rows->next();
      EXPECT_TRUE(more) << more.error().message;
      if (!more || !*more) break;
      std::string line;
      for (std::size_t i = 0; i < rows->columns().size(); ++i) {
        line += (i > 0 ? "|" : "") + (rows->is_null(i) ? "NULL" : std::string(rows->text(i)));
      }
      out.push_back(std::move(line));
    }
    return out;
  }
  std::vector<std::string> rows_of(const DeltaTable& table, const Snapshot& snapshot,
                                   const std::string& columns = "*") {
    auto scan = Scan::of(ports(), table.path(), snapshot);
    EXPECT_TRUE(scan) << scan.error().message;
    return rows("SELECT " + columns + " FROM (" + scan->sql() + ") ORDER BY ALL");
  }
  std::vector<std::string> rows_of(const DeltaTable& table, const std::string& columns = "*") {
    return rows_of(table, table.snapshot(), columns);
  }

 private:
  SystemClock clock_;
  SeededRandom random_;
  std::unique_ptr<FolderStore> store_;
  Duck duck_;
  DuckSession session_;
  std::filesystem::path spool_;
};

// The thread sanitizer cannot fork here: DuckDB's allocator then takes more locks at once than it
// can follow. What processes do to each other it would not see in any case.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kCanFork = false;
#else
inline constexpr bool kCanFork = true;
#endif

inline TableSpec numbers_spec() {
  return {.schema = {{{"id", "long"}, {"word", "string"}}},
          .partition_columns = {},
          .properties = {},
          .name = {},
          .description = {}};
}

// A row count(*) of `select` is appended; the version is answered.
inline std::int64_t append(DeltaTable& table, const std::string& select) {
  auto files = table.write(select);
  EXPECT_TRUE(files) << files.error().message;
  auto transaction = table.append(*files);
  auto version = table.commit(transaction);
  EXPECT_TRUE(version) << version.error().message;
  return version.value_or(-1);
}

}  // namespace tillrace::lake
