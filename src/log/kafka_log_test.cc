// What is Kafka's own: topics, others' records, transactions, limits. What every log does is in
// log_contract_test.cc.
#include "log/kafka_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "log/kafka_admin.h"
#include "log/kafka_writers_for_tests.h"

namespace tillrace::log {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr Partition kFirst{0};

class KafkaLog : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_KAFKA();
    connection_ = SharedBroker::get().connection();
    topic_ = make_topic(connection_);
  }
  std::unique_ptr<Log> open() { return open_kafka(options(), world_); }
  KafkaLogOptions options() const { return kafka_options(connection_, topic_); }
  Error refusal(const KafkaLogOptions& options) {
    auto opened = open_kafka_log(options, world_.clock, world_.metrics);
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  }

  KafkaConnection connection_;
  std::string topic_;
  World world_;
};

bool eventually(const std::function<bool()>& holds) {
  for (int tries = 0; tries < 1'000; ++tries, pause_ms(10))
    if (holds()) return true;
  return false;
}

std::vector<std::string> values_of(const std::vector<StoredRecord>& records) {
  std::vector<std::string> values;
  for (const StoredRecord& stored : records) values.push_back(stored.record.value);
  return values;
}

TEST_F(KafkaLog, ATopicThatIsNotThereIsNotMadeButToldHow) {
  auto other = options();
  other.topic = "no-such-topic";
  Error error = refusal(other);
  EXPECT_EQ(error.code, Code::not_found);
  EXPECT_THAT(error.message, HasSubstr("tillrace topics create no-such-topic"));
  EXPECT_EQ(refusal(other).code, Code::not_found);
}

TEST_F(KafkaLog, RefusesATopicWithAnotherNumberOfPartitions) {
  auto other = options();
  other.partitions = 3;
  Error error = refusal(other);
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_THAT(error.message, HasSubstr("has 1 partitions, not 3"));
}

TEST_F(KafkaLog, SaysThatNoBrokerAnswers) {
  auto nowhere = options();
  nowhere.connection.brokers = "127.0.0.1:1";
  nowhere.connection.timeout_ms = 1'000;
  Error error = refusal(nowhere);
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_THAT(error.message, HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(error.message, HasSubstr("refused"));
  nowhere.connection.brokers = "";
  EXPECT_EQ(refusal(nowhere).code, Code::invalid);
}

TEST_F(KafkaLog, ATopicIsMadeOnce) {
  NewKafkaTopic again;
  again.name = topic_;
  EXPECT_EQ(create_kafka_topic(connection_, again).error().code, Code::conflict);
  again.name = "no/topic";
  EXPECT_EQ(create_kafka_topic(connection_, again).error().code, Code::invalid);
  again.name = fresh_topic_name();
  again.replication = 3;
  auto too_many = create_kafka_topic(connection_, again);
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().code, Code::invalid);
  EXPECT_THAT(too_many.error().message, HasSubstr("replication"));
}

TEST(KafkaTopics, AreMadeToKeepAnEventOnTwoBrokersWhereThereAreThree) {
  auto min_insync = [](int replication) {
    NewKafkaTopic topic;
    topic.replication = replication;
    for (const KafkaSetting& setting : topic_settings(topic))
      if (setting.name == "min.insync.replicas") return setting.value;
    return std::string("the brokers'");
  };
  EXPECT_EQ(min_insync(0), "the brokers'");
  EXPECT_EQ(min_insync(1), "the brokers'");
  EXPECT_EQ(min_insync(2), "the brokers'");  // with two, one that is away would stop everything
  EXPECT_EQ(min_insync(3), "2");
  EXPECT_EQ(min_insync(5), "2");
}

TEST_F(KafkaLog, TopicsAreListedWithTheirOffsetsAndSettings) {
  NewKafkaTopic wanted;
  wanted.name = fresh_topic_name();
  wanted.partitions = 2;
  wanted.retention_h = 48;
  auto made = create_kafka_topic(connection_, wanted);
  ASSERT_TRUE(made) << made.error().message;
  kcat_writes(connection_, wanted.name, "-p 1", "one\ntwo\n");
  auto topics = list_kafka_topics(connection_).value();
  auto found = std::find_if(topics.begin(), topics.end(),
                            [&](const auto& each) { return each.info.name == wanted.name; });
  ASSERT_NE(found, topics.end());
  EXPECT_EQ(found->info.id, made->id);
  EXPECT_EQ(found->partitions.at(0).end.value, 0);
  EXPECT_EQ(found->partitions.at(1).end.value, 2);
  auto settings = describe_kafka_topic(connection_, wanted.name).value();
  EXPECT_EQ(settings.retention_ms, 48 * 3'600'000);
  EXPECT_EQ(settings.cleanup_policy, "delete");
  EXPECT_EQ(settings.replication, 1);
  EXPECT_EQ(settings.in_sync, 1);
  EXPECT_EQ(describe_kafka_topic(connection_, "no-such").error().code, Code::not_found);
}

TEST_F(KafkaLog, KcatReadsAnEventWithItsKeyAndHeaders) {
  auto log = open();
  Record event{"536365", R"({"InvoiceNo":"536365"})", derived_event_id("536365", 1), {1'234'567}};
  ASSERT_TRUE(log->append_and_wait({event}));
  EXPECT_EQ(kcat_reads(connection_, topic_, "%k|%s|%h\\n"),
            fmt::format("536365|{}|event_id={},received_at=1234567\n", event.value,
                        to_string(event.event_id)));
}

TEST_F(KafkaLog, OtherClientsPutAKeyIntoTheSamePartition) {
  topic_ = make_topic(connection_, 7);
  auto log = open();
  std::string lines;
  for (int i = 0; i < 50; ++i) lines += fmt::format("{}\tvalue\n", 536'365 + i);
  kcat_writes(connection_, topic_, "-X partitioner=murmur2 -K '\t'", lines);
  std::size_t read = 0;
  for (std::int32_t i = 0; i < 7; ++i) {
    for (const StoredRecord& stored : read_all(*log, {i})) {
      EXPECT_EQ(partition_of(stored.record.key, 7), Partition{i}) << stored.record.key;
      ++read;
    }
  }
  EXPECT_EQ(read, 50u);
}

TEST_F(KafkaLog, AForeignRecordHasTheIdentityOfItsPlaceAndKafkasTime) {
  std::int64_t before = world_.clock.now().value;
  kcat_writes(connection_, topic_, "-p 0", "not an event\n");
  kcat_writes(connection_, topic_, "-p 0 -Z -K :", "key:\n");  // no value
  kcat_writes(connection_, topic_, "-p 0 -H event_id=17", "bad header\n");
  kcat_writes(connection_, topic_, "-p 0 -D ~~", std::string("\0\xff\n", 3));
  auto log = open();
  auto all = read_all(*log, kFirst);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(values_of(all), (std::vector<std::string>{"not an event", "", "bad header",
                                                      std::string("\0\xff\n", 3)}));
  EXPECT_EQ(all[0].record.key, "");
  EXPECT_EQ(all[1].record.key, "key");
  for (const StoredRecord& stored : all) {
    EXPECT_TRUE(stored.is_foreign);
    EXPECT_EQ(stored.record.event_id, placed_event_id(log->id(), 0, stored.offset.value));
    EXPECT_GE(stored.record.received_at.value, before - 1'000);
    EXPECT_LE(stored.record.received_at.value, world_.clock.now().value);
  }
  auto again = read_all(*open(), kFirst);
  EXPECT_EQ(again[3].record.event_id, all[3].record.event_id);
  EXPECT_EQ(again[3].record.received_at, all[3].record.received_at);
}

TEST_F(KafkaLog, AValidEventIdInTheHeaderIsTakenFromAnybody) {
  EventId id = derived_event_id("1", 1);
  kcat_writes(connection_, topic_,
              fmt::format("-p 0 -H event_id={} -H received_at=yesterday", to_string(id)), "x\n");
  auto all = read_all(*open(), kFirst);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].record.event_id, id);
  EXPECT_FALSE(all[0].is_foreign);
  EXPECT_GT(all[0].record.received_at.value, 0);
}

TEST_F(KafkaLog, ATimeThatIsNoneIsNotTaken) {
  std::int64_t before = world_.clock.now().value;
  for (const char* odd : {"9223372036854775807", "-9223372036854775808", "-8000000000000000000",
                          "-1", "253402300800000000", "99999999999999999999", "1.5", ""})
    kcat_writes(connection_, topic_, fmt::format("-p 0 -H received_at={}", odd), "x\n");
  for (std::int64_t ms : {std::int64_t{-1}, std::int64_t{-5'000}})
    write_at(connection_, topic_, 0, ms);
  for (const char* right : {"0", "253402300799999999"})
    kcat_writes(connection_, topic_, fmt::format("-p 0 -H received_at={}", right), "x\n");
  auto all = read_all(*open(), kFirst);
  ASSERT_EQ(all.size(), 12u);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_GE(all[i].record.received_at.value, before - 1'000) << i;
    EXPECT_LE(all[i].record.received_at.value, world_.clock.now().value) << i;
  }
  EXPECT_EQ(all[10].record.received_at.value, 0);
  EXPECT_EQ(to_string(all[11].record.received_at), "9999-12-31T23:59:59.999999Z");
}

TEST_F(KafkaLog, TransactionsMarkersAndAbortedRecordsAreHoles) {
  TransactionalWriter writer(connection_);
  auto log = open();
  writer.begin();
  for (const char* value : {"a", "b"}) writer.write(topic_, 0, value);
  writer.commit();  // its marker is offset 2
  writer.begin();
  for (const char* value : {"lost", "lost too"}) writer.write(topic_, 0, value);
  writer.abort();  // 5
  writer.begin();
  writer.write(topic_, 0, "c");
  writer.commit();  // 7
  ASSERT_TRUE(eventually([&] { return log->end(kFirst).value().value == 8; }));
  auto fetched = log->read(kFirst, {0}, {});
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(values_of(read_all(*log, kFirst)), (std::vector<std::string>{"a", "b", "c"}));
  for (std::int64_t hole : {2, 3, 5}) {
    auto behind = log->read(kFirst, {hole}, {});
    ASSERT_TRUE(behind && behind->records.size() == 1);
    EXPECT_EQ(behind->records[0].offset.value, 6);
    EXPECT_GE(behind->next.value, 7);  // that the end is only a marker, the next read finds out
  }
  auto at_end = log->read(kFirst, {7}, {});
  ASSERT_TRUE(at_end) << at_end.error().message;
  EXPECT_TRUE(at_end->records.empty());
  EXPECT_EQ(at_end->next.value, 8);
}

TEST_F(KafkaLog, WhatAnOpenTransactionCoversIsNotReadable) {
  TransactionalWriter writer(connection_);
  auto log = open();
  writer.begin();
  writer.write(topic_, 0, "maybe");
  ASSERT_TRUE(log->append_and_wait({record("k", "for sure")}));
  EXPECT_EQ(log->end(kFirst)->value, 0);
  EXPECT_TRUE(log->read(kFirst, {0}, {})->records.empty());
  EXPECT_EQ(log->wait_for(kFirst, {0}, 50ms, {}).value(), false);
  writer.abort();
  EXPECT_EQ(log->wait_for(kFirst, {0}, 10s, {}).value(), true);
  EXPECT_EQ(values_of(read_all(*log, kFirst)), std::vector<std::string>{"for sure"});
}

TEST_F(KafkaLog, AMarkThatRetentionHasPassedStopsItsReader) {
  auto log = open();
  ASSERT_TRUE(log->append_and_wait({record("k", "1"), record("k", "2"), record("k", "3")}));
  ASSERT_TRUE(log->read(kFirst, {0}, {.max_records = 1}));
  Operator(connection_).delete_records(topic_, 0, 2);
  EXPECT_EQ(log->first(kFirst)->value, 2);
  auto gone = open()->read(kFirst, {0}, {});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Code::corrupt);
  EXPECT_THAT(gone.error().message, HasSubstr("starts at offset 2, after the wanted 0"));
  EXPECT_EQ(log->read(kFirst, {2}, {})->records.size(), 1u);
}

TEST_F(KafkaLog, ATopicMadeAnewUnderTheSameNameStopsReadersAndWriters) {
  auto log = open();
  std::string id = log->id();
  ASSERT_TRUE(log->append_and_wait({record("k", "1")}));
  Operator(connection_).delete_topic(topic_);
  NewKafkaTopic again;
  again.name = topic_;
  ASSERT_TRUE(eventually([&] { return create_kafka_topic(connection_, again).has_value(); }));
  kcat_writes(connection_, topic_, "-p 0", "a\nb\nc\n");
  ASSERT_TRUE(eventually([&] { return !log->last_write(); }));
  auto read = log->read(kFirst, {1}, {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::corrupt);
  EXPECT_THAT(read.error().message, HasSubstr(id));
  EXPECT_EQ(log->append_and_wait({record("k", "2")}).error().code, Code::corrupt);
  EXPECT_EQ(log->end(kFirst).error().code, Code::corrupt);
  EXPECT_NE(open()->id(), id);
}

TEST_F(KafkaLog, MorePartitionsStopItToo) {
  auto log = open();
  Operator(connection_).add_partitions(topic_, 2);
  ASSERT_TRUE(eventually([&] { return !log->last_write(); }));
  EXPECT_THAT(log->append_and_wait({record("k", "1")}).error().message, HasSubstr("start anew"));
  EXPECT_EQ(open()->partitions(), 2);
}

TEST_F(KafkaLog, ARecordBeyondOurLimitIsRefusedAndNothingOfItsBatchStored) {
  auto small = options();
  small.max_record_bytes = 1'000;
  auto log = open_kafka(small, world_);
  EXPECT_TRUE(log->append_and_wait({record("k", std::string(800, 'x'))}));
  auto refused = log->append_and_wait({record("k", "y"), record("k", std::string(1'000, 'x'))});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_EQ(log->end(kFirst)->value, 1);
}

class KafkaLogWithLimit : public KafkaLog {
 protected:
  void SetUp() override {
    KafkaLog::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    topic_ = make_topic(connection_, 2);
    Operator(connection_).limit_records(topic_, "5000");
  }
  // A record of the partition.
  Record in(std::int32_t partition, const std::string& value) {
    for (int key = 0;; ++key)
      if (partition_of(std::to_string(key), 2).value == partition)
        return record(std::to_string(key), value);
  }
  KafkaLogOptions plain() const {
    auto plain = options();
    plain.compression = "none";
    return plain;
  }
};

TEST_F(KafkaLogWithLimit, ARecordBeyondTheTopicsLimitIsRefusedAndNothingOfItsBatchStored) {
  for (const char* compression : {"none", "lz4"}) {
    auto wanted = options();
    wanted.compression = compression;
    auto log = open_kafka(wanted, world_);
    auto refused = log->append_and_wait({in(0, "fits"), in(0, "fits"), in(1, "fits"),
                                         in(1, std::string(20'000, 'x')), in(0, "fits")});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::invalid);
    EXPECT_THAT(refused.error().message, HasSubstr("max.message.bytes"));
    EXPECT_THAT(refused.error().message, HasSubstr("5000"));
    EXPECT_TRUE(log->last_write());
    for (Partition partition : {Partition{0}, Partition{1}})
      EXPECT_EQ(log->end(partition)->value, 0);
  }
  EXPECT_TRUE(open()->append_and_wait({in(0, "fits")}));
}

TEST_F(KafkaLogWithLimit, TheLargestRecordThatIsTakenIsStoredBesideOthers) {
  auto log = open_kafka(plain(), world_);
  std::size_t bytes = 5'000;
  while (!log->append_and_wait({in(0, std::string(bytes, 'x')), in(0, "beside")})) --bytes;
  EXPECT_GT(bytes, 4'700u);
  EXPECT_EQ(log->end({0})->value, 2);
}

TEST_F(KafkaLogWithLimit, ManySmallRecordsGoInRequestsThatTheTopicTakes) {
  auto log = open_kafka(plain(), world_);
  std::vector<Record> batch;
  for (int i = 0; i < 300; ++i) batch.push_back(in(i % 2, std::string(200, 'x')));
  auto places = log->append_and_wait(batch);
  ASSERT_TRUE(places) << places.error().message;
  EXPECT_EQ(log->end({0})->value + log->end({1})->value, 300);
}

// Such as when the limit was lowered after the log was opened.
TEST_F(KafkaLogWithLimit, WhatIsStoredInPartIsNeverRefusedAsInvalid) {
  auto log = open_kafka(plain(), world_);
  Operator(connection_).limit_records(topic_, "1000");
  auto failed = log->append_and_wait({in(0, "fits"), in(1, std::string(2'000, 'x'))});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("MSG_SIZE_TOO_LARGE"));
  EXPECT_EQ(log->end({0})->value, 1);
  EXPECT_EQ(log->end({1})->value, 0);
  auto refused = log->append_and_wait({in(1, std::string(2'000, 'x'))});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
}

TEST_F(KafkaLog, TakesNoMoreBytesThanItMayHoldAndGoesOnWhenTheyAreAnswered) {
  auto slow = options();
  slow.linger_ms = 300;
  slow.max_batch_bytes = slow.max_waiting_bytes = 10'000;
  auto log = open_kafka(slow, world_);
  std::promise<bool> first;
  log->append({record("k", std::string(6'000, 'x'))},
              [&](auto places) { first.set_value(places.has_value()); });
  auto second = log->append_and_wait({record("k", std::string(6'000, 'y'))});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::exhausted);
  EXPECT_TRUE(first.get_future().get());
  EXPECT_TRUE(log->append_and_wait({record("k", std::string(6'000, 'y'))}));
  EXPECT_EQ(world_.metric("tillrace_log_waiting_bytes"), 0);
  EXPECT_EQ(world_.metric("tillrace_log_failed_total{code=\"exhausted\"}"), 1);
}

TEST_F(KafkaLog, WithoutAFolderItTakesNoReceipts) {
  auto log = open();
  EXPECT_EQ(log->append_and_wait({record("k", "1")}, Receipt{"key", ""}).error().code,
            Code::invalid);
  EXPECT_FALSE(log->find_receipt("key").value());
}

TEST_F(KafkaLog, ReadersAtDifferentPlacesDoNotDisturbEachOther) {
  constexpr int kRecords = 3'000, kReaders = 12;
  auto log = open();
  std::vector<Record> batch;
  for (int i = 0; i < kRecords; ++i) batch.push_back(record("k", std::to_string(i)));
  ASSERT_TRUE(log->append_and_wait(batch));
  std::atomic<int> right = 0;
  auto reader = [&](int number) {
    Offset next{number * kRecords / kReaders};
    while (next.value < kRecords) {
      auto fetched = log->read(kFirst, next, {.max_records = 500});
      ASSERT_TRUE(fetched) << fetched.error().message;
      for (const StoredRecord& stored : fetched->records) {
        ASSERT_EQ(stored.offset, next);
        ASSERT_EQ(stored.record.value, std::to_string(next.value++));
      }
    }
    ++right;
  };
  std::vector<std::jthread> readers;
  for (int i = 0; i < kReaders; ++i) readers.emplace_back(reader, i);
  readers.clear();
  EXPECT_EQ(right, kReaders);
}

TEST_F(KafkaLog, AWaiterDoesNotHoldUpAReaderOfItsPartition) {
  auto log = open();
  ASSERT_TRUE(log->append_and_wait({record("k", "1")}));
  std::stop_source stop;
  auto waiter = std::async(std::launch::async,
                           [&] { return log->wait_for(kFirst, {1}, 1h, stop.get_token()); });
  pause_ms(50);
  EXPECT_EQ(log->read(kFirst, {0}, {})->records.size(), 1u);
  EXPECT_TRUE(log->read(kFirst, {1}, {})->records.empty());
  stop.request_stop();
  EXPECT_EQ(waiter.get().value(), false);
}

TEST_F(KafkaLog, DropsNothingAndEstimatesWhatItHas) {
  auto log = open();
  ASSERT_TRUE(log->append_and_wait({record("k", std::string(900, 'x')), record("k", "y")}));
  EXPECT_TRUE(log->retain(kFirst, {2}, {.max_bytes = 1, .safety_h = 0}));
  EXPECT_EQ(log->first(kFirst)->value, 0);
  EXPECT_EQ(log->retain(kFirst, {3}, {}).error().code, Code::corrupt);
  EXPECT_EQ(log->retain({1}, {0}, {}).error().code, Code::not_found);
  EXPECT_GT(log->bytes_on_disk().value(), 900u);
  EXPECT_EQ(log->bytes_after(kFirst, {2}).value(), 0u);
  EXPECT_EQ(log->bytes_after(kFirst, {1}).value() * 2, log->bytes_on_disk().value());
  EXPECT_EQ(log->bytes_after(kFirst, {3}).error().code, Code::corrupt);
}

}  // namespace
}  // namespace tillrace::log
