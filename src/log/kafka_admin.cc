#include "log/kafka_admin.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>

#include "model/event_id.h"

namespace tillrace::log {
namespace {

using AdminOptions = Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;
using NewTopic = Owned<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy>;
using TopicNames = Owned<rd_kafka_TopicCollection_t, rd_kafka_TopicCollection_destroy>;
using ConfigResource = Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;

constexpr std::string_view kInternalPrefix = "__";
constexpr int kLeastCopiesForTwo = 3;  // that must be in sync: one broker may be away
constexpr std::int64_t kMillisecondsPerHour = 3'600'000;

// Kafka's own tools write it in base64.
std::string uuid_text(const rd_kafka_Uuid_t& uuid) {
  auto most = static_cast<std::uint64_t>(rd_kafka_Uuid_most_significant_bits(&uuid));
  auto least = static_cast<std::uint64_t>(rd_kafka_Uuid_least_significant_bits(&uuid));
  EventId id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes[i] = static_cast<std::uint8_t>(most >> (56 - 8 * i));
    id.bytes[8 + i] = static_cast<std::uint8_t>(least >> (56 - 8 * i));
  }
  return to_string(id);
}

// The only topic of the answer.
const rd_kafka_TopicDescription_t& described(const KafkaEvent& answer) {
  std::size_t count = 0;
  return *rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(answer.get()),
                                                &count)[0];
}

TopicInfo info_of(const rd_kafka_TopicDescription_t& topic) {
  std::size_t partitions = 0;
  rd_kafka_TopicDescription_partitions(&topic, &partitions);
  return {rd_kafka_TopicDescription_name(&topic),
          static_cast<std::int32_t>(partitions),
          uuid_text(*rd_kafka_TopicDescription_topic_id(&topic)),
          {}};
}

void count_replicas(const rd_kafka_TopicDescription_t& topic, KafkaTopicSettings& settings) {
  settings.replication = settings.in_sync = std::numeric_limits<int>::max();
  std::size_t count = 0, replicas = 0, in_sync = 0;
  const auto** partitions = rd_kafka_TopicDescription_partitions(&topic, &count);
  for (std::size_t i = 0; i < count; ++i) {
    rd_kafka_TopicPartitionInfo_replicas(partitions[i], &replicas);
    rd_kafka_TopicPartitionInfo_isr(partitions[i], &in_sync);
    settings.replication = std::min(settings.replication, static_cast<int>(replicas));
    settings.in_sync = std::min(settings.in_sync, static_cast<int>(in_sync));
  }
}

std::int64_t number_in(const std::map<std::string, std::string>& configuration, const char* name) {
  std::int64_t value = 0;
  auto found = configuration.find(name);
  if (found == configuration.end()) return value;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

}  // namespace

tl::unexpected<Error> no_such_topic(const KafkaConnection& connection, const std::string& topic) {
  return fail(
      Code::not_found,
      "Kafka at {} has no topic {}; make it with `tillrace topics create {} --partitions N`",
      connection.brokers, topic, topic);
}

std::vector<KafkaSetting> topic_settings(const NewKafkaTopic& topic) {
  std::vector<KafkaSetting> settings;
  if (topic.replication >= kLeastCopiesForTwo) settings.push_back({"min.insync.replicas", "2"});
  if (!topic.retention_h) return settings;
  std::int64_t hours = *topic.retention_h;
  settings.push_back(
      {"retention.ms", std::to_string(hours < 0 ? -1 : hours * kMillisecondsPerHour)});
  return settings;
}

Result<std::unique_ptr<KafkaAdmin>> KafkaAdmin::open(const KafkaConnection& connection) {
  auto client = make_kafka_client(
      RD_KAFKA_CONSUMER, connection,
      {{"isolation.level", "read_committed"}, {"allow.auto.create.topics", "false"}},
      RD_KAFKA_EVENT_ERROR);
  if (!client) return fail(client.error());
  return std::make_unique<KafkaAdmin>(connection, std::move(*client));
}

// The client's errors come by the same queue as the answer, so that what is hopeless ends the wait.
Result<KafkaEvent> KafkaAdmin::ask(rd_kafka_admin_op_t operation, const std::string& doing,
                                   int timeout_ms, const Request& request) {
  MutexLock lock(asking_);
  KafkaQueue answers(rd_kafka_queue_new(client_.get()));
  KafkaQueue errors = main_queue(*client_);
  rd_kafka_queue_forward(errors.get(), answers.get());
  AdminOptions options(rd_kafka_AdminOptions_new(client_.get(), operation));
  char ignored[1];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, ignored, 0);
  request(options.get(), answers.get());
  auto answer = wait_for(*answers, doing, timeout_ms);
  rd_kafka_queue_forward(errors.get(), nullptr);
  return answer;
}

Result<KafkaEvent> KafkaAdmin::wait_for(rd_kafka_queue_t& answers, const std::string& doing,
                                        int timeout_ms) {
  using std::chrono::steady_clock;
  ConnectionTrouble trouble(connection_, timeout_ms);
  auto deadline = steady_clock::now() + std::chrono::milliseconds(timeout_ms + 500);
  while (!trouble.is_hopeless()) {
    auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
    KafkaEvent event(rd_kafka_queue_poll(&answers, std::max(0, static_cast<int>(left.count()))));
    if (!event) break;
    if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR) {
      trouble.note(*event);
      continue;
    }
    auto error = rd_kafka_event_error(event.get());
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
    if (code_of(error) == Code::unavailable) break;
    return kafka_error(error, doing, rd_kafka_event_error_string(event.get()));
  }
  return fail(trouble.explain(doing));
}

Result<KafkaEvent> KafkaAdmin::describe(const std::string& name, int timeout_ms) {
  const char* names[] = {name.c_str()};
  TopicNames topics(rd_kafka_TopicCollection_of_topic_names(names, 1));
  return ask(RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, "cannot ask for topic " + name, timeout_ms,
             [&](auto* options, auto* answers) {
               rd_kafka_DescribeTopics(client_.get(), topics.get(), options, answers);
             });
}

Result<std::optional<TopicInfo>> KafkaAdmin::find_topic(const std::string& name) {
  return find_topic(name, connection_.timeout_ms);
}

Result<std::optional<TopicInfo>> KafkaAdmin::find_topic(const std::string& name, int timeout_ms) {
  auto answer = describe(name, timeout_ms);
  if (!answer) return fail(answer.error());
  const auto& topic = described(*answer);
  const rd_kafka_error_t* error = rd_kafka_TopicDescription_error(&topic);
  if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_NO_ERROR) return info_of(topic);
  if (code_of(rd_kafka_error_code(error)) == Code::not_found) return std::nullopt;
  return kafka_error(rd_kafka_error_code(error), "cannot ask for topic " + name,
                     rd_kafka_error_string(error));
}

Result<std::map<std::string, std::string>> KafkaAdmin::configuration(const std::string& name) {
  ConfigResource resource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
  rd_kafka_ConfigResource_t* resources[] = {resource.get()};
  auto answer = ask(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, "cannot ask for the settings of " + name,
                    connection_.timeout_ms, [&](auto* options, auto* answers) {
                      rd_kafka_DescribeConfigs(client_.get(), resources, 1, options, answers);
                    });
  if (!answer) return fail(answer.error());
  std::size_t count = 0;
  const auto* found = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(answer->get()), &count)[0];
  if (auto error = rd_kafka_ConfigResource_error(found))
    return kafka_error(error, "cannot ask for the settings of " + name,
                       rd_kafka_ConfigResource_error_string(found));
  std::map<std::string, std::string> values;
  const auto** entries = rd_kafka_ConfigResource_configs(found, &count);
  for (std::size_t i = 0; i < count; ++i)
    if (const char* value = rd_kafka_ConfigEntry_value(entries[i]))
      values[rd_kafka_ConfigEntry_name(entries[i])] = value;
  return values;
}

Result<KafkaTopicSettings> KafkaAdmin::settings_of(const std::string& name) {
  auto answer = describe(name, connection_.timeout_ms);
  if (!answer) return fail(answer.error());
  const auto& topic = described(*answer);
  auto error = rd_kafka_error_code(rd_kafka_TopicDescription_error(&topic));
  if (code_of(error) == Code::not_found) return no_such_topic(connection_, name);
  if (error) return kafka_error(error, "cannot ask for topic " + name);
  auto values = configuration(name);
  if (!values) return fail(values.error());
  KafkaTopicSettings settings;
  settings.info = info_of(topic);
  count_replicas(topic, settings);
  settings.min_insync = static_cast<int>(number_in(*values, "min.insync.replicas"));
  settings.retention_ms = number_in(*values, "retention.ms");
  settings.retention_bytes = number_in(*values, "retention.bytes");
  settings.cleanup_policy = (*values)["cleanup.policy"];
  return settings;
}

Result<std::size_t> KafkaAdmin::max_message_bytes(const std::string& name) {
  auto values = configuration(name);
  if (!values) return fail(values.error());
  std::int64_t bytes = number_in(*values, "max.message.bytes");
  if (bytes <= 0) return fail(Code::invalid, "the brokers tell no max.message.bytes of {}", name);
  return static_cast<std::size_t>(bytes);
}

Status KafkaAdmin::check_reachable() {
  auto answer = ask(RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, "cannot ask for the brokers",
                    connection_.timeout_ms, [&](auto* options, auto* answers) {
                      rd_kafka_DescribeCluster(client_.get(), options, answers);
                    });
  if (!answer) return fail(answer.error());
  return {};
}

// Of what may have gone wrong, only an admin operation tells.
Result<std::vector<std::string>> KafkaAdmin::topic_names() {
  if (Status reached = check_reachable(); !reached) return fail(reached.error());
  const rd_kafka_metadata_t* metadata = nullptr;
  auto error = rd_kafka_metadata(client_.get(), 1, nullptr, &metadata, connection_.timeout_ms);
  if (error) return kafka_error(error, "cannot list the topics");
  Owned<const rd_kafka_metadata_t, rd_kafka_metadata_destroy> owned(metadata);
  std::vector<std::string> names;
  for (int i = 0; i < metadata->topic_cnt; ++i)
    if (std::string name = metadata->topics[i].topic; !name.starts_with(kInternalPrefix))
      names.push_back(std::move(name));
  std::sort(names.begin(), names.end());
  return names;
}

Status KafkaAdmin::create(const NewKafkaTopic& topic) {
  std::string doing = "cannot make topic " + topic.name;
  char why[512];
  NewTopic wanted(rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions,
                                        topic.replication == 0 ? -1 : topic.replication, why,
                                        sizeof why));
  if (!wanted) return fail(Code::invalid, "{}: {}", doing, why);
  for (const KafkaSetting& setting : topic_settings(topic))
    rd_kafka_NewTopic_set_config(wanted.get(), setting.name.c_str(), setting.value.c_str());
  rd_kafka_NewTopic_t* topics[] = {wanted.get()};
  auto answer = ask(RD_KAFKA_ADMIN_OP_CREATETOPICS, doing, connection_.timeout_ms,
                    [&](auto* options, auto* answers) {
                      rd_kafka_CreateTopics(client_.get(), topics, 1, options, answers);
                    });
  if (!answer) return fail(answer.error());
  std::size_t count = 0;
  const auto* made = rd_kafka_CreateTopics_result_topics(
      rd_kafka_event_CreateTopics_result(answer->get()), &count)[0];
  auto error = rd_kafka_topic_result_error(made);
  if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
    return fail(Code::conflict, "topic {} exists already", topic.name);
  const char* detail = rd_kafka_topic_result_error_string(made);
  if (error) return kafka_error(error, doing, detail == nullptr ? "" : detail);
  return {};
}

Result<PartitionRange> KafkaAdmin::range(const std::string& topic, Partition partition) {
  std::int64_t first = 0, end = 0;
  auto error = rd_kafka_query_watermark_offsets(client_.get(), topic.c_str(), partition.value,
                                                &first, &end, connection_.timeout_ms);
  if (error)
    return kafka_error(error, fmt::format("cannot ask for the offsets of {}, partition {}", topic,
                                          partition.value));
  return PartitionRange{partition, {first}, {end}};
}

}  // namespace tillrace::log
