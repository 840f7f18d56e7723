// How Delta names things: files of the log, paths of data files as URIs, folders of partitions.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lake/delta_actions.h"

namespace tillrace::lake {

// _delta_log/00000000000000000007.json and its like, relative to the table.
std::string commit_path(std::int64_t version);
std::string checkpoint_path(std::int64_t version);
inline constexpr std::string_view kLogFolder = "_delta_log/";
inline constexpr std::string_view kLastCheckpointPath = "_delta_log/_last_checkpoint";

// What a name in the log's folder stands for. `part` of `parts` counts from 1; a classic checkpoint
// in one file is part 1 of 1.
struct LogFile {
  enum class Kind { commit, checkpoint } kind = Kind::commit;
  std::int64_t version = 0;
  int part = 1;
  int parts = 1;
  bool operator==(const LogFile&) const = default;
};
// nullopt for what belongs to a protocol beyond ours, or to no protocol.
std::optional<LogFile> parse_log_name(std::string_view name);

// A data file's path as add and remove have it (RFC 2396: percent-encoded), and back. decode:
// invalid when it is an absolute path or leads out of the table, corrupt when its encoding is
// broken.
std::string encode_file_path(std::string_view path);
Result<std::string> decode_file_path(std::string_view encoded);

// country=C%C3%B4te/... with '/' at its end, escaped as Hive does; empty for a table without
// partitions. Only for people and old readers: the values that count stand in the log.
std::string partition_folder(const std::vector<std::string>& columns,
                             const PartitionValues& values);

}  // namespace tillrace::lake
