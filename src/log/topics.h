// Topics on disk: <folder>/<topic>/ is one RocksDB database, made whole or not at all, that also
// says which topic it is. Layout and formats: docs/formats/log.md.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "model/record.h"

namespace tillrace::log {

inline constexpr std::int32_t kMaxPartitions = 256;

// What is fixed when a topic is made.
struct TopicInfo {
  std::string name;
  std::int32_t partitions = 1;
  std::string id;  // UUID
  UtcMicros created_at;
};

struct PartitionRange {
  Partition partition;
  Offset first;  // first kept record
  Offset end;    // one past the last; equal to `first` when there is none
};

// corrupt, with what is wrong, unless `wanted` lies from first to end.
Status check_inside(const PartitionRange& range, Offset wanted);

struct TopicStatus {
  TopicInfo info;
  std::vector<PartitionRange> partitions;
  std::uint64_t bytes_on_disk = 0;
};

// Kafka's rule: 1 to 249 of [A-Za-z0-9._-], neither "." nor "..". invalid, with the rule,
// otherwise.
Status check_topic_name(std::string_view name);

// Makes the topic, durably; `partitions` from 1 to kMaxPartitions, for good. conflict when it
// exists already. May run while another process has other topics of the folder open.
Result<TopicInfo> create_topic(const std::filesystem::path& folder, const std::string& name,
                               std::int32_t partitions, Clock& clock, Random& random);

// All topics of the folder by name; none when the folder is absent. Works while other processes
// have them open, and may then count records whose sync is still under way.
Result<std::vector<TopicStatus>> list_topics(const std::filesystem::path& folder);

}  // namespace tillrace::log
