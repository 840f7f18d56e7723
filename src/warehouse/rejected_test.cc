#include "warehouse/rejected.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "warehouse/batch_for_tests.h"

namespace tillrace::warehouse {
namespace {

class RejectedTest : public BatchTest {
 protected:
  // One record of each kind in partition 0, the second of which has a key; one more in partition 1.
  RejectedTest() {
    Batch batch = source_.batch({}, {"none", std::string("\0\xff{}", 4), "{}", "{\"a\":1}"});
    batch.rejected[1].key = "\xff\0";
    batch.rejected[1].kind = RejectedKind::too_large;
    batch.rejected[2].kind = RejectedKind::field;
    batch.rejected[2].field = "Quantity";
    batch.rejected[3].kind = RejectedKind::refused;
    EXPECT_EQ(apply(batch), "0 0 0 4");
    EXPECT_EQ(apply(TestSource(1).batch({}, {"other"})), "0 0 0 1");
  }
  // "partition:offset ..." of those that are visited.
  std::string visited(const RejectedFilter& filter) {
    std::string places;
    Status done = for_each_rejected(connection_, filter, [&](const RejectedRow& row) {
      places +=
          fmt::format("{}{}:{}", places.empty() ? "" : " ", row.partition.value, row.offset.value);
      return Status();
    });
    EXPECT_TRUE(done) << done.error().message;
    return places;
  }
  RejectedRow row_at(std::int64_t offset) {
    RejectedRow found;
    RejectedFilter filter{.partition = Partition{0}, .offset = Offset{offset}};
    EXPECT_TRUE(for_each_rejected(connection_, filter, [&](RejectedRow row) {
      found = std::move(row);
      return Status();
    }));
    return found;
  }
};

TEST_F(RejectedTest, EveryByteComesBack) {
  RejectedRow row = row_at(1);
  EXPECT_EQ(row.value, std::string("\0\xff{}", 4));
  EXPECT_EQ(row.key, std::string("\xff"));
  EXPECT_EQ(row.kind, "too_large");
  EXPECT_EQ(row.field, std::nullopt);
  EXPECT_EQ(row.reason, "no JSON");
  EXPECT_EQ(row.event_id, file_event_id("rejected", 1));
  EXPECT_EQ(row.resent_at, std::nullopt);
  EXPECT_EQ(row_at(0).key, std::nullopt);
  EXPECT_EQ(row_at(2).field, "Quantity");
}

TEST_F(RejectedTest, EachConditionLeavesOthersOut) {
  EXPECT_EQ(visited({}), "0:0 0:1 0:2 0:3 1:0");
  EXPECT_EQ(visited({.topic = "events"}), "0:0 0:1 0:2 0:3 1:0");
  EXPECT_EQ(visited({.topic = "others"}), "");
  EXPECT_EQ(visited({.partition = Partition{1}}), "1:0");
  EXPECT_EQ(visited({.offset = Offset{0}}), "0:0 1:0");
  EXPECT_EQ(visited({.kind = "refused"}), "0:3");
  EXPECT_EQ(visited({.field = "Quantity"}), "0:2");
  EXPECT_EQ(visited({.since = "2999-01-01"}), "");
  EXPECT_EQ(visited({.count = 1}), "1:0") << "the newest";
  EXPECT_EQ(visited({.partition = Partition{0}, .count = 2}), "0:2 0:3");
}

TEST_F(RejectedTest, ATimeThatIsNoneIsInvalidAndTheSessionGoesOn) {
  auto nothing = [](const RejectedRow&) { return Status(); };
  Status failed = for_each_rejected(connection_, {.since = "tomorrowish"}, nothing);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::invalid);
  EXPECT_EQ(visited({.kind = "refused"}), "0:3");
}

TEST_F(RejectedTest, MoreThanAreFetchedAtOnceAreVisitedInOrderAndAFailureEndsIt) {
  std::vector<std::string> many(100, "bad");
  ASSERT_EQ(apply(TestSource(2).batch({}, many)), "0 0 0 100");
  std::vector<std::int64_t> offsets;
  RejectedFilter filter{.partition = Partition{2}};
  Status ended = for_each_rejected(connection_, filter, [&](const RejectedRow& row) {
    offsets.push_back(row.offset.value);
    return offsets.size() < 75 ? Status() : Status(fail(Code::shutting_down, "enough"));
  });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Code::shutting_down);
  ASSERT_EQ(offsets.size(), 75U);
  for (std::size_t i = 0; i < offsets.size(); ++i)
    EXPECT_EQ(offsets[i], static_cast<std::int64_t>(i));
  EXPECT_EQ(visited({.kind = "refused"}), "0:3") << "and the session goes on";
}

TEST_F(RejectedTest, WhatWasSentAgainIsMarkedAndCounted) {
  EventId id = file_event_id("resent", 1);
  ASSERT_TRUE(mark_resent(connection_, row_at(2), id, false));
  ASSERT_TRUE(mark_resent(connection_, row_at(2), id, true));
  EXPECT_EQ(row_at(2).resent_as, to_string(id));
  EXPECT_EQ(ask("select resent_edited, resent_times from stream.rejected where resent_at is not "
                "null"),
            "t|2");
  EXPECT_EQ(visited({.partition = Partition{0}, .not_resent = true}), "0:0 0:1 0:3");
  auto counts = count_rejected(connection_, {.partition = Partition{0}});
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->row_count(), 4);
}

TEST_F(RejectedTest, WhatIsNotThereCannotBeMarked) {
  RejectedRow gone = row_at(2);
  gone.offset = {99};
  EXPECT_EQ(mark_resent(connection_, gone, gone.event_id, false).error().code, Code::not_found);
}

}  // namespace
}  // namespace tillrace::warehouse
