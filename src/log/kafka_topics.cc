#include "log/kafka_topics.h"

#include "base/clock.h"
#include "log/kafka_admin.h"

namespace tillrace::log {
namespace {

constexpr int kSpreadTries = 100;  // the news of a fresh topic takes a moment to every broker
constexpr std::chrono::milliseconds kSpreadPause{50};

Result<TopicStatus> status_of(KafkaAdmin& admin, const std::string& name) {
  auto info = admin.find_topic(name);
  if (!info) return fail(info.error());
  if (!*info) return fail(Code::not_found, "topic {} is gone", name);
  TopicStatus status{**info, {}, 0};
  for (std::int32_t i = 0; i < status.info.partitions; ++i) {
    auto range = admin.range(name, {i});
    if (!range) return fail(range.error());
    status.partitions.push_back(*range);
  }
  return status;
}

}  // namespace

Result<TopicInfo> create_kafka_topic(const KafkaConnection& connection,
                                     const NewKafkaTopic& topic) {
  if (Status valid = check_topic_name(topic.name); !valid) return fail(valid.error());
  if (topic.partitions < 1 || topic.partitions > kMaxPartitions)
    return fail(Code::invalid, "{} partitions; 1 to {}", topic.partitions, kMaxPartitions);
  auto admin = KafkaAdmin::open(connection);
  if (!admin) return fail(admin.error());
  if (Status made = (*admin)->create(topic); !made) return fail(made.error());
  SystemClock clock;
  for (int i = 0; i < kSpreadTries; ++i) {
    auto status = status_of(**admin, topic.name);
    if (status) return status->info;
    if (status.error().code == Code::invalid) return fail(status.error());
    clock.sleep_for(kSpreadPause);
  }
  return fail(Code::unavailable, "topic {} is made, but not every broker knows it yet", topic.name);
}

Result<std::vector<TopicStatus>> list_kafka_topics(const KafkaConnection& connection) {
  auto admin = KafkaAdmin::open(connection);
  if (!admin) return fail(admin.error());
  auto names = (*admin)->topic_names();
  if (!names) return fail(names.error());
  std::vector<TopicStatus> topics;
  for (const std::string& name : *names) {
    auto status = status_of(**admin, name);
    if (!status && status.error().code == Code::not_found) continue;  // deleted meanwhile
    if (!status) return fail(status.error());
    topics.push_back(std::move(*status));
  }
  return topics;
}

Result<KafkaTopicSettings> describe_kafka_topic(const KafkaConnection& connection,
                                                const std::string& topic) {
  auto admin = KafkaAdmin::open(connection);
  if (!admin) return fail(admin.error());
  return (*admin)->settings_of(topic);
}

Result<std::vector<std::optional<Offset>>> group_marks(const KafkaConnection& connection,
                                                       const std::string& group,
                                                       const std::string& topic,
                                                       std::int32_t partitions) {
  auto asker = make_kafka_client(RD_KAFKA_CONSUMER, connection, {{"group.id", group}}, 0);
  if (!asker) return fail(asker.error());
  PartitionList list(rd_kafka_topic_partition_list_new(partitions));
  for (std::int32_t i = 0; i < partitions; ++i)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), i);
  if (auto error = rd_kafka_committed(asker->get(), list.get(), connection.timeout_ms))
    return kafka_error(error, fmt::format("the marks of {}", group));
  std::vector<std::optional<Offset>> marks(static_cast<std::size_t>(partitions));
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& told = list->elems[i];
    if (told.offset >= 0) marks[static_cast<std::size_t>(told.partition)] = Offset{told.offset};
  }
  return marks;
}

}  // namespace tillrace::log
