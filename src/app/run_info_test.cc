#include "app/run_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <optional>

#include "base/scratch_for_tests.h"

namespace tillrace::app {
namespace {

using testing::HasSubstr;

class RunInfoTest : public testing::Test {
 protected:
  // As `tillrace up` does for as long as it runs.
  void own() {
    auto lock = FolderLock::acquire(folder_.path());
    ASSERT_TRUE(lock) << lock.error().message;
    lock_.emplace(std::move(*lock));
  }
  Code code_of_reading() {
    auto info = read_run_info(folder_.path());
    EXPECT_FALSE(info);
    return info ? Code::conflict : info.error().code;
  }

  ScratchFolder folder_;
  std::optional<FolderLock> lock_;
  RunInfo info_{4711,
                {1'291'191'960'000'000},
                "http://127.0.0.1:8080",
                "postgresql://shop:p\"a\\ss'@127.0.0.1:5432/shop",
                "a folder/with \"quotes\" and \xc3\xa9",
                "abfss://shop@account.dfs.core.windows.net/lake"};
};

TEST_F(RunInfoTest, WhatRunsReadsBackTheSame) {
  own();
  ASSERT_TRUE(write_run_info(folder_.path(), info_));
  auto read = read_run_info(folder_.path());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->pid, info_.pid);
  EXPECT_EQ(read->started_at, info_.started_at);
  EXPECT_EQ(read->http_url, info_.http_url);
  EXPECT_EQ(read->warehouse_url, info_.warehouse_url);
  EXPECT_EQ(read->log_dir, info_.log_dir);
  EXPECT_EQ(read->lake_root, info_.lake_root);
}

TEST_F(RunInfoTest, TheFileIsItsOwnersAlone) {
  auto draft = folder_.file("run.toml.new", "left by a crash, for all to read");
  ASSERT_EQ(::chmod(draft.c_str(), 0666), 0);
  ASSERT_TRUE(write_run_info(folder_.path(), info_));
  struct stat status {};
  ASSERT_EQ(::stat((folder_.path() / "run.toml").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(RunInfoTest, WhereNothingRunsTheMessageSaysHowToStartIt) {
  own();
  auto info = read_run_info(folder_.path());
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, Code::not_found);
  EXPECT_THAT(info.error().message, HasSubstr("tillrace up --data-dir " + folder_.path().string()));
  EXPECT_EQ(read_run_info(folder_.path() / "absent").error().code, Code::not_found);
}

TEST_F(RunInfoTest, AFileThatAKilledProcessLeftBehindIsNothingRunning) {
  own();
  ASSERT_TRUE(write_run_info(folder_.path(), info_));
  lock_.reset();
  EXPECT_EQ(code_of_reading(), Code::not_found);
}

TEST_F(RunInfoTest, AfterRemovalNothingRuns) {
  own();
  ASSERT_TRUE(write_run_info(folder_.path(), info_));
  remove_run_info(folder_.path());
  EXPECT_EQ(code_of_reading(), Code::not_found);
  remove_run_info(folder_.path());  // twice is no harm
}

TEST_F(RunInfoTest, AFileThatIsNoTomlIsCorrupt) {
  own();
  folder_.file("run.toml", "pid = ");
  EXPECT_EQ(code_of_reading(), Code::corrupt);
}

TEST_F(RunInfoTest, AFileThatCannotBeReadIsNotTakenForNothingRunning) {
  own();
  std::filesystem::create_directory(folder_.path() / "run.toml");
  EXPECT_EQ(code_of_reading(), Code::unavailable);
}

}  // namespace
}  // namespace tillrace::app
