// A data file's statistics, as add.stats has them (the protocol's "Per-file Statistics"), out of
// what DuckDB tells about a Parquet file that it wrote.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "lake/delta_schema.h"

namespace tillrace::lake {

// Of one column; texts as DuckDB writes them. What is not known is absent.
struct ColumnStats {
  std::optional<std::string> min, max;
  std::optional<std::int64_t> null_count;
  bool has_nan = false;
};

// {"numRecords":...,"minValues":{...},"maxValues":{...},"nullCount":{...}}. Limits are left out
// where they would not hold or do not count: booleans, binaries, nested columns, NaN, infinity.
// Long texts are cut at 32 characters, and times at the millisecond: minima down, maxima up, but
// not beyond the year 9999.
std::string stats_json(const Schema& schema, std::int64_t records,
                       const std::map<std::string, ColumnStats>& columns);

// The least text of at most `characters` that no text beginning like `text` exceeds, in the order
// of the bytes; nullopt when there is none.
std::optional<std::string> rounded_up(std::string_view text, std::size_t characters);

}  // namespace tillrace::lake
