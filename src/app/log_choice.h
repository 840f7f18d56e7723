// Which log the configuration names, the embedded one or Kafka, and what the commands do with
// either.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/metrics.h"
#include "base/random.h"
#include "log/kafka_options.h"
#include "log/log.h"
#include "log/output_topic.h"
#include "log/topics.h"

namespace tillrace::app {

bool uses_kafka(const Config& config);
log::KafkaConnection kafka_connection(const Config& config);
log::OutputOptions output_options(const Config& config);
std::filesystem::path log_folder(const Config& config);  // of the embedded one

// For a server: it takes events, and keeps receipts in the data folder.
Result<std::unique_ptr<log::Log>> open_log(const Config& config, Clock& clock, Random& random,
                                           Metrics& metrics);
// For reading alone.
Result<std::unique_ptr<log::Log>> open_kafka_to_read(const Config& config, const std::string& topic,
                                                     Clock& clock, Metrics& metrics);

Result<std::vector<log::TopicStatus>> topics_of(const Config& config);

struct NewTopic {
  std::string name;
  int partitions = 1;
  int replication = 0;                      // of Kafka's; 0: as the brokers have it
  std::optional<std::int64_t> retention_h;  // of Kafka's; -1: for ever
};
Result<log::TopicInfo> create_topic(const Config& config, const NewTopic& topic);

}  // namespace tillrace::app
