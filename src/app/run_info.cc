#include "app/run_info.h"

#include <toml++/toml.h>

#include <sstream>

#include "base/files.h"

namespace tillrace::app {
namespace {

std::filesystem::path path_in(const std::filesystem::path& data_dir) {
  return data_dir / "run.toml";
}

}  // namespace

Status write_run_info(const std::filesystem::path& data_dir, const RunInfo& info) {
  toml::table table{{"pid", info.pid},           {"started_at", info.started_at.value},
                    {"http_url", info.http_url}, {"warehouse_url", info.warehouse_url},
                    {"log_dir", info.log_dir},   {"lake_root", info.lake_root}};
  std::ostringstream text;
  text << table << "\n";
  return write_file_atomically(path_in(data_dir), text.str(), 0600);
}

void remove_run_info(const std::filesystem::path& data_dir) {
  std::error_code ignored;  // what stays behind is recognised by the lock
  std::filesystem::remove(path_in(data_dir), ignored);
}

Result<RunInfo> read_run_info(const std::filesystem::path& data_dir) {
  auto nothing = [&] {
    return fail(Code::not_found, "nothing runs on {}; start it with `tillrace up --data-dir {}`",
                data_dir.string(), data_dir.string());
  };
  auto text = read_file(path_in(data_dir));
  if (!text && text.error().code != Code::not_found) return fail(text.error());
  if (!text) return nothing();
  if (!FolderLock::is_held(data_dir)) return nothing();  // no owner: left behind by a kill
  try {
    toml::table table = toml::parse(*text);
    RunInfo info;
    info.pid = table["pid"].value_or(0);
    info.started_at = {table["started_at"].value_or(std::int64_t{0})};
    info.http_url = table["http_url"].value_or(std::string());
    info.warehouse_url = table["warehouse_url"].value_or(std::string());
    info.log_dir = table["log_dir"].value_or(std::string());
    info.lake_root = table["lake_root"].value_or(std::string());
    return info;
  } catch (const toml::parse_error& error) {
    return fail(Code::corrupt, "{}: {}", path_in(data_dir).string(), error.description());
  }
}

}  // namespace tillrace::app
