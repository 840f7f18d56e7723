#include "app/sink_switch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/scratch_for_tests.h"

namespace tillrace::app {
namespace {

using testing::HasSubstr;

class SinkSwitchTest : public testing::Test {
 protected:
  void set(Attachment attachment) {
    Status written = write_attachment(folder_.path(), "lake", attachment);
    ASSERT_TRUE(written) << written.error().message;
    clock_.advance(std::chrono::seconds(2));
  }
  Attachment stored() { return read_attachment(folder_.path(), "lake").value(); }

  ScratchFolder folder_;
  FakeClock clock_{{1'000'000}};
  SinkSwitch switch_{folder_.path(), "lake", clock_};
};

TEST_F(SinkSwitchTest, WhereNobodySaidAnythingASinkIsAttached) {
  EXPECT_EQ(stored(), Attachment::attached);
  EXPECT_EQ(switch_.look(), Attachment::attached);
}

TEST_F(SinkSwitchTest, WhatAPersonSaidIsSeenByARunningProcessAndByTheNext) {
  EXPECT_EQ(switch_.look(), Attachment::attached);
  for (Attachment said : {Attachment::detached, Attachment::reattached, Attachment::attached}) {
    set(said);
    EXPECT_EQ(switch_.look(), said);
    SinkSwitch next(folder_.path(), "lake", clock_);
    EXPECT_EQ(next.look(), said);
  }
}

TEST_F(SinkSwitchTest, TheFileIsLookedAtOnceASecond) {
  EXPECT_EQ(switch_.look(), Attachment::attached);
  ASSERT_TRUE(write_attachment(folder_.path(), "lake", Attachment::detached));
  EXPECT_EQ(switch_.look(), Attachment::attached);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(switch_.look(), Attachment::detached);
}

TEST_F(SinkSwitchTest, OneSinkIsNotAnother) {
  set(Attachment::detached);
  SinkSwitch other(folder_.path(), "warehouse", clock_);
  EXPECT_EQ(other.look(), Attachment::attached);
}

TEST_F(SinkSwitchTest, AFileWithOtherWordsIsCorruptAndChangesNothing) {
  set(Attachment::detached);
  EXPECT_EQ(switch_.look(), Attachment::detached);
  folder_.file("sinks/lake", "yes");
  auto read = read_attachment(folder_.path(), "lake");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::corrupt);
  EXPECT_THAT(read.error().message, HasSubstr("sinks/lake"));
  clock_.advance(std::chrono::seconds(2));
  EXPECT_EQ(switch_.look(), Attachment::detached);
}

TEST_F(SinkSwitchTest, APermissionForAHoleIsUsedOnce) {
  set(Attachment::reattached);
  EXPECT_EQ(switch_.look(), Attachment::reattached);
  switch_.begun();
  EXPECT_EQ(switch_.look(), Attachment::attached);
  EXPECT_EQ(stored(), Attachment::attached);
}

TEST_F(SinkSwitchTest, WhoDetachesMeanwhileIsNotOverruled) {
  set(Attachment::reattached);
  EXPECT_EQ(switch_.look(), Attachment::reattached);
  set(Attachment::detached);
  switch_.begun();
  EXPECT_EQ(stored(), Attachment::detached);
}

}  // namespace
}  // namespace tillrace::app
