#include "auth/failure_limit.h"

#include <gtest/gtest.h>

namespace tillrace::auth {
namespace {

using namespace std::chrono_literals;

class FailureLimitTest : public testing::Test {
 protected:
  // Failures until it is too many.
  int until_too_many(const std::string& address) {
    int failures = 1;
    while (!limit_.count(address)) ++failures;
    return failures;
  }

  FakeClock clock_;
  FailureLimit limit_{{}, clock_};
};

TEST_F(FailureLimitTest, TwentyAMinuteAreBorne) {
  EXPECT_EQ(until_too_many("192.0.2.1"), 21);
  auto again = limit_.count("192.0.2.1");
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->just_now);
  EXPECT_EQ(again->retry_after_s, 60);
  clock_.advance(59'500ms);
  EXPECT_EQ(limit_.count("192.0.2.1")->retry_after_s, 1);
  clock_.advance(500ms);
  EXPECT_FALSE(limit_.count("192.0.2.1"));
}

TEST_F(FailureLimitTest, TheFirstBeyondTheLimitIsToldApart) {
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(limit_.count("192.0.2.1"));
  EXPECT_TRUE(limit_.count("192.0.2.1")->just_now);
  EXPECT_FALSE(limit_.count("192.0.2.1")->just_now);
}

TEST_F(FailureLimitTest, AddressesAreCountedApart) {
  until_too_many("192.0.2.1");
  EXPECT_FALSE(limit_.count("192.0.2.2"));
  EXPECT_FALSE(limit_.count("::ffff:192.0.2.2"));
  EXPECT_FALSE(limit_.count("2001:db8:0:1::1"));
  EXPECT_FALSE(limit_.count("2001:db8:0:2::1"));
  EXPECT_FALSE(limit_.count(""));
}

TEST_F(FailureLimitTest, AnIpv6NetworkIsOneAddress) {
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(limit_.count("2001:db8:0:1::" + std::to_string(i + 1)));
  EXPECT_TRUE(limit_.count("2001:db8:0:1:ffff::"));
}

TEST_F(FailureLimitTest, TheTableIsBounded) {
  FailureLimit small({20, 60, 100}, clock_);
  for (int i = 0; i < 10'000; ++i) {
    small.count("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250));
    ASSERT_LE(small.size(), 100U);
  }
}

TEST_F(FailureLimitTest, WhatIsOverGoesFirst) {
  FailureLimit small({1, 60, 3}, clock_);
  small.count("a");
  small.count("b");
  clock_.advance(59s);
  small.count("c");
  clock_.advance(1s);
  EXPECT_FALSE(small.count("d"));
  EXPECT_TRUE(small.count("c"));
  EXPECT_EQ(small.size(), 2U);
}

}  // namespace
}  // namespace tillrace::auth
