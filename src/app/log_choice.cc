#include "app/log_choice.h"

#include "base/files.h"
#include "log/embedded_log.h"
#include "log/kafka_log.h"
#include "log/kafka_topics.h"

namespace tillrace::app {
namespace {

// The server's own limit comes first: what it refuses, it need not read.
std::size_t waiting_bytes(const Config& config) {
  return 2 * static_cast<std::size_t>(config.http.max_in_flight_mb) * (std::size_t{1} << 20);
}

log::KafkaLogOptions kafka_options(const Config& config) {
  log::KafkaLogOptions options;
  options.connection = kafka_connection(config);
  options.topic = config.log.topic;
  options.partitions = config.log.partitions;
  options.compression = config.kafka.compression;
  options.group_prefix = config.kafka.group;
  options.linger_ms = config.kafka.linger_ms;
  options.delivery_timeout_ms = config.kafka.delivery_timeout_ms;
  options.session_timeout_ms = config.kafka.session_timeout_ms;
  options.max_waiting_bytes = waiting_bytes(config);
  return options;
}

}  // namespace

bool uses_kafka(const Config& config) { return config.log.kind == "kafka"; }

log::KafkaConnection kafka_connection(const Config& config) {
  log::KafkaConnection connection;
  connection.brokers = config.kafka.brokers;
  connection.tls = config.kafka.tls;
  connection.ca_file = config.kafka.ca_file;
  connection.certificate = config.kafka.certificate;
  connection.certificate_key = config.kafka.certificate_key;
  connection.sasl_mechanism = config.kafka.sasl_mechanism;
  connection.user = config.kafka.user;
  connection.password = config.kafka.password;
  return connection;
}

log::OutputOptions output_options(const Config& config) {
  log::OutputOptions options;
  options.connection = kafka_connection(config);
  options.topic = config.output.topic;
  options.source_topic = config.log.topic;
  options.group = log::kafka_group(config.kafka.group, config.log.topic, "output");
  options.compression = config.kafka.compression;
  options.timeout_ms = config.kafka.delivery_timeout_ms;
  return options;
}

std::filesystem::path log_folder(const Config& config) { return config.data_dir / "log"; }

Result<std::unique_ptr<log::Log>> open_log(const Config& config, Clock& clock, Random& random,
                                           Metrics& metrics) {
  auto receipts = static_cast<std::size_t>(config.idempotency.max_receipts);
  if (uses_kafka(config)) {
    log::KafkaLogOptions options = kafka_options(config);
    options.receipts_folder = config.data_dir / "receipts";
    if (Status made = make_private_folder(options.receipts_folder); !made)
      return fail(made.error());
    options.max_receipts = receipts;
    options.receipt_max_age_h = config.idempotency.max_age_h;
    return log::open_kafka_log(options, clock, metrics);
  }
  log::EmbeddedLogOptions options;
  options.folder = log_folder(config);
  if (Status made = make_private_folder(options.folder); !made) return fail(made.error());
  options.topic = config.log.topic;
  options.partitions = config.log.partitions;
  options.max_waiting_bytes = waiting_bytes(config);
  options.max_receipts = receipts;
  options.receipt_max_age_h = config.idempotency.max_age_h;
  return log::open_embedded_log(options, clock, random, metrics);
}

Result<std::unique_ptr<log::Log>> open_kafka_to_read(const Config& config, const std::string& topic,
                                                     Clock& clock, Metrics& metrics) {
  log::KafkaLogOptions options = kafka_options(config);
  options.topic = topic;
  options.partitions = 0;
  return log::open_kafka_log(options, clock, metrics);
}

Result<std::vector<log::TopicStatus>> topics_of(const Config& config) {
  if (uses_kafka(config)) return log::list_kafka_topics(kafka_connection(config));
  return log::list_topics(log_folder(config));
}

Result<log::TopicInfo> create_topic(const Config& config, const NewTopic& topic) {
  if (uses_kafka(config))
    return log::create_kafka_topic(
        kafka_connection(config),
        {topic.name, topic.partitions, topic.replication, topic.retention_h});
  if (topic.replication != 0 || topic.retention_h)
    return fail(Code::invalid,
                "--replication and --retention-h are Kafka's (log.kind = kafka); the embedded log "
                "has one copy, and keeps what the settings retention.* say");
  SystemClock clock;
  SystemRandom random;
  return log::create_topic(log_folder(config), topic.name, topic.partitions, clock, random);
}

}  // namespace tillrace::app
