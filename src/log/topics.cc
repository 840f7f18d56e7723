#include "log/topics.h"

#include <algorithm>

#include "base/files.h"
#include "log/database.h"
#include "model/event_id.h"

namespace tillrace::log {
namespace {

constexpr std::size_t kMaxNameBytes = 249;
constexpr std::string_view kDraftSuffix = "~new";  // '~' is in no topic's name

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

tl::unexpected<Error> file_error(const std::error_code& error, std::string_view doing,
                                 const std::filesystem::path& path) {
  return fail(Code::unavailable, "cannot {} {}: {}", doing, path.string(), error.message());
}

// The topic's folder under a draft's name: a crash leaves a draft, which the next attempt removes.
Status make_draft(const std::filesystem::path& draft, const TopicInfo& info) {
  std::error_code error;
  std::filesystem::remove_all(draft, error);
  if (error) return file_error(error, "remove", draft);
  if (Status made = make_folders(draft); !made) return made;
  if (Status made = Database::create(draft / "db", info); !made) return made;
  return sync_folder(draft);
}

Result<std::vector<std::string>> topic_names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return names;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::string name = at->path().filename();
    if (check_topic_name(name) && std::filesystem::is_directory(at->path() / "db"))
      names.push_back(name);
  }
  if (error) return file_error(error, "list", folder);
  std::sort(names.begin(), names.end());
  return names;
}

Result<TopicStatus> topic_status(const std::filesystem::path& folder, const std::string& name) {
  auto database = Database::follow(database_folder(folder, name));
  if (!database) return fail(database.error());
  auto ranges = (*database)->ranges();
  if (!ranges) return fail(ranges.error());
  auto bytes = bytes_of_folder(topic_folder(folder, name));
  if (!bytes) return fail(bytes.error());
  return TopicStatus{(*database)->info(), std::move(*ranges), *bytes};
}

}  // namespace

Status check_inside(const PartitionRange& range, Offset wanted) {
  if (wanted > range.end)
    return fail(Code::corrupt, "partition {}: the log ends at offset {}, before the wanted {}",
                range.partition.value, range.end.value, wanted.value);
  if (wanted < range.first)
    return fail(Code::corrupt, "partition {}: the log starts at offset {}, after the wanted {}",
                range.partition.value, range.first.value, wanted.value);
  return {};
}

Status check_topic_name(std::string_view name) {
  bool valid = !name.empty() && name.size() <= kMaxNameBytes && name != "." && name != ".." &&
               std::all_of(name.begin(), name.end(), is_name_character);
  if (valid) return {};
  return fail(Code::invalid,
              "'{}' is no topic name; 1 to {} of A-Z, a-z, 0-9, '.', '_' and '-', not '.' or '..'",
              name.substr(0, kMaxNameBytes), kMaxNameBytes);
}

Result<TopicInfo> create_topic(const std::filesystem::path& folder, const std::string& name,
                               std::int32_t partitions, Clock& clock, Random& random) {
  if (Status valid = check_topic_name(name); !valid) return fail(valid.error());
  if (partitions < 1 || partitions > kMaxPartitions)
    return fail(Code::invalid, "{} partitions; 1 to {}", partitions, kMaxPartitions);
  if (Status made = make_folders(folder); !made) return fail(made.error());
  auto lock = FolderLock::acquire(folder);  // one maker at a time
  if (!lock) return fail(lock.error());
  auto path = topic_folder(folder, name);
  if (std::filesystem::exists(path)) return fail(Code::conflict, "topic {} exists already", name);

  TopicInfo info{name, partitions, to_string(fresh_event_id(clock, random)), clock.now()};
  std::filesystem::path draft = path;
  draft += kDraftSuffix;
  if (Status made = make_draft(draft, info); !made) return fail(made.error());
  std::error_code error;
  std::filesystem::rename(draft, path, error);
  if (error) return file_error(error, "rename", draft);
  if (Status synced = sync_folder(folder); !synced) return fail(synced.error());
  return info;
}

Result<std::vector<TopicStatus>> list_topics(const std::filesystem::path& folder) {
  auto names = topic_names(folder);
  if (!names) return fail(names.error());
  std::vector<TopicStatus> topics;
  for (const auto& name : *names) {
    auto status = topic_status(folder, name);
    if (!status) return fail(status.error());
    topics.push_back(std::move(*status));
  }
  return topics;
}

}  // namespace tillrace::log
