#include "lake/delta_vacuum.h"

#include <string_view>
#include <utility>

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

Result<std::chrono::milliseconds> retention_of(const DeltaTable& table,
                                               const VacuumOptions& options) {
  auto properties = parse_properties(table.snapshot().metadata().configuration);
  if (!properties) return fail(properties.error());
  if (properties->not_understood && !options.retention) return fail(*properties->not_understood);
  auto retention = options.retention.value_or(properties->deleted_file_retention);
  if (retention < VacuumOptions::kLeastRetention && !options.force) {
    return fail(Code::invalid,
                "a retention of {} h is below {} h; readers and writers at work may lose files, so "
                "it must be forced",
                std::chrono::duration_cast<std::chrono::hours>(retention).count(),
                VacuumOptions::kLeastRetention.count());
  }
  return retention;
}

Result<std::vector<StoredFile>> old_files(const DeltaTable& table, std::int64_t cutoff_ms) {
  std::vector<StoredFile> files;
  std::string folder = table.path() + '/';
  auto listed = table.ports().store.list(folder, [&](const StoredFile& stored) {
    std::string path = stored.path.substr(folder.size());
    bool old = stored.modified.value / 1000 <= cutoff_ms;
    if (old && !is_hidden(path) && !is_needed(table.snapshot(), path, cutoff_ms)) {
      files.push_back({std::move(path), stored.bytes, stored.modified});
    }
    return true;
  });
  if (!listed) return fail(listed.error());
  return files;
}

}  // namespace

Result<VacuumReport> vacuum(DeltaTable& table, const VacuumOptions& options) {
  if (auto refreshed = table.refresh(); !refreshed) return fail(refreshed.error());
  // What a later protocol may keep in files that nothing here refers to must not be deleted.
  if (auto known = check_writable(table.snapshot().protocol()); !known) return fail(known.error());
  auto retention = retention_of(table, options);
  if (!retention) return fail(retention.error());
  std::int64_t cutoff_ms = table.ports().now_ms() - retention->count();
  auto candidates = old_files(table, cutoff_ms);
  if (!candidates) return fail(candidates.error());

  // What was committed while the listing was made is needed too.
  if (auto refreshed = table.refresh(); !refreshed) return fail(refreshed.error());
  VacuumReport report;
  for (auto& file : *candidates) {
    if (is_needed(table.snapshot(), file.path, cutoff_ms)) continue;
    if (!options.dry_run) {
      auto removed = table.ports().store.remove(table.path() + '/' + file.path);
      if (!removed) return fail(removed.error());
    }
    report.bytes += file.bytes;
    report.files.push_back(std::move(file.path));
  }
  return report;
}

}  // namespace tillrace::lake
