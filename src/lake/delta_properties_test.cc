#include "lake/delta_properties.h"

#include <gtest/gtest.h>

namespace tillrace::lake {
namespace {

using std::chrono::hours;

TEST(DeltaProperties, IntervalsAreAsSparkWritesThem) {
  EXPECT_EQ(parse_interval("interval 1 week").value(), hours(168));
  EXPECT_EQ(parse_interval("interval 30 days").value(), hours(720));
  EXPECT_EQ(parse_interval("interval  2 days 12 hours").value(), hours(60));
  EXPECT_EQ(parse_interval("interval 0 seconds").value(), hours(0));
}

TEST(DeltaProperties, IntervalsMayHaveAnyCaseAndSpacesAndNoFirstWord) {
  EXPECT_EQ(parse_interval("30 days").value(), hours(720));
  EXPECT_EQ(parse_interval(" Interval\t1 WEEK  1 Day ").value(), hours(192));
  EXPECT_EQ(parse_interval("1.5 seconds").value(), std::chrono::milliseconds(1500));
  EXPECT_EQ(parse_interval("interval 2999 microseconds").value(), std::chrono::milliseconds(2));
}

TEST(DeltaProperties, RefusesWhatIsNoInterval) {
  for (auto text :
       {"", " ", "interval", "1", "interval interval 1 day", "interval 1", "interval week",
        "interval 1 month", "interval -1 days", "interval 1.5 days", "interval 1 days 2",
        "1. seconds", ".5 seconds", "1.x seconds", "1.5 hours", "1 year",
        "interval 99999999999999999 weeks", "interval 9223372036854775807 weeks"}) {
    EXPECT_EQ(parse_interval(text).error().code, Code::invalid) << text;
  }
}

TEST(DeltaProperties, HaveTheProtocolsDefaults) {
  auto properties = parse_properties({{"unheard.of", "x"}});
  EXPECT_EQ(properties->deleted_file_retention, hours(168));
  EXPECT_EQ(properties->log_retention, hours(720));
  EXPECT_EQ(properties->checkpoint_interval, 10);
  EXPECT_TRUE(properties->expired_log_cleanup);
  EXPECT_FALSE(properties->append_only);
}

TEST(DeltaProperties, BooleansHaveAnyCaseAndSpaces) {
  auto properties = parse_properties(
      {{"delta.appendOnly", " TRUE"}, {"delta.enableExpiredLogCleanup", "False "}});
  ASSERT_TRUE(properties);
  EXPECT_TRUE(properties->append_only);
  EXPECT_FALSE(properties->expired_log_cleanup);
  EXPECT_FALSE(properties->not_understood);
}

TEST(DeltaProperties, RefusesAnAppendOnlyThatMeansNothing) {
  EXPECT_EQ(parse_properties({{"delta.appendOnly", "yes"}}).error().code, Code::invalid);
}

TEST(DeltaProperties, ByValuesThatMeanNothingNothingIsLost) {
  for (const auto& [name, value] : Properties{{"delta.checkpointInterval", "0"},
                                              {"delta.enableExpiredLogCleanup", "on"},
                                              {"delta.logRetentionDuration", "30"},
                                              {"delta.deletedFileRetentionDuration", ""}}) {
    auto properties = parse_properties({{name, value}});
    ASSERT_TRUE(properties) << name;
    ASSERT_TRUE(properties->not_understood) << name;
    EXPECT_NE(properties->not_understood->message.find(name), std::string::npos);
    EXPECT_EQ(properties->checkpoint_interval, 10);
  }
  auto properties = parse_properties({{"delta.enableExpiredLogCleanup", "on"},
                                      {"delta.logRetentionDuration", "1 month"},
                                      {"delta.deletedFileRetentionDuration", "soon"}});
  EXPECT_FALSE(properties->expired_log_cleanup);
  EXPECT_EQ(properties->log_retention, TableProperties::kForever);
  EXPECT_EQ(properties->deleted_file_retention, TableProperties::kForever);
}

}  // namespace
}  // namespace tillrace::lake
