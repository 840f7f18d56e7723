#include "gateway/client_limits.h"

#include <gtest/gtest.h>

namespace tillrace::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ClientLimits, WithoutLimitsEveryoneMaySendAnything) {
  FakeClock clock;
  ClientLimits limits({}, clock);
  EXPECT_FALSE(limits.is_on());
  limits.charge("a", 1'000'000'000, 1'000'000'000);
  EXPECT_FALSE(limits.check("a"));
}

TEST(ClientLimits, AQuietClientMaySendItsBurstAndThenItsRate) {
  FakeClock clock;
  ClientLimits limits({.events_per_second = 100, .burst_s = 2}, clock);
  limits.charge("a", 199, 0);
  EXPECT_FALSE(limits.check("a"));
  limits.charge("a", 1, 0);
  EXPECT_TRUE(limits.check("a"));
  clock.advance(milliseconds(10));
  EXPECT_FALSE(limits.check("a"));
  limits.charge("a", 1, 0);
  EXPECT_TRUE(limits.check("a"));
}

TEST(ClientLimits, ALargeRequestIsTakenAndItsDebtWaitedOff) {
  FakeClock clock;
  ClientLimits limits({.events_per_second = 100, .burst_s = 1}, clock);
  EXPECT_FALSE(limits.check("a"));
  limits.charge("a", 1'100, 0);
  auto refusal = limits.check("a");
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->retry_after_s, 10);
  EXPECT_EQ(refusal->limit, "its 100 events a second");
  clock.advance(seconds(10));
  EXPECT_TRUE(limits.check("a"));
  clock.advance(milliseconds(10));
  EXPECT_FALSE(limits.check("a"));
}

TEST(ClientLimits, BytesAreLimitedApartFromEvents) {
  FakeClock clock;
  ClientLimits limits({.events_per_second = 100, .bytes_per_second = 1'000, .burst_s = 1}, clock);
  limits.charge("a", 1, 1'000);
  auto refusal = limits.check("a");
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->limit, "its 1000 bytes a second");
}

TEST(ClientLimits, OneClientsDebtIsNotAnothers) {
  FakeClock clock;
  ClientLimits limits({.events_per_second = 1}, clock);
  limits.charge("a", 100, 0);
  EXPECT_TRUE(limits.check("a"));
  EXPECT_FALSE(limits.check("b"));
}

TEST(ClientLimits, AnIdleClientSavesUpNoMoreThanItsBurst) {
  FakeClock clock;
  ClientLimits limits({.events_per_second = 10, .burst_s = 2}, clock);
  limits.charge("a", 1, 0);
  clock.advance(std::chrono::hours(24));
  limits.charge("a", 20, 0);
  EXPECT_TRUE(limits.check("a"));
}

TEST(ClientLimits, ThoseHeardOfLongestAgoAreForgottenFirst) {
  FakeClock clock;
  ClientLimits limits({.events_per_second = 1, .max_clients = 2}, clock);
  limits.charge("a", 100, 0);
  limits.charge("b", 100, 0);
  EXPECT_TRUE(limits.check("a"));
  EXPECT_FALSE(limits.check("c"));  // b goes: it was heard of longest ago
  EXPECT_TRUE(limits.check("a"));
  EXPECT_FALSE(limits.check("b"));
}

TEST(ClientLimits, TheWaitThatIsAskedForIsBounded) {
  FakeClock clock;
  ClientLimits limits({.events_per_second = 1}, clock);
  limits.charge("a", 1'000'000'000, 0);
  EXPECT_EQ(limits.check("a")->retry_after_s, 3'600);
}

}  // namespace
}  // namespace tillrace::gateway
