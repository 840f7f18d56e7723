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

TEST(DeltaProperties, RefusesWhatIsNoInterval) {
  for (auto text : {"", "interval", "1 week", "interval 1", "interval week", "interval 1 month",
                    "interval -1 days", "interval 1.5 days", "interval 1 days 2",
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

TEST(DeltaProperties, RefusesValuesThatMeanNothing) {
  for (const auto& [name, value] : Properties{{"delta.checkpointInterval", "0"},
                                              {"delta.appendOnly", "yes"},
                                              {"delta.logRetentionDuration", "30"},
                                              {"delta.deletedFileRetentionDuration", ""}}) {
    EXPECT_EQ(parse_properties({{name, value}}).error().code, Code::invalid) << name;
  }
}

}  // namespace
}  // namespace tillrace::lake
