#include "lake/delta_inspect.h"

#include <simdjson.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/nearest.h"
#include "lake/delta_loader.h"
#include "lake/delta_log.h"
#include "lake/delta_paths.h"
#include "lake/store_path.h"

namespace tillrace::lake {
namespace {

constexpr std::size_t kMostNamesInHint = 10;

// Adds up what may be unknown; once unknown it stays so.
void add(std::optional<std::int64_t>& sum, std::optional<std::int64_t> rows) {
  if (sum) sum = rows ? std::optional(*sum + *rows) : std::nullopt;
}

std::string with_slashes(std::string name) {
  std::ranges::replace(name, '.', '/');
  return name;
}

// Rows by the path of the file, for files in the table.
using RowsOfFiles = std::map<std::string, std::optional<std::int64_t>>;

VersionSummary summary_of(const std::vector<Action>& actions, RowsOfFiles& there) {
  VersionSummary summary;
  summary.rows_added = summary.rows_removed = 0;
  for (const auto& action : actions) {
    const auto* removed = std::get_if<RemoveFile>(&action);
    if (removed == nullptr) continue;
    auto path = decode_file_path(removed->path);
    auto known = there.find(path ? *path : removed->path);
    add(summary.rows_removed, known == there.end() ? std::nullopt : known->second);
    if (known != there.end()) there.erase(known);
    ++summary.files_removed;
  }
  for (const auto& action : actions) {
    if (const auto* info = std::get_if<CommitInfo>(&action)) {
      summary.operation = info->operation;
      summary.engine = info->engine_info;
    }
    const auto* added = std::get_if<AddFile>(&action);
    if (added == nullptr) continue;
    auto rows = rows_in_stats(added->stats);
    auto path = decode_file_path(added->path);
    there[path ? *path : added->path] = rows;
    add(summary.rows_added, rows);
    ++summary.files_added;
    summary.bytes_added += static_cast<std::uint64_t>(std::max<std::int64_t>(added->size, 0));
  }
  return summary;
}

// What the table had before `version`; nothing where the log does not tell any more.
RowsOfFiles rows_before(DeltaTable& table, std::int64_t version) {
  RowsOfFiles rows;
  if (version == 0) return rows;
  auto snapshot = table.at_version(version - 1);
  if (!snapshot) return rows;
  for (const auto& [path, file] : snapshot->files()) rows[path] = rows_in_stats(file.stats);
  return rows;
}

}  // namespace

Result<std::vector<std::string>> list_tables(Store& store) {
  std::set<std::string> tables;
  const std::string mark = "/" + std::string(kLogFolder);
  auto listed = store.list({}, [&](const StoredFile& file) {
    std::size_t at = file.path.find(mark);
    bool is_log = at != std::string::npos && parse_log_name(file.path.substr(at + mark.size()));
    if (is_log) tables.insert(file.path.substr(0, at));
    return true;
  });
  if (!listed) return fail(listed.error());
  return std::vector<std::string>(tables.begin(), tables.end());
}

std::string hint_for(std::string_view name, const std::vector<std::string>& known) {
  if (known.empty()) return "the lake has no tables";
  std::vector<std::string_view> candidates(known.begin(), known.end());
  if (auto like = nearest(name, candidates)) return fmt::format("did you mean '{}'?", *like);
  for (std::string_view path : known) {  // "transactoins" for bronze/transactions
    std::string_view last = path.substr(path.find_last_of("/.") + 1);
    std::string_view last_wanted = name.substr(name.find_last_of("/.") + 1);
    if (nearest(last_wanted, std::span(&last, 1))) return fmt::format("did you mean '{}'?", path);
  }
  candidates.resize(std::min(candidates.size(), kMostNamesInHint));
  return fmt::format("the lake's tables: {}{}", fmt::join(candidates, ", "),
                     candidates.size() < known.size() ? ", ..." : "");
}

Result<DeltaTable> find_table(const LakePorts& ports, const std::string& name) {
  for (const auto& path : std::set<std::string>{name, with_slashes(name)}) {
    auto opened = DeltaTable::open(ports, path);
    bool is_other =
        !opened && (opened.error().code == Code::not_found || opened.error().code == Code::invalid);
    if (!is_other) return opened;
    // A table beyond the profile is there, and is said to be so.
    if (opened.error().code == Code::invalid && check_path(path)) return opened;
  }
  auto known = list_tables(ports.store);
  if (!known) return fail(known.error());
  return fail(Code::not_found, "there is no table '{}' in the lake; {}", name,
              hint_for(with_slashes(name), *known));
}

std::optional<std::int64_t> rows_in_stats(std::string_view stats) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::int64_t rows = 0;
  if (stats.empty() || parser.parse(stats.data(), stats.size()).get(root) != simdjson::SUCCESS ||
      root["numRecords"].get(rows) != simdjson::SUCCESS || rows < 0)
    return std::nullopt;
  return rows;
}

TableSize size_of(const Snapshot& snapshot) {
  TableSize size;
  size.rows = 0;
  for (const auto& [path, file] : snapshot.files()) {
    ++size.files;
    size.bytes += static_cast<std::uint64_t>(std::max<std::int64_t>(file.size, 0));
    add(size.rows, rows_in_stats(file.stats));
  }
  return size;
}

Result<std::optional<UtcMicros>> written_at(const DeltaTable& table) {
  std::int64_t version = table.snapshot().version();
  auto listing = DeltaLog(table.ports().store, table.path()).list(version);
  if (!listing) return fail(listing.error());
  auto commit = listing->commits.find(version);
  return commit == listing->commits.end() ? std::nullopt : std::optional(commit->second);
}

Result<std::vector<VersionSummary>> history_of(DeltaTable& table, std::size_t most) {
  DeltaLog log(table.ports().store, table.path());
  auto listing = log.list(0);
  if (!listing) return fail(listing.error());
  std::vector<VersionSummary> all;
  if (listing->commits.empty() || most == 0) return all;
  auto times = ascending_times(*listing);
  auto first = times.begin();
  if (times.size() > most) std::advance(first, static_cast<std::ptrdiff_t>(times.size() - most));
  RowsOfFiles there = rows_before(table, first->first);
  for (; first != times.end(); ++first) {
    auto actions = log.read_commit(first->first);
    // The log's clean-up may be at work.
    if (!actions && actions.error().code == Code::not_found) continue;
    if (!actions) return fail(actions.error());
    all.push_back(summary_of(*actions, there));
    all.back().version = first->first;
    all.back().written = first->second;
  }
  std::ranges::reverse(all);
  return all;
}

}  // namespace tillrace::lake
