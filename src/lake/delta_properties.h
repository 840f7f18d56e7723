// The table properties (metaData.configuration) that this code heeds.
#pragma once
#include <chrono>
#include <string_view>

#include "base/result.h"
#include "lake/delta_actions.h"

namespace tillrace::lake {

struct TableProperties {
  std::chrono::milliseconds deleted_file_retention = std::chrono::hours(168);
  std::chrono::milliseconds log_retention = std::chrono::hours(720);
  std::int64_t checkpoint_interval = 10;  // versions
  bool expired_log_cleanup = true;
  bool append_only = false;
};

// Those of a table, or their defaults. invalid when a value cannot be understood.
Result<TableProperties> parse_properties(const Properties& configuration);

// "interval 1 week", "interval 2 days 12 hours", as Spark writes them: without months and years,
// which have no fixed length. invalid otherwise.
Result<std::chrono::milliseconds> parse_interval(std::string_view text);

}  // namespace tillrace::lake
