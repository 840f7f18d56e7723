#include "log/kafka_reader.h"

#include <gtest/gtest.h>

#include "log/kafka_for_tests.h"

namespace tillrace::log {
namespace {

using namespace std::chrono_literals;

constexpr Partition kFirst{0};
constexpr std::int64_t kRecords = 100;

class KafkaReader : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_KAFKA();
    options_ = kafka_options(SharedBroker::get().connection(),
                             make_topic(SharedBroker::get().connection()));
    log_ = open_kafka(options_, world_);
    std::vector<Record> batch;
    for (int i = 0; i < kRecords; ++i) batch.push_back(record("k", std::to_string(i)));
    ASSERT_TRUE(log_->append_and_wait(batch));
    admin_ = KafkaAdmin::open(options_.connection).value();
    readers_ = std::make_unique<KafkaReaders>(options_, log_->id(), *admin_);
  }
  // The value of the first record from there.
  std::string read(std::int64_t from) {
    auto lent = readers_->lend(kFirst, {from});
    auto fetched = (*lent)->read({from}, {.max_records = 10});
    EXPECT_TRUE(fetched) << fetched.error().message;
    return fetched ? fetched->records.at(0).record.value : "";
  }

  KafkaLogOptions options_;
  World world_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<KafkaAdmin> admin_;
  std::unique_ptr<KafkaReaders> readers_;
};

TEST_F(KafkaReader, APlaceThatNobodyReadsRestsAndGoesOnWhenItIsReadAgain) {
  EXPECT_EQ(read(0), "0");
  EXPECT_EQ(readers_->rest_idle(1h), 0u);
  EXPECT_EQ(read(10), "10");
  EXPECT_EQ(readers_->rest_idle(0s), 1u);
  EXPECT_EQ(readers_->rest_idle(0s), 0u);
  EXPECT_EQ(read(20), "20");
  EXPECT_EQ(read(30), "30");
  EXPECT_EQ(readers_->rest_idle(0s), 1u) << "it had no second place";
}

TEST_F(KafkaReader, APlaceThatIsLentDoesNotRest) {
  auto lent = readers_->lend(kFirst, {0});
  EXPECT_EQ((*lent)->read({0}, {.max_records = 10})->records.size(), 10u);
  EXPECT_EQ(readers_->rest_idle(0s), 0u);
  EXPECT_EQ((*lent)->read({10}, {.max_records = 10})->records.size(), 10u);
}

}  // namespace
}  // namespace tillrace::log
