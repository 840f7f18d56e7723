// What a running `tillrace up` or `tillrace gateway` tells other commands: <data-dir>/run.toml,
// mode 0600, there while it runs.
#pragma once
#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace tillrace::app {

struct RunInfo {
  int pid = 0;
  UtcMicros started_at;
  std::string http_url;
  std::string warehouse_url;  // holds the password; empty: a gateway alone
  std::string log_dir;
  std::string lake_root;  // empty: it writes to no lake
};

Status write_run_info(const std::filesystem::path& data_dir, const RunInfo& info);
void remove_run_info(const std::filesystem::path& data_dir);
// not_found when nothing runs on the folder: neither a file, nor a file that a killed process left
// behind.
Result<RunInfo> read_run_info(const std::filesystem::path& data_dir);

}  // namespace tillrace::app
