#include "gateway/intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tillrace::gateway {
namespace {

using std::chrono::milliseconds;

class IntakeTest : public testing::Test {
 protected:
  Intake make() {
    return Intake(options_,
                  {[this] { return backlog_; },
                   [this]() -> Result<std::uint64_t> {
                     ++looks_;
                     return free_;
                   }},
                  clock_);
  }
  void pass_a_look() { clock_.advance(milliseconds(options_.look_every_ms)); }

  FakeClock clock_{UtcMicros{1}};
  IntakeOptions options_{.hold_log_max_bytes = 1'000, .min_free_disk_bytes = 500};
  std::uint64_t backlog_ = 0;
  Result<std::uint64_t> free_ = std::uint64_t{500};
  int looks_ = 0;
};

TEST_F(IntakeTest, IsOpenUpToItsLimits) {
  Intake intake = make();
  backlog_ = 999;
  EXPECT_EQ(intake.state(), Intake::State::open);
  EXPECT_FALSE(intake.refuse());
}

TEST_F(IntakeTest, AFullLogIsToldWithWhatToDo) {
  backlog_ = 1'000;
  Intake intake = make();
  auto refused = intake.refuse();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->headers.find("Retry-After"), "5");
  EXPECT_THAT(refused->body, testing::HasSubstr("/problems/log-full"));
  EXPECT_THAT(refused->body, testing::HasSubstr("retention.hold_log_max_gb"));
}

TEST_F(IntakeTest, AFullDiskIsToldBeforeAFullLog) {
  backlog_ = 1'000;
  free_ = std::uint64_t{499};
  Intake intake = make();
  auto refused = intake.refuse();
  ASSERT_TRUE(refused);
  EXPECT_THAT(refused->body, testing::HasSubstr("/problems/disk-full"));
}

TEST_F(IntakeTest, ADiskThatCannotBeAskedClosesNothing) {
  free_ = fail(Code::unavailable, "no such device");
  EXPECT_EQ(make().state(), Intake::State::open);
}

TEST_F(IntakeTest, OpensAgainWhenThereIsRoom) {
  backlog_ = 1'000;
  Intake intake = make();
  EXPECT_TRUE(intake.refuse());
  backlog_ = 0;
  EXPECT_TRUE(intake.refuse());  // not looked at again yet
  pass_a_look();
  EXPECT_FALSE(intake.refuse());
}

TEST_F(IntakeTest, LooksOnlyNowAndThen) {
  Intake intake = make();
  for (int i = 0; i < 1'000; ++i) intake.state();
  EXPECT_EQ(looks_, 1);
  pass_a_look();
  intake.state();
  EXPECT_EQ(looks_, 2);
}

TEST_F(IntakeTest, WhileItDrainsNewRequestsAreTakenAndLongOnesEnd) {
  Intake intake = make();
  EXPECT_FALSE(intake.refuse_more());
  intake.start_draining();
  EXPECT_FALSE(intake.refuse());
  auto refused = intake.refuse_more();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_THAT(refused->body, testing::HasSubstr("the server is stopping"));
}

TEST_F(IntakeTest, WithoutLimitsNothingIsAsked) {
  options_ = {};
  free_ = std::uint64_t{0};
  backlog_ = ~std::uint64_t{0};
  EXPECT_EQ(make().state(), Intake::State::open);
  EXPECT_EQ(looks_, 0);
}

}  // namespace
}  // namespace tillrace::gateway
