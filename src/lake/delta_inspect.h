// Looks at a lake's tables from outside: which there are, what became of one, how large it is.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "lake/delta_actions.h"
#include "lake/delta_snapshot.h"
#include "lake/delta_table.h"
#include "lake/lake_ports.h"

namespace tillrace::lake {

// The paths of all Delta tables below the store's root, in ascending order; lists all its files.
Result<std::vector<std::string>> list_tables(Store& store);

// The table that `name` means: its path, or its path with dots ("bronze.transactions"). not_found,
// with the name that is most like it or those there are.
Result<DeltaTable> find_table(const LakePorts& ports, const std::string& name);
// "did you mean 'bronze/transactions'?", "the lake's tables: ..." or "the lake has no tables".
std::string hint_for(std::string_view name, const std::vector<std::string>& known);

// How many rows the statistics of a file (add.stats) tell of; nullopt when they do not.
std::optional<std::int64_t> rows_in_stats(std::string_view stats);

struct TableSize {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  std::optional<std::int64_t> rows;  // unknown when that of one file is
};
TableSize size_of(const Snapshot& snapshot);

// When the table's version was written, by the store's clock; nullopt when the log no longer tells.
Result<std::optional<UtcMicros>> written_at(const DeltaTable& table);

// One version: what its commit did.
struct VersionSummary {
  std::int64_t version = 0;
  UtcMicros written;      // what reading as of a time goes by: the store's, made to ascend
  std::string operation;  // "WRITE"; empty when the writer did not say, as `engine`
  std::string engine;
  // Unknown where a file has no statistics, or came before what the log still has.
  std::optional<std::int64_t> rows_added, rows_removed;
  std::size_t files_added = 0, files_removed = 0;
  std::uint64_t bytes_added = 0;
};
// The newest `most` of the versions that the log still has, the newest first. Errors as of
// DeltaTable.
Result<std::vector<VersionSummary>> history_of(DeltaTable& table, std::size_t most);

}  // namespace tillrace::lake
