#include "http/pace.h"

#include <gtest/gtest.h>

namespace tillrace::http {
namespace {

using namespace std::chrono_literals;

// Pauses of a second, ten bytes a second.
Pace started_at(Pace::Nanos now) {
  Pace pace(1000, 10);
  pace.start(now);
  return pace;
}

TEST(Pace, APeerMayPauseOnceForAsLongAsItsPause) { EXPECT_EQ(started_at(5s).deadline(5s), 6s); }

TEST(Pace, WhoKeepsTheRateIsNeverLate) {
  Pace pace = started_at(0s);
  for (auto now = 500ms; now < 1h; now += 500ms) {
    EXPECT_GE(pace.deadline(now - 500ms), now);
    pace.moved(now, 5);
  }
}

TEST(Pace, WhoStaysBelowTheRateIsLateThoughItNeverPauses) {
  Pace pace = started_at(0s);
  auto now = 0ms;
  while (pace.deadline(now) >= now + 500ms && now < 1h) pace.moved(now += 500ms, 4);
  EXPECT_GE(now, 2s);
  EXPECT_LE(now, 4s);
}

TEST(Pace, AFastStartIsWorthAMinuteOfDrippingAtMost) {
  Pace pace = started_at(0s);
  pace.moved(1ms, std::size_t{1} << 40);
  auto now = 1ms;
  while (pace.deadline(now) >= now + 500ms && now < 1h) pace.moved(now += 500ms, 0);
  EXPECT_GE(now, 59s);
  EXPECT_LE(now, 61s);
}

TEST(Pace, TheTimeBetweenSuspendAndResumeIsNotThePeers) {
  Pace pace = started_at(0s);
  pace.suspend(400ms);
  pace.resume(1h);
  EXPECT_EQ(pace.deadline(1h), 1h + 600ms);
}

}  // namespace
}  // namespace tillrace::http
