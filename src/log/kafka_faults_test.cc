// A broker that dies, is away, or stands still. Each test has one of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>

#include "log/kafka_for_tests.h"

namespace tillrace::log {
namespace {

using namespace std::chrono_literals;

class KafkaFaults : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_KAFKA();
    broker_ = std::make_unique<Broker>(folder_.path() / "broker");
    ASSERT_TRUE(broker_->start());
    connection_ = plain_connection(folder_.path() / "broker");
  }
  void restart(int signal) {
    broker_->end(signal);
    ASSERT_TRUE(broker_->start());
  }

  ScratchFolder folder_;
  std::unique_ptr<Broker> broker_;
  KafkaConnection connection_;
  World world_;
};

// Appends until told to stop, each batch until it is acknowledged.
void append_all(Log& log, int thread, const std::atomic<bool>& over, std::atomic<int>& batches) {
  for (int number = 0; !over; ++number) {
    std::vector<Record> batch;
    for (int i = 0; i < 10; ++i)
      batch.push_back(
          record(std::to_string(thread * 10 + i), fmt::format("{}/{}/{}", thread, number, i)));
    auto places = log.append_and_wait(batch);
    ASSERT_TRUE(places) << places.error().message;
    ++batches;
  }
}

TEST_F(KafkaFaults, ABrokerThatDiesAndComesBackLosesAndDoublesNothing) {
  auto options = kafka_options(connection_, make_topic(connection_, 3));
  options.delivery_timeout_ms = 60'000;
  auto log = open_kafka(options, world_);
  std::atomic<bool> over = false;
  std::atomic<int> batches = 0;
  std::vector<std::jthread> appenders;
  for (int thread = 0; thread < 4; ++thread)
    appenders.emplace_back([&, thread] { append_all(*log, thread, over, batches); });
  for (int signal : {SIGKILL, SIGTERM}) {
    int before = batches;
    while (batches < before + 100) pause_ms(10);
    restart(signal);
  }
  int before = batches;
  while (batches < before + 100) pause_ms(10);
  over = true;
  appenders.clear();
  std::set<std::string> values;
  std::size_t records = 0;
  for (std::int32_t i = 0; i < 3; ++i)
    for (const StoredRecord& stored : read_all(*log, {i})) {
      values.insert(stored.record.value);
      ++records;
    }
  EXPECT_EQ(values.size(), static_cast<std::size_t>(batches) * 10);
  EXPECT_EQ(records, values.size());
}

TEST_F(KafkaFaults, WhileTheBrokerIsAwayAppendsFailInTimeAndThenGoOnByThemselves) {
  auto options = kafka_options(connection_, make_topic(connection_));
  options.delivery_timeout_ms = 3'000;
  options.connection.timeout_ms = 1'000;
  options.receipts_folder = folder_.path() / "receipts";
  auto log = open_kafka(options, world_);
  ASSERT_TRUE(log->append_and_wait({record("k", "1")}));
  ASSERT_EQ(log->read({0}, {0}, {})->records.size(), 1u);
  broker_->end(SIGKILL);
  auto failed = log->append_and_wait({record("k", "2")}, Receipt{"key", "note"});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_EQ(log->last_write().error().code, Code::unavailable);
  EXPECT_EQ(log->end({0}).error().code, Code::unavailable);
  EXPECT_FALSE(log->find_receipt("key").value());
  auto waiter = std::async(std::launch::async, [&] { return log->wait_for({0}, {1}, 60s, {}); });
  ASSERT_TRUE(broker_->start());
  Result<std::vector<Appended>> stored =
      log->append_and_wait({record("k", "2")}, Receipt{"key", "note"});
  for (int tries = 0; tries < 20 && !stored; ++tries)
    stored = log->append_and_wait({record("k", "2")}, Receipt{"key", "note"});
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(waiter.get().value(), true);
  EXPECT_TRUE(log->find_receipt("key").value());
  EXPECT_TRUE(log->last_write());
  auto all = read_all(*log, {0});
  ASSERT_GE(all.size(), 2u);
  EXPECT_EQ(all[1].record.value, "2");
}

// With nobody appending.
TEST_F(KafkaFaults, ABrokerThatIsAwayShowsWithoutAnAppendUntilItIsBack) {
  auto log = open_kafka(kafka_options(connection_, make_topic(connection_)), world_);
  ASSERT_TRUE(log->append_and_wait({record("k", "1")}));
  auto becomes_within_s = [&](int seconds, bool healthy) {
    for (int tries = 0; tries < seconds * 20; ++tries, pause_ms(50))
      if (log->last_write().has_value() == healthy) return true;
    return false;
  };
  for (bool stands_still : {false, true}) {
    if (stands_still)
      broker_->signal(SIGSTOP);
    else
      broker_->end(SIGKILL);
    ASSERT_TRUE(becomes_within_s(8, false));
    EXPECT_EQ(log->last_write().error().code, Code::unavailable);
    for (int tries = 0; tries < 40; ++tries, pause_ms(50))
      ASSERT_FALSE(log->last_write()) << "it flaps";
    if (stands_still)
      broker_->signal(SIGCONT);
    else
      ASSERT_TRUE(broker_->start());
    EXPECT_TRUE(becomes_within_s(8, true));
  }
}

TEST_F(KafkaFaults, AMemberSaysForAsLongAsTheGroupIsAwayThatItIs) {
  auto options = kafka_options(connection_, make_topic(connection_, 4));
  options.session_timeout_ms = 2'000;
  auto log = open_kafka(options, world_);
  auto member = log->join("readers").value();
  ASSERT_TRUE(member->wait_for_change(20s, {}).value());
  ASSERT_EQ(member->mine().size(), 4u);
  EXPECT_FALSE(member->wait_for_change(100ms, {}).value());
  broker_->end(SIGKILL);
  EXPECT_EQ(member->wait_for_change(20s, {}).error().code, Code::unavailable);
  for (int tries = 0; tries < 50; ++tries, pause_ms(100))
    ASSERT_FALSE(member->wait_for_change(0s, {})) << "after " << tries * 100 << " ms";
  EXPECT_TRUE(member->mine().empty()) << "it was silent beyond its session";
  ASSERT_TRUE(broker_->start());
  for (int tries = 0; tries < 300 && member->mine().size() != 4; ++tries, pause_ms(100)) {
  }
  EXPECT_EQ(member->mine().size(), 4u);
  EXPECT_TRUE(member->wait_for_change(0s, {}));
}

TEST_F(KafkaFaults, AMemberWhoseGroupIsBackInTimeKeepsItsPartitions) {
  auto options = kafka_options(connection_, make_topic(connection_, 4));
  options.session_timeout_ms = 60'000;
  auto log = open_kafka(options, world_);
  auto member = log->join("readers").value();
  ASSERT_TRUE(member->wait_for_change(20s, {}).value());
  broker_->end(SIGKILL);
  EXPECT_FALSE(member->wait_for_change(20s, {}));
  EXPECT_EQ(member->mine().size(), 4u);
  ASSERT_TRUE(broker_->start());
  bool is_well = false;
  for (int tries = 0; tries < 200 && !is_well; ++tries, pause_ms(100))
    is_well = member->wait_for_change(0s, {}).has_value();
  EXPECT_TRUE(is_well);
  EXPECT_EQ(member->mine().size(), 4u);
}

TEST_F(KafkaFaults, ABrokerThatStandsStillIsNoEnd) {
  auto options = kafka_options(connection_, make_topic(connection_));
  auto log = open_kafka(options, world_);
  ASSERT_TRUE(log->append_and_wait({record("k", "1")}));
  broker_->signal(SIGSTOP);
  std::promise<bool> stored;
  log->append({record("k", "2")}, [&](auto places) { stored.set_value(places.has_value()); });
  pause_ms(1'500);
  broker_->signal(SIGCONT);
  EXPECT_TRUE(stored.get_future().get());
  EXPECT_EQ(read_all(*log, {0}).size(), 2u);
}

}  // namespace
}  // namespace tillrace::log
