#include "warehouse/postgres_install.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

#include "base/files.h"
#include "warehouse/child_process.h"

namespace tillrace::warehouse {
namespace {

namespace fs = std::filesystem;

constexpr int kVersionTimeoutMs = 10'000;

bool is_program(const fs::path& path) { return ::access(path.c_str(), X_OK) == 0; }

int leading_number(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// <parent>/<prefix>NN/bin, the highest NN first.
std::vector<fs::path> numbered_folders(const fs::path& parent, std::string_view prefix) {
  std::vector<std::pair<int, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    std::string name = entry.path().filename();
    if (!name.starts_with(prefix)) continue;
    int number = leading_number(std::string_view(name).substr(prefix.size()));
    if (number > 0) found.emplace_back(number, entry.path() / "bin");
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<fs::path> folders;
  folders.reserve(found.size());
  for (auto& [number, folder] : found) folders.push_back(std::move(folder));
  return folders;
}

std::vector<fs::path> path_folders(const std::string& search_path) {
  std::vector<fs::path> folders;
  std::istringstream parts(search_path);
  for (std::string part; std::getline(parts, part, ':');) {
    if (part.starts_with('/')) folders.emplace_back(part);
  }
  return folders;
}

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.pop_back();
  return text;
}

std::vector<fs::path> candidate_folders(const std::string& search_path, Clock& clock) {
  std::vector<fs::path> folders = numbered_folders("/usr/lib/postgresql", "");
  std::vector<fs::path> red_hat = numbered_folders("/usr", "pgsql-");
  std::vector<fs::path> in_path = path_folders(search_path);
  folders.insert(folders.end(), red_hat.begin(), red_hat.end());
  for (const fs::path& folder : in_path) {
    if (!is_program(folder / "pg_config")) continue;
    auto answer = run({{folder / "pg_config", "--bindir"}, {}}, kVersionTimeoutMs, clock);
    if (answer && answer->exit_code == 0) folders.emplace_back(trimmed(answer->output));
    break;
  }
  folders.insert(folders.end(), in_path.begin(), in_path.end());
  return folders;
}

// "postgres (PostgreSQL) 15.7 (Debian 15.7-0+deb12u1)" gives 15.7.
std::optional<PostgresInstall> look_at(const fs::path& folder, Clock& clock) {
  if (!is_program(folder / "postgres") || !is_program(folder / "initdb")) return std::nullopt;
  auto answer = run({{folder / "postgres", "--version"}, {}}, kVersionTimeoutMs, clock);
  constexpr std::string_view before = "(PostgreSQL) ";
  std::size_t at = answer ? answer->output.find(before) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  std::string version = trimmed(answer->output.substr(at + before.size()));
  version = version.substr(0, version.find(' '));
  return PostgresInstall{folder, leading_number(version), version};
}

}  // namespace

std::vector<PostgresInstall> find_postgres_installs(const fs::path& bin_folder,
                                                    const std::string& search_path, Clock& clock) {
  std::vector<fs::path> folders = bin_folder.empty() ? candidate_folders(search_path, clock)
                                                     : std::vector<fs::path>{bin_folder};
  std::vector<PostgresInstall> installs;
  std::vector<fs::path> seen;
  for (const fs::path& folder : folders) {
    std::error_code error;
    fs::path real = fs::canonical(folder, error);
    if (error || std::find(seen.begin(), seen.end(), real) != seen.end()) continue;
    seen.push_back(real);
    if (auto install = look_at(real, clock)) installs.push_back(std::move(*install));
  }
  return installs;
}

Result<PostgresInstall> choose_postgres_install(const std::vector<PostgresInstall>& installs,
                                                std::optional<int> cluster_major,
                                                const fs::path& folder) {
  if (installs.empty())
    return fail(Code::not_found,
                "no PostgreSQL server is installed (no initdb and postgres in "
                "/usr/lib/postgresql/*/bin, pg_config --bindir or PATH); install the package "
                "postgresql, or give the URL of a server");
  for (const PostgresInstall& install : installs) {
    bool fits =
        cluster_major ? install.major == *cluster_major : install.major >= kOldestPostgresMajor;
    if (fits) return install;
  }
  const PostgresInstall& found = installs.front();
  if (!cluster_major)
    return fail(Code::invalid, "PostgreSQL {} in {} is too old; install {} or newer", found.version,
                found.bin_folder.string(), kOldestPostgresMajor);
  return fail(
      Code::invalid,
      "{} was made by PostgreSQL {}, but installed is {} (in {}); install postgresql-{}, or "
      "move the folder away and rebuild the warehouse from the log",
      folder.string(), *cluster_major, found.version, found.bin_folder.string(), *cluster_major);
}

bool knows_lz4(const PostgresInstall& install) {
  constexpr int first_with_lz4_wal = 15;
  if (install.major < first_with_lz4_wal) return false;
  auto program = read_file(install.bin_folder / "postgres");
  return program && program->find("liblz4.so") != std::string::npos;
}

}  // namespace tillrace::warehouse
