// The table properties (metaData.configuration) that this code heeds.
#pragma once
#include <chrono>
#include <optional>
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
  // The first of the other values that cannot be understood. A retention then is kForever, there is
  // no clean-up, and a checkpoint at the default interval: nothing is lost by it.
  std::optional<Error> not_understood = {};
  static constexpr std::chrono::hours kForever{24L * 365 * 10'000};
};

// Those of a table, or their defaults; case and spaces around a value do not count. invalid when
// delta.appendOnly cannot be understood: it might forbid what is to be done.
Result<TableProperties> parse_properties(const Properties& configuration);

// Whether the table's versions go by times in their commits, which are not read here; also when the
// value cannot be understood.
bool has_commit_timestamps(const Properties& configuration);

// "interval 1 week", "2 DAYS 12 hours", "1.5 seconds", as Spark takes them, in whole milliseconds:
// without months and years, which have no fixed length, and nothing negative. invalid otherwise.
Result<std::chrono::milliseconds> parse_interval(std::string_view text);

}  // namespace tillrace::lake
