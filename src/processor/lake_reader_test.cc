#include "processor/lake_reader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "processor/log_with_holes_for_tests.h"
#include "processor/processor_for_tests.h"

namespace tillrace::processor {
namespace {

using lake::BronzeItem;

Offset offset_of(const BronzeItem& item) {
  return std::visit([](const auto& it) { return it.stored.offset; }, item);
}

class LakeReaderTest : public WithLog {
 protected:
  LakeReaderTest() : WithLog(1) {}

  // Every tenth is no event.
  void append(int count) {
    std::vector<Record> records;
    for (int i = 0; i < count; ++i)
      records.push_back(i % 10 == 9 ? raw_record("{", 1) : event_record(std::to_string(i)));
    WithLog::append(std::move(records));
  }
  LakeReader reader(LakeReaderLimits limits = {.chunk_records = 7}) {
    return {*log_, Partition{0}, TimeZone(), limits};
  }
  static std::vector<std::int64_t> rest(LakeReader& reader) {
    std::vector<std::int64_t> offsets;
    while (true) {
      auto items = reader.next();
      EXPECT_TRUE(items);
      if (!items || items->empty()) return offsets;
      for (const BronzeItem& item : *items) offsets.push_back(offset_of(item).value);
    }
  }
  static std::vector<std::int64_t> numbers(std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> out;
    for (; from < to; ++from) out.push_back(from);
    return out;
  }
};

TEST_F(LakeReaderTest, ReadsToWhereTheLogEndedWhenItBegan) {
  append(50);
  LakeReader reader = this->reader();
  auto first = reader.begin(Offset{3}, std::nullopt);
  ASSERT_TRUE(first && *first);
  append(20);
  EXPECT_EQ(rest(reader), numbers(3, 50));
  EXPECT_EQ(reader.position(), Offset{50});
  EXPECT_EQ(rest(reader), numbers(0, 0)) << "the end stays the end";
}

TEST_F(LakeReaderTest, ReadsTheSameAgainUpToAGivenEnd) {
  append(50);
  LakeReader reader = this->reader({.commit_bytes = 1, .chunk_records = 7});
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(reader.begin(Offset{5}, Offset{40}));
    EXPECT_EQ(rest(reader), numbers(5, 40));
    EXPECT_EQ(reader.position(), Offset{40});
  }
}

TEST_F(LakeReaderTest, WithoutRecordsItTellsNoTimeAndHasNothing) {
  LakeReader reader = this->reader();
  auto first = reader.begin(Offset{0}, std::nullopt);
  ASSERT_TRUE(first);
  EXPECT_FALSE(*first);
  EXPECT_FALSE(reader.oldest_received_at());
  EXPECT_EQ(rest(reader), numbers(0, 0));
}

TEST_F(LakeReaderTest, OffsetsWithoutRecordsArePassedOver) {
  append(4);
  LogWithHoles holed(*log_, 3);
  LakeReader reader(holed, Partition{0}, TimeZone(), {.chunk_records = 7});
  auto first = reader.begin(Offset{4}, std::nullopt);
  ASSERT_TRUE(first);
  EXPECT_FALSE(*first);
  EXPECT_EQ(reader.position(), Offset{7});
}

TEST_F(LakeReaderTest, ALogThatLacksWhatItShouldHaveIsAnErrorAndNoEnd) {
  append(4);
  LakeReader reader = this->reader();
  std::stop_source stop;
  stop.request_stop();  // so that nobody waits for it
  reader.set_stop(stop.get_token());
  ASSERT_TRUE(reader.begin(Offset{0}, Offset{9}));
  ASSERT_TRUE(reader.next());
  auto more = reader.next();
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, Code::unavailable);
  EXPECT_EQ(reader.position(), Offset{4});
}

TEST_F(LakeReaderTest, ManyThreadsGetEachRecordOnceAndDecoded) {
  append(5'000);
  LakeReader reader = this->reader();
  ASSERT_TRUE(reader.begin(Offset{0}, std::nullopt));
  constexpr int kThreads = 4;
  std::vector<std::vector<std::int64_t>> got(kThreads);
  std::atomic<int> rejected = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i)
      threads.emplace_back([&, i] {
        while (true) {
          auto items = reader.next();
          ASSERT_TRUE(items);
          if (items->empty()) return;
          for (const BronzeItem& item : *items) {
            got[i].push_back(offset_of(item).value);
            rejected += std::holds_alternative<lake::BronzeRejected>(item);
          }
        }
      });
  }
  std::vector<std::int64_t> all;
  for (const auto& offsets : got) {
    EXPECT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));
    all.insert(all.end(), offsets.begin(), offsets.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers(0, 5'000));
  EXPECT_EQ(rejected, 500);
  EXPECT_EQ(reader.position(), Offset{5'000});
}

}  // namespace
}  // namespace tillrace::processor
