#include "lake/delta_compaction.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lake/data_files.h"
#include "lake/delta_paths.h"
#include "lake/delta_scan.h"

namespace tillrace::lake {
namespace {

using Group = std::vector<AddFile>;

std::uint64_t bytes_of(const Group& files) {
  std::uint64_t total = 0;
  for (const auto& file : files) total += static_cast<std::uint64_t>(file.size);
  return total;
}

// Whether `bytes` are nearer to the target as they are than with `more`.
bool is_nearest(std::uint64_t bytes, std::uint64_t more, std::uint64_t target) {
  return bytes + more > target && bytes + more - target > target - bytes;
}

// Takes the largest out as long as the others are too little for it to be rewritten.
void leave_grown(Group& group, std::uint64_t least_growth_percent) {
  std::uint64_t bytes = bytes_of(group);
  while (!group.empty()) {
    auto largest = std::ranges::max_element(group, {}, &AddFile::size);
    auto size = static_cast<std::uint64_t>(largest->size);
    if ((bytes - size) * 100 >= size * least_growth_percent) return;
    bytes -= size;
    group.erase(largest);
  }
}

// Small files of one partition, the oldest first, in groups that together have about the target's
// size: five eighths of it to eleven, as long as a small file is less than three quarters of it.
std::vector<Group> groups_of(const Snapshot& snapshot, const CompactionOptions& options) {
  std::map<PartitionValues, Group> small;
  std::uint64_t large = options.target_bytes / 100 * options.large_enough_percent;
  for (const auto& [path, file] : snapshot.files()) {
    if (static_cast<std::uint64_t>(file.size) < large) {
      small[file.partition_values].push_back(file);
    }
  }
  std::vector<Group> groups;
  for (auto& [partition, files] : small) {
    std::ranges::stable_sort(files, {}, &AddFile::modification_time_ms);
    Group group;
    std::uint64_t bytes = 0;
    auto close = [&] {
      if (bytes < large) leave_grown(group, options.least_growth_percent);
      if (group.size() > 1) groups.push_back(std::move(group));
      group.clear();
      bytes = 0;
    };
    for (auto& file : files) {
      auto size = static_cast<std::uint64_t>(file.size);
      if (is_nearest(bytes, size, options.target_bytes)) close();
      bytes += size;
      group.push_back(std::move(file));
      if (bytes >= options.target_bytes || group.size() >= options.most_files_at_once) close();
    }
    close();
  }
  return groups;
}

Result<std::vector<AddFile>> merge(const DeltaTable& table, const Group& group) {
  auto scan = Scan::of(table.ports(), table.path(), table.snapshot(), group);
  if (!scan) return fail(scan.error());
  return write_partition_file(table.ports(), table.path(), table.snapshot(),
                              group.front().partition_values, scan->sql());
}

// Tells a file that is gone, which is this group's trouble, from a store that is away. Where DuckDB
// reads in place it says no more than that it cannot.
Error why_not_merged(const DeltaTable& table, const Group& group, Error error) {
  if (error.code != Code::unavailable && error.code != Code::not_found) return error;
  for (const auto& file : group) {
    auto path = decode_file_path(file.path);
    if (!path) continue;
    std::string stored = table.path() + '/' + *path;
    if (error.code == Code::unavailable && !table.ports().store.local_path(stored)) return error;
    auto there = table.ports().store.head(stored);
    if (there) continue;
    if (there.error().code != Code::not_found) return error;
    return {Code::corrupt, stored + " is in the table, but not in the store"};
  }
  return error;
}

bool still_there(const Snapshot& snapshot, const Group& group) {
  return std::ranges::all_of(group, [&](const AddFile& file) {
    auto path = decode_file_path(file.path);
    return path && snapshot.files().contains(*path);
  });
}

Status commit_group(DeltaTable& table, const Group& group, const std::vector<AddFile>& merged,
                    CompactionReport& report) {
  auto transaction = table.compaction(merged, group);
  auto committed = table.commit(transaction);
  if (committed) {
    report.files_before += group.size();
    report.files_after += merged.size();
    report.bytes_before += bytes_of(group);
    report.bytes_after += bytes_of(merged);
    return {};
  }
  // After any other error the commit may stand, and need the files.
  Code code = committed.error().code;
  if (code == Code::conflict || code == Code::invalid) {
    discard_data_files(table.ports(), table.path(), merged);
  }
  if (code != Code::conflict) return fail(committed.error());
  ++report.conflicts;
  return {};
}

}  // namespace

Status compact(DeltaTable& table, const CompactionOptions& options, CompactionReport& report) {
  if (auto refreshed = table.refresh(); !refreshed) return refreshed;
  // No commit would be possible, so nothing is merged either.
  if (auto may = table.check_upkeep(); !may) return may;
  Status outcome;
  for (const auto& group : groups_of(table.snapshot(), options)) {
    if (options.stop.stop_requested()) break;
    if (!still_there(table.snapshot(), group)) {
      ++report.conflicts;
      continue;
    }
    auto merged = merge(table, group);
    if (merged) {
      // A log that takes no commit would take none of another group.
      auto done = commit_group(table, group, *merged, report);
      if (!done) return outcome ? done : outcome;
      continue;
    }
    Error error = why_not_merged(table, group, merged.error());
    bool is_away = error.code == Code::unavailable;
    if (outcome) outcome = fail(std::move(error));
    if (is_away) break;
  }
  return outcome;
}

Result<CompactionReport> compact(DeltaTable& table, const CompactionOptions& options) {
  CompactionReport report;
  if (auto done = compact(table, options, report); !done) return fail(done.error());
  return report;
}

}  // namespace tillrace::lake
