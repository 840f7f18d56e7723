// Topics on Kafka's brokers: made, listed, looked at.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "log/kafka_options.h"
#include "log/topics.h"

namespace tillrace::log {

struct NewKafkaTopic {
  std::string name;
  std::int32_t partitions = 1;
  // 0: as the brokers have it by default. From 3 on, an event is accepted when two have it
  // (min.insync.replicas).
  int replication = 0;
  std::optional<std::int64_t> retention_h;  // -1: for ever; none: as the brokers have it
};

// Returns when the brokers know the topic. conflict when it exists already; invalid, with the
// brokers' reason, such as a replication beyond their number, or a wrong password; unavailable when
// none answers.
Result<TopicInfo> create_kafka_topic(const KafkaConnection& connection, const NewKafkaTopic& topic);

// All topics but Kafka's own, by name, with offsets up to the last stable one. Their bytes and when
// they were made are not told by Kafka: 0.
Result<std::vector<TopicStatus>> list_kafka_topics(const KafkaConnection& connection);

// What `doctor` looks at.
struct KafkaTopicSettings {
  TopicInfo info;
  int replication = 0;  // of the partition that has least
  int in_sync = 0;      // replicas, of the partition that has least
  int min_insync = 0;
  std::int64_t retention_ms = 0;     // -1: for ever
  std::int64_t retention_bytes = 0;  // of a partition; -1: no limit
  std::string cleanup_policy;        // delete, compact
};
// not_found, with how to make it, when there is no such topic.
Result<KafkaTopicSettings> describe_kafka_topic(const KafkaConnection& connection,
                                                const std::string& topic);

// The offsets that a consumer group has committed, by partition; nothing where it has committed
// none.
Result<std::vector<std::optional<Offset>>> group_marks(const KafkaConnection& connection,
                                                       const std::string& group,
                                                       const std::string& topic,
                                                       std::int32_t partitions);

}  // namespace tillrace::log
