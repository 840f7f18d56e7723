#include "gateway/upload_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/problem.h"

namespace tillrace::gateway {
namespace {

BadRecord bad(std::size_t index) {
  return {index, {false, {{"Quantity", "an integer, not 0", "0"}}}};
}

log::AppendedRange range(std::int32_t partition, std::int64_t first, std::int64_t count) {
  return {{partition}, {first}, {first + count - 1}, count};
}

TEST(UploadAnswer, NeighboursThatWereStoredAreOneLine) {
  UploadAnswer answer(0);
  answer.add(0, 3, {}, {{0}, {1}, {0}}, {range(0, 10, 2), range(1, 5, 1)}, false);
  EXPECT_EQ(answer.take(), R"({"first_index":0,"last_index":2,"status":201,"partitions":[)"
                           R"({"partition":0,"first_offset":10,"last_offset":11,"records":2},)"
                           R"({"partition":1,"first_offset":5,"last_offset":5,"records":1}]})"
                           "\n");
}

TEST(UploadAnswer, ARefusedRecordStandsBetweenItsNeighbours) {
  UploadAnswer answer(100);
  answer.add(100, 3, {bad(1)}, {{0}, {0}}, {range(0, 7, 2)}, false);
  constexpr const char* kRun =
      R"({{"first_index":{0},"last_index":{0},"status":201,"partitions":[{{"partition":0,)"
      R"("first_offset":{1},"last_offset":{1},"records":1}}]}})"
      "\n";
  EXPECT_EQ(answer.take(), fmt::format(fmt::runtime(kRun), 100, 7) +
                               R"({"index":101,"status":422,"errors":[{"field":"Quantity",)"
                               R"("rule":"an integer, not 0","got":"0"}]})"
                               "\n" +
                               fmt::format(fmt::runtime(kRun), 102, 8));
}

TEST(UploadAnswer, AChunkOfRefusedRecordsNeedsNoPlaces) {
  UploadAnswer answer(0);
  answer.add(0, 2, {bad(0), bad(1)}, {}, {}, false);
  EXPECT_THAT(answer.take(), testing::AllOf(testing::HasSubstr(R"({"index":0,)"),
                                            testing::HasSubstr(R"({"index":1,)")));
}

TEST(UploadAnswer, AReplayIsMarked) {
  UploadAnswer answer(0);
  answer.add(0, 1, {}, {{0}}, {range(0, 0, 1)}, true);
  EXPECT_THAT(answer.take(), testing::HasSubstr(R"("status":201,"replay":true,)"));
}

TEST(UploadAnswer, BehindAThousandRefusedRecordsNeighboursAreToldTogether) {
  UploadAnswer answer(0);
  std::vector<BadRecord> refused;
  for (std::size_t i = 0; i < 1'500; ++i) refused.push_back(bad(i));
  answer.add(0, 1'501, refused, {{0}}, {range(0, 0, 1)}, false);
  std::string lines = answer.take();
  EXPECT_THAT(lines, testing::HasSubstr(R"({"index":999,"status":422,"errors")"));
  EXPECT_THAT(lines, testing::HasSubstr(R"({"first_index":1000,"last_index":1499,"status":422})"));
  answer.end(true);
  EXPECT_EQ(answer.take(), R"({"records":1501,"accepted":1,"refused":1500,"complete":true})"
                           "\n");
}

TEST(UploadAnswer, AStopSaysWhereToGoOnAndWhen) {
  UploadAnswer answer(50);
  answer.add(50, 2, {bad(0)}, {{0}}, {range(0, 0, 1)}, false);
  answer.take();
  answer.stop(with_retry_after(http::problem(503, "unavailable", "T", "D"), 7));
  answer.end(false);
  EXPECT_EQ(answer.take(),
            R"({"next_index":52,"retry_after_s":7,"type":"/problems/unavailable","title":"T",)"
            R"("status":503,"detail":"D"})"
            "\n"
            R"({"records":2,"accepted":1,"refused":1,"complete":false})"
            "\n");
}

TEST(UploadAnswer, HasNotBegunBeforeItsFirstLinesAreTaken) {
  UploadAnswer answer(0);
  EXPECT_FALSE(answer.has_begun());
  EXPECT_EQ(answer.take(), "");
  EXPECT_TRUE(answer.has_begun());
}

}  // namespace
}  // namespace tillrace::gateway
