// Others that write to Kafka and change its topics: kcat, transactions, operators. Included by the
// room's tests alone.
#pragma once
#include "log/kafka_client.h"
#include "log/kafka_for_tests.h"

namespace tillrace::log {

// kcat -P with these arguments, fed with `input`.
inline void kcat_writes(const KafkaConnection& connection, const std::string& topic,
                        const std::string& arguments, const std::string& input) {
  std::string command = fmt::format("kcat -P -b {} -t {} {}", connection.brokers, topic, arguments);
  FILE* pipe = ::popen(command.c_str(), "w");
  ASSERT_NE(pipe, nullptr);
  ASSERT_EQ(::fwrite(input.data(), 1, input.size(), pipe), input.size());
  ASSERT_EQ(::pclose(pipe), 0) << command;
}

// A record with this time of Kafka's own.
inline void write_at(const KafkaConnection& connection, const std::string& topic,
                     std::int32_t partition, std::int64_t ms) {
  auto client = make_kafka_client(RD_KAFKA_PRODUCER, connection, {}, 0);
  ASSERT_TRUE(client) << client.error().message;
  std::string value = "x";
  auto error = rd_kafka_producev(client->get(), RD_KAFKA_V_TOPIC(topic.c_str()),
                                 RD_KAFKA_V_PARTITION(partition),
                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_TIMESTAMP(ms),
                                 RD_KAFKA_V_VALUE(value.data(), value.size()), RD_KAFKA_V_END);
  ASSERT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR);
  ASSERT_EQ(rd_kafka_flush(client->get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

// What kcat -C prints of a topic, from its start to its end.
inline std::string kcat_reads(const KafkaConnection& connection, const std::string& topic,
                              const std::string& format) {
  return output_of(fmt::format("kcat -C -q -e -o beginning -b {} -t {} -f '{}'", connection.brokers,
                               topic, format))
      .value_or("kcat failed");
}

// A producer whose transactions are committed or aborted by hand.
class TransactionalWriter {
 public:
  explicit TransactionalWriter(const KafkaConnection& connection) {
    auto made = make_kafka_client(RD_KAFKA_PRODUCER, connection,
                                  {{"transactional.id", fresh_topic_name()}}, 0);
    EXPECT_TRUE(made) << made.error().message;
    client_ = std::move(*made);
    must(rd_kafka_init_transactions(client_.get(), 30'000));
  }
  void begin() { must(rd_kafka_begin_transaction(client_.get())); }
  // Returns when the brokers have it.
  void write(const std::string& topic, std::int32_t partition, const std::string& value) {
    auto error = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
    EXPECT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR);
    EXPECT_EQ(rd_kafka_flush(client_.get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void commit() { must(rd_kafka_commit_transaction(client_.get(), 10'000)); }
  void abort() { must(rd_kafka_abort_transaction(client_.get(), 10'000)); }

 private:
  static void must(rd_kafka_error_t* error) {
    KafkaError owned(error);
    EXPECT_FALSE(owned) << rd_kafka_error_string(error);
  }
  KafkaHandle client_;
};

// What only operators do to topics.
class Operator {
 public:
  explicit Operator(const KafkaConnection& connection) {
    auto made = make_kafka_client(RD_KAFKA_PRODUCER, connection, {}, 0);
    EXPECT_TRUE(made) << made.error().message;
    client_ = std::move(*made);
    answers_.reset(rd_kafka_queue_new(client_.get()));
  }
  void delete_topic(const std::string& topic) {
    Owned<rd_kafka_DeleteTopic_t, rd_kafka_DeleteTopic_destroy> wanted(
        rd_kafka_DeleteTopic_new(topic.c_str()));
    rd_kafka_DeleteTopic_t* all[] = {wanted.get()};
    rd_kafka_DeleteTopics(client_.get(), all, 1, nullptr, answers_.get());
    wait();
  }
  void delete_records(const std::string& topic, std::int32_t partition, std::int64_t before) {
    PartitionList offsets(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(offsets.get(), topic.c_str(), partition)->offset = before;
    Owned<rd_kafka_DeleteRecords_t, rd_kafka_DeleteRecords_destroy> wanted(
        rd_kafka_DeleteRecords_new(offsets.get()));
    rd_kafka_DeleteRecords_t* all[] = {wanted.get()};
    rd_kafka_DeleteRecords(client_.get(), all, 1, nullptr, answers_.get());
    wait();
  }
  void add_partitions(const std::string& topic, std::size_t partitions) {
    char why[200];
    Owned<rd_kafka_NewPartitions_t, rd_kafka_NewPartitions_destroy> wanted(
        rd_kafka_NewPartitions_new(topic.c_str(), partitions, why, sizeof why));
    rd_kafka_NewPartitions_t* all[] = {wanted.get()};
    rd_kafka_CreatePartitions(client_.get(), all, 1, nullptr, answers_.get());
    wait();
  }
  // The most bytes of a record's batch that the brokers take.
  void limit_records(const std::string& topic, const std::string& bytes) {
    Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy> wanted(
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
    KafkaError bad(rd_kafka_ConfigResource_add_incremental_config(
        wanted.get(), "max.message.bytes", RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, bytes.c_str()));
    EXPECT_FALSE(bad);
    rd_kafka_ConfigResource_t* all[] = {wanted.get()};
    rd_kafka_IncrementalAlterConfigs(client_.get(), all, 1, nullptr, answers_.get());
    wait();
  }

 private:
  void wait() {
    KafkaEvent answer(rd_kafka_queue_poll(answers_.get(), 10'000));
    ASSERT_TRUE(answer);
    EXPECT_EQ(rd_kafka_event_error(answer.get()), RD_KAFKA_RESP_ERR_NO_ERROR)
        << rd_kafka_event_error_string(answer.get());
  }
  KafkaHandle client_;
  KafkaQueue answers_;
};

}  // namespace tillrace::log
