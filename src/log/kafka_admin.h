// Internal to the room; includes librdkafka. Questions to the brokers.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "log/kafka_client.h"
#include "log/kafka_topics.h"

namespace tillrace::log {

// not_found, with how to make it.
tl::unexpected<Error> no_such_topic(const KafkaConnection& connection, const std::string& topic);

// What is asked of the brokers for a new topic beside partitions and replication. Where there are
// enough copies, an accepted event lies on two brokers at least.
std::vector<KafkaSetting> topic_settings(const NewKafkaTopic& topic);

// Thread-safe; questions about topics wait for each other.
class KafkaAdmin {
 public:
  // Connects in the background: whether anybody answers, the first question tells.
  static Result<std::unique_ptr<KafkaAdmin>> open(const KafkaConnection& connection);
  KafkaAdmin(const KafkaConnection& connection, KafkaHandle client)  // for open()
      : connection_(connection), client_(std::move(client)) {}

  // Nothing when there is no such topic. timeout_ms instead of the connection's.
  Result<std::optional<TopicInfo>> find_topic(const std::string& name);
  Result<std::optional<TopicInfo>> find_topic(const std::string& name, int timeout_ms);
  Result<KafkaTopicSettings> settings_of(const std::string& name);
  // Of one partition's records in a request, with all that Kafka adds. invalid: the brokers do not
  // tell this user.
  Result<std::size_t> max_message_bytes(const std::string& name);
  Result<std::vector<std::string>> topic_names();
  Status create(const NewKafkaTopic& topic);
  // Up to the last stable offset: what a reader of committed records may see.
  Result<PartitionRange> range(const std::string& topic, Partition partition);

 private:
  using Request = std::function<void(rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>;

  Result<KafkaEvent> ask(rd_kafka_admin_op_t operation, const std::string& doing, int timeout_ms,
                         const Request& request);
  Result<KafkaEvent> wait_for(rd_kafka_queue_t& answers, const std::string& doing, int timeout_ms);
  Result<KafkaEvent> describe(const std::string& name, int timeout_ms);
  Status check_reachable();
  Result<std::map<std::string, std::string>> configuration(const std::string& name);

  const KafkaConnection connection_;
  const KafkaHandle client_;
  Mutex asking_;
};

}  // namespace tillrace::log
