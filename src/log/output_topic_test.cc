#include "log/output_topic.h"

#include <gtest/gtest.h>

#include "log/kafka_for_tests.h"

namespace tillrace::log {
namespace {

class OutputTopicTest : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_KAFKA();
    connection_ = SharedBroker::get().connection();
    source_ = make_topic(connection_);
    options_.connection = connection_;
    options_.topic = make_topic(connection_);
    options_.source_topic = source_;
    options_.source_id = "the-source";
    options_.group = source_ + "-output";
    options_.timeout_ms = 20'000;
  }
  std::unique_ptr<OutputTopic> open() { return open_output_topic(options_, kSource); }
  // What a reader of committed records gets.
  std::vector<std::string> read() {
    World world;
    auto topic = open_kafka(kafka_options(connection_, options_.topic), world);
    std::vector<std::string> values;
    auto end = topic->end(Partition{0});
    EXPECT_TRUE(end) << end.error().message;
    for (Offset at{0}; end && at < *end;) {
      auto fetched = topic->read(Partition{0}, at, {});
      if (!fetched) {
        ADD_FAILURE() << fetched.error().message;
        break;
      }
      for (StoredRecord& each : fetched->records) values.push_back(std::move(each.record.value));
      at = fetched->next;
    }
    return values;
  }
  static std::vector<OutputRecord> records(const std::vector<std::string>& values) {
    std::vector<OutputRecord> made;
    for (const std::string& value : values) made.push_back({"536365", value});
    return made;
  }

  static constexpr Partition kSource{0};
  KafkaConnection connection_;
  std::string source_;
  OutputOptions options_;
};

using Values = std::vector<std::string>;
using Mark = std::optional<Offset>;

TEST_F(OutputTopicTest, RecordsAndMarkComeTogether) {
  auto output = open();
  auto first = output->mark();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(*first, std::nullopt);
  ASSERT_TRUE(output->write(records({"a", "b"}), {2}));
  ASSERT_TRUE(output->write(records({"c"}), {5}));
  EXPECT_EQ(read(), (Values{"a", "b", "c"}));
  EXPECT_EQ(open()->mark().value(), Mark(Offset{5}));
}

TEST_F(OutputTopicTest, AMarkMayMoveWithoutARecord) {
  auto output = open();
  ASSERT_TRUE(output->mark());
  ASSERT_TRUE(output->write({}, {7}));
  EXPECT_EQ(read(), Values{});
  EXPECT_EQ(open()->mark().value(), Mark(Offset{7}));
}

TEST_F(OutputTopicTest, WhoeverAskedLastIsTheWriterAndTheOthersGetConflict) {
  auto first = open(), second = open();
  ASSERT_TRUE(first->mark());
  ASSERT_TRUE(first->write(records({"a"}), {1}));
  ASSERT_EQ(second->mark().value(), Mark(Offset{1}));
  Status late = first->write(records({"b, by the first"}), {2});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::conflict) << late.error().message;
  EXPECT_FALSE(first->is_open());
  ASSERT_TRUE(second->write(records({"b, by the second"}), {2}));
  EXPECT_EQ(first->mark().value(), Mark(Offset{2})) << "it has the last word again";
  ASSERT_TRUE(first->write(records({"c"}), {3}));
  EXPECT_EQ(second->write(records({"c, by the second"}), {3}).error().code, Code::conflict);
  EXPECT_EQ(read(), (Values{"a", "b, by the second", "c"}));
}

TEST_F(OutputTopicTest, ARecordThatIsTooLargeIsInvalidAndNothingOfItsTransactionIsWritten) {
  auto output = open();
  ASSERT_TRUE(output->mark());
  Status written = output->write(records({"small", std::string(3 << 20, 'x')}), {2});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::invalid) << written.error().message;
  EXPECT_EQ(output->mark().value(), std::nullopt);
  ASSERT_TRUE(output->write(records({"small"}), {2}));
  EXPECT_EQ(read(), Values{"small"});
}

TEST_F(OutputTopicTest, AMarkOfAnotherTopicOfThatNameIsCorrupt) {
  auto output = open();
  ASSERT_TRUE(output->mark());
  ASSERT_TRUE(output->write({}, {7}));
  options_.source_id = "another-source";
  auto mark = open()->mark();
  ASSERT_FALSE(mark);
  EXPECT_EQ(mark.error().code, Code::corrupt) << mark.error().message;
}

TEST_F(OutputTopicTest, ManyRecordsGoInOneTransaction) {
  auto output = open();
  ASSERT_TRUE(output->mark());
  std::vector<std::string> values;
  for (int i = 0; i < 150'000; ++i) values.push_back("record " + std::to_string(i));
  ASSERT_TRUE(output->write(records(values), {150'000}));
  EXPECT_EQ(read().size(), values.size());
}

TEST_F(OutputTopicTest, WritingBeforeTheMarkIsAskedIsRefused) {
  EXPECT_EQ(open()->write(records({"a"}), {1}).error().code, Code::unavailable);
}

TEST_F(OutputTopicTest, WithoutABrokerItIsUnavailable) {
  options_.connection.brokers = "127.0.0.1:1";
  options_.timeout_ms = 1'000;
  auto mark = open()->mark();
  ASSERT_FALSE(mark);
  EXPECT_EQ(mark.error().code, Code::unavailable) << mark.error().message;
}

}  // namespace
}  // namespace tillrace::log
