#include "gateway/upload_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tillrace::gateway {
namespace {

std::string problem(std::string_view query) {
  auto parsed = parse_upload_query(query);
  return parsed ? "" : parsed.error().message;
}

TEST(UploadQuery, NothingIsAWholeBatch) {
  EXPECT_FALSE(parse_upload_query("").value().is_partial);
  EXPECT_FALSE(parse_upload_query("partial=false").value().is_partial);
}

TEST(UploadQuery, APartialBodyMayBeTakenUpAtAnIndex) {
  EXPECT_TRUE(parse_upload_query("partial=true").value().is_partial);
  EXPECT_EQ(parse_upload_query("first_index=5000&partial=true").value().first_index, 5000u);
}

TEST(UploadQuery, ValuesThatAreNeitherTrueNorFalseAreRefused) {
  for (const char* query : {"partial", "partial=", "partial=1", "partial=TRUE", "partial=yes"})
    EXPECT_THAT(problem(query), testing::HasSubstr("true or false")) << query;
}

TEST(UploadQuery, IndexesThatAreNoWholeNumbersInRangeAreRefused) {
  for (const char* index : {"", "-1", "1.5", "x", "1x", "1000000000000001", "99999999999999999999"})
    EXPECT_THAT(problem(std::string("partial=true&first_index=") + index),
                testing::HasSubstr("a whole number from 0"))
        << index;
}

TEST(UploadQuery, AnIndexWithoutPartialIsRefused) {
  EXPECT_THAT(problem("first_index=5"), testing::HasSubstr("goes with partial=true"));
  EXPECT_THAT(problem("partial=false&first_index=0"), testing::HasSubstr("goes with partial=true"));
}

TEST(UploadQuery, UnknownParametersAreToldTheNearest) {
  EXPECT_THAT(problem("partail=true"), testing::HasSubstr("did you mean 'partial'?"));
  EXPECT_THAT(problem("verbose=1"), testing::HasSubstr("no parameter 'verbose'"));
  EXPECT_THAT(problem("partial=%zz"), testing::HasSubstr("hex digits"));
}

}  // namespace
}  // namespace tillrace::gateway
