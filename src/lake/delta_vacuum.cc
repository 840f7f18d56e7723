#include "lake/delta_vacuum.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string_view>
#include <utility>

#include "lake/delta_log.h"
#include "lake/delta_paths.h"
#include "lake/delta_properties.h"

namespace tillrace::lake {
namespace {

// What other programs keep beside the data, and are let alone with.
bool is_hidden(std::string_view path) {
  while (true) {
    auto part = path.substr(0, path.find('/'));
    bool marked = part.starts_with('_') || part.starts_with('.');
    if (marked && part.find('=') == std::string_view::npos) return true;
    if (part.size() == path.size()) return false;
    path.remove_prefix(part.size() + 1);
  }
}

bool is_needed(const Snapshot& snapshot, const std::string& path, std::int64_t cutoff_ms) {
  if (snapshot.files().contains(path)) return true;
  auto tombstone = snapshot.tombstones().find(path);
  return tombstone != snapshot.tombstones().end() &&
         tombstone->second.deletion_timestamp_ms > cutoff_ms;
}

struct Retention {
  std::chrono::milliseconds own;  // the table's property
  std::chrono::milliseconds chosen;
};

Result<Retention> retention_of(const DeltaTable& table, const VacuumOptions& options) {
  auto properties = parse_properties(table.snapshot().metadata().configuration);
  if (!properties) return fail(properties.error());
  if (properties->not_understood && !options.retention) return fail(*properties->not_understood);
  auto own = properties->not_understood ? std::chrono::milliseconds(0)
                                        : properties->deleted_file_retention;
  auto chosen = options.retention.value_or(std::max(own, options.least));
  auto least = std::max<std::chrono::milliseconds>(own, VacuumOptions::kLeastRetention);
  if (chosen < least && !options.force) {
    return fail(Code::invalid,
                "a retention of {} h is below {} h{}; readers and writers at work may lose files, "
                "so it must be forced",
                std::chrono::floor<std::chrono::hours>(chosen).count(),
                std::chrono::ceil<std::chrono::hours>(least).count(),
                least == own ? " of the table itself" : "");
  }
  return Retention{own, chosen};
}

// This machine's time, or the store's where that is behind: the store dates the files, and by a
// clock that is ahead they would all be old. To ask the store for its time a file is written.
Result<std::int64_t> now_of(const DeltaTable& table, const VacuumOptions& options) {
  const auto& ports = table.ports();
  if (options.dry_run) return ports.now_ms();
  constexpr std::int64_t kCoarsestMs = 999;  // a store may cut its times to seconds
  std::string probe = fmt::format("{}/{}.vacuum", table.path(), kLogFolder);
  if (auto put = ports.store.put(probe, "what time is it?"); !put) return fail(put.error());
  auto written = ports.store.head(probe);
  auto removed = ports.store.remove(probe);
  if (!written && written.error().code == Code::not_found) {
    return fail(Code::conflict, "{}: another vacuum is at work", table.path());
  }
  if (!written || !removed) return fail(written ? removed.error() : written.error());
  return std::min(ports.now_ms(), written->modified.value / 1000 + kCoarsestMs);
}

// The folder of another table ("archive/") of whose log `path` is a file.
std::optional<std::string> table_below(std::string_view path) {
  const std::string mark = "/" + std::string(kLogFolder);
  auto at = path.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  return std::string(path.substr(0, at + 1));
}

bool is_below(const std::set<std::string, std::less<>>& folders, std::string_view path) {
  for (auto at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1)) {
    if (folders.contains(path.substr(0, at + 1))) return true;
  }
  return false;
}

Result<std::vector<StoredFile>> old_files(const DeltaTable& table, std::int64_t cutoff_ms,
                                          const std::stop_token& stop) {
  std::vector<StoredFile> files;
  std::set<std::string, std::less<>> tables_below;
  std::string folder = table.path() + '/';
  auto listed = table.ports().store.list(folder, [&](const StoredFile& stored) {
    std::string path = stored.path.substr(folder.size());
    if (auto other = table_below(path)) tables_below.insert(std::move(*other));
    bool old = stored.modified.value / 1000 <= cutoff_ms;
    if (old && !is_hidden(path) && !is_needed(table.snapshot(), path, cutoff_ms)) {
      files.push_back({std::move(path), stored.bytes, stored.modified});
    }
    return !stop.stop_requested();
  });
  if (!listed) return fail(listed.error());
  std::erase_if(files, [&](const auto& file) { return is_below(tables_below, file.path); });
  return files;
}

// What the log's commits since then have removed. Checkpoints, and so a snapshot, forget it after
// delta.deletedFileRetentionDuration.
Result<std::set<std::string>> removed_since(const DeltaTable& table, std::int64_t cutoff_ms,
                                            const std::stop_token& stop) {
  DeltaLog log(table.ports().store, table.path());
  auto listing = log.list(0);
  if (!listing) return fail(listing.error());
  std::set<std::string> removed;
  for (const auto& [version, written] : listing->commits) {
    if (stop.stop_requested()) break;
    if (written.value / 1000 <= cutoff_ms) continue;
    auto actions = log.read_commit(version);
    if (!actions && actions.error().code == Code::not_found) continue;  // cleaned meanwhile
    if (!actions) return fail(actions.error());
    for (const auto& action : *actions) {
      const auto* remove = std::get_if<RemoveFile>(&action);
      if (remove == nullptr) continue;
      if (auto path = decode_file_path(remove->path)) removed.insert(std::move(*path));
    }
  }
  return removed;
}

}  // namespace

Status vacuum(DeltaTable& table, const VacuumOptions& options, VacuumReport& report) {
  if (auto refreshed = table.refresh(); !refreshed) return refreshed;
  // What a later protocol may keep in files that nothing here refers to must not be deleted.
  if (auto may = table.check_upkeep(); !may) return may;
  auto retention = retention_of(table, options);
  if (!retention) return fail(retention.error());
  auto now_ms = now_of(table, options);
  if (!now_ms) return fail(now_ms.error());
  std::int64_t cutoff_ms = *now_ms - retention->chosen.count();
  auto candidates = old_files(table, cutoff_ms, options.stop);
  if (!candidates) return fail(candidates.error());

  // What was committed while the listing was made is needed too.
  if (auto refreshed = table.refresh(); !refreshed) return refreshed;
  Result<std::set<std::string>> removed_lately;
  if (retention->chosen > retention->own && !candidates->empty()) {
    removed_lately = removed_since(table, cutoff_ms, options.stop);
    if (!removed_lately) return fail(removed_lately.error());
  }
  for (auto& file : *candidates) {
    if (options.stop.stop_requested()) break;
    if (is_needed(table.snapshot(), file.path, cutoff_ms)) continue;
    if (removed_lately->contains(file.path)) continue;
    if (!options.dry_run) {
      auto removed = table.ports().store.remove(table.path() + '/' + file.path);
      if (!removed) return removed;
    }
    report.bytes += file.bytes;
    report.files.push_back(std::move(file.path));
  }
  return {};
}

Result<VacuumReport> vacuum(DeltaTable& table, const VacuumOptions& options) {
  VacuumReport report;
  if (auto done = vacuum(table, options, report); !done) return fail(done.error());
  return report;
}

}  // namespace tillrace::lake
