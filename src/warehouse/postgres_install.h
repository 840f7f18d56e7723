// The PostgreSQL programs that are installed on this machine.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tillrace::warehouse {

constexpr int kOldestPostgresMajor = 13;

struct PostgresInstall {
  std::filesystem::path bin_folder;
  int major = 0;
  std::string version;  // such as "15.7"
};

// All that are found, the preferred one first: Debian's and Ubuntu's folders (newest first), Red
// Hat's, pg_config's, those in `search_path` (folders with colons between). With `bin_folder`, only
// what lies there.
std::vector<PostgresInstall> find_postgres_installs(const std::filesystem::path& bin_folder,
                                                    const std::string& search_path, Clock& clock);

// The one to use for a new cluster, or for one of `cluster_major`. not_found when nothing is
// installed, invalid when nothing fits; the message says what to install.
Result<PostgresInstall> choose_postgres_install(const std::vector<PostgresInstall>& installs,
                                                std::optional<int> cluster_major,
                                                const std::filesystem::path& folder);

// Whether this build can compress WAL with LZ4, which is cheap; else pglz is left.
bool knows_lz4(const PostgresInstall& install);

}  // namespace tillrace::warehouse
