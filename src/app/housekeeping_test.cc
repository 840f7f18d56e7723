#include "app/housekeeping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/scratch_for_tests.h"

namespace tillrace::app {
namespace {

using testing::HasSubstr;

// A log of two partitions whose records take ten bytes each. Nothing is read or appended.
class FakeLog final : public log::Log {
 public:
  void append(std::vector<Record>, std::optional<log::Receipt>, log::AppendDone done) override {
    done(fail(Code::unavailable, "not in this test"));
  }
  Result<std::optional<log::StoredReceipt>> find_receipt(std::string_view) override {
    return fail(Code::unavailable, "not in this test");
  }
  Result<log::Fetched> read(Partition, Offset, const log::ReadLimits&) override {
    return fail(Code::unavailable, "not in this test");
  }
  Result<bool> wait_for(Partition, Offset, std::chrono::nanoseconds,
                        const std::stop_token&) override {
    return fail(Code::unavailable, "not in this test");
  }
  Result<Offset> first(Partition partition) override {
    MutexLock lock(mutex_);
    return first_[index(partition)];
  }
  Result<Offset> end(Partition partition) override {
    MutexLock lock(mutex_);
    return end_[index(partition)];
  }
  Status retain(Partition partition, Offset flushed, const log::Retention& retention) override {
    MutexLock lock(mutex_);
    retention_ = retention;
    ++retained_;
    if (partition == failing_) return fail(Code::unavailable, "the disk failed");
    first_[index(partition)] = std::max(first_[index(partition)], flushed);
    return {};
  }
  Result<std::uint64_t> bytes_after(Partition partition, Offset from) override {
    MutexLock lock(mutex_);
    if (partition == failing_) return fail(Code::unavailable, "the disk failed");
    if (from < first_[index(partition)]) return fail(Code::corrupt, "the log starts later");
    return static_cast<std::uint64_t>(end_[index(partition)].value - from.value) * 10;
  }
  Result<std::unique_ptr<log::Membership>> join(std::string_view) override {
    return fail(Code::unavailable, "not in this test");
  }
  std::int32_t partitions() const override { return 2; }
  const std::string& topic() const override { return name_; }
  const std::string& id() const override { return name_; }
  Status last_write() override { return {}; }
  Result<std::uint64_t> bytes_on_disk() override { return std::uint64_t{0}; }
  void stop() override {}

  void grow_to(std::int64_t zero, std::int64_t one) {
    MutexLock lock(mutex_);
    end_ = {{zero}, {one}};
  }
  void fail_at(std::optional<Partition> partition) {
    MutexLock lock(mutex_);
    failing_ = partition;
  }
  std::vector<Offset> firsts() {
    MutexLock lock(mutex_);
    return first_;
  }
  int retained() {
    MutexLock lock(mutex_);
    return retained_;
  }
  log::Retention retention() {
    MutexLock lock(mutex_);
    return retention_;
  }

 private:
  static std::size_t index(Partition partition) {
    return static_cast<std::size_t>(partition.value);
  }

  const std::string name_ = "events";
  Mutex mutex_;
  std::vector<Offset> first_ GUARDED_BY(mutex_) = {{0}, {0}};
  std::vector<Offset> end_ GUARDED_BY(mutex_) = {{0}, {0}};
  std::optional<Partition> failing_ GUARDED_BY(mutex_);
  log::Retention retention_ GUARDED_BY(mutex_);
  int retained_ GUARDED_BY(mutex_) = 0;
};

// A sink whose answer a test sets.
class FakeSink {
 public:
  Result<std::vector<Offset>> flushed_marks() {
    MutexLock lock(mutex_);
    ++asked_;
    return answer_;
  }
  void answer(Result<std::vector<Offset>> answer) {
    MutexLock lock(mutex_);
    answer_ = std::move(answer);
  }
  int asked() {
    MutexLock lock(mutex_);
    return asked_;
  }

 private:
  Mutex mutex_;
  Result<std::vector<Offset>> answer_ GUARDED_BY(mutex_) = std::vector<Offset>{{0}, {0}};
  int asked_ GUARDED_BY(mutex_) = 0;
};

class HousekeepingTest : public testing::Test {
 protected:
  HousekeepingTest() {
    options_.retention = {7, 8, 9};
    options_.check_interval_ms = 5;
    options_.backlog_interval_ms = 2;
  }
  std::unique_ptr<Housekeeping> start() {
    return std::make_unique<Housekeeping>(
        options_, log_, [this] { return sink_.flushed_marks(); }, clock_, metrics_);
  }
  bool eventually(const std::function<bool()>& holds) {
    for (int tries = 0; tries < 5'000 && !holds(); ++tries)
      clock_.sleep_for(std::chrono::milliseconds(2));
    return holds();
  }
  // Until the sink was asked, and the log told, once more.
  bool once_more() {
    int before = sink_.asked();
    return eventually([&] { return sink_.asked() > before + 1; });
  }

  HousekeepingOptions options_;
  FakeLog log_;
  FakeSink sink_;
  SystemClock clock_;
  Metrics metrics_;
};

TEST_F(HousekeepingTest, TheBacklogIsKnownFromTheStart) {
  log_.grow_to(100, 50);
  sink_.answer(std::vector<Offset>{{40}, {50}});
  options_.check_interval_ms = options_.backlog_interval_ms = 600'000;
  auto housekeeping = start();
  EXPECT_EQ(housekeeping->backlog_bytes(), 600u);
  EXPECT_THAT(metrics_.text(), HasSubstr("tillrace_log_backlog_bytes 600"));
}

TEST_F(HousekeepingTest, TheLogIsToldTheMarksAndTheRulesAndDropsWhatMayGo) {
  log_.grow_to(100, 50);
  sink_.answer(std::vector<Offset>{{40}, {0}});
  auto housekeeping = start();
  EXPECT_TRUE(eventually([&] { return log_.firsts() == std::vector<Offset>{{40}, {0}}; }));
  EXPECT_EQ(log_.retention().max_bytes, 7u);
  EXPECT_EQ(log_.retention().max_age_h, 8);
  EXPECT_EQ(log_.retention().safety_h, 9);
  sink_.answer(std::vector<Offset>{{60}, {50}});
  EXPECT_TRUE(eventually([&] { return log_.firsts() == std::vector<Offset>{{60}, {50}}; }));
  ASSERT_TRUE(once_more());
  EXPECT_THAT(metrics_.text(),
              HasSubstr("tillrace_retention_dropped_records_total{partition=\"0\"} 60"));
  EXPECT_THAT(metrics_.text(),
              HasSubstr("tillrace_retention_dropped_records_total{partition=\"1\"} 50"));
  EXPECT_EQ(housekeeping->backlog_bytes(), 400u);
}

TEST_F(HousekeepingTest, WhileTheSinkIsAwayNothingGoesAndTheBacklogGrowsFromTheLastMark) {
  log_.grow_to(100, 50);
  sink_.answer(std::vector<Offset>{{40}, {50}});
  auto housekeeping = start();
  ASSERT_TRUE(eventually([&] { return log_.retained() >= 2; }));
  sink_.answer(fail(Code::unavailable, "away"));
  ASSERT_TRUE(once_more());
  int retained = log_.retained();
  log_.grow_to(300, 60);
  EXPECT_TRUE(eventually([&] { return housekeeping->backlog_bytes() == 2'700; }));
  ASSERT_TRUE(once_more());
  EXPECT_EQ(log_.retained(), retained);
  EXPECT_THAT(metrics_.text(), HasSubstr("tillrace_retention_failed_total{code=\"unavailable\"}"));
  sink_.answer(std::vector<Offset>{{300}, {60}});
  EXPECT_TRUE(eventually([&] { return housekeeping->backlog_bytes() == 0; }));
  EXPECT_TRUE(eventually([&] { return log_.firsts() == std::vector<Offset>{{300}, {60}}; }));
}

TEST_F(HousekeepingTest, ALargeBacklogIsCountedFromAFreshMarkWithoutDroppingMoreOften) {
  options_.check_interval_ms = 3'600'000;
  options_.large_backlog_bytes = 1;
  log_.grow_to(10, 0);
  auto housekeeping = start();
  EXPECT_GT(housekeeping->backlog_bytes(), 0u);
  ASSERT_TRUE(eventually([&] { return log_.retained() > 0; }));
  int retained = log_.retained();
  sink_.answer(std::vector<Offset>{{10}, {0}});
  EXPECT_TRUE(eventually([&] { return housekeeping->backlog_bytes() == 0; }));
  EXPECT_EQ(log_.retained(), retained);
}

TEST_F(HousekeepingTest, BeforeASinkHasToldAnythingAllThatTheLogHasIsBacklog) {
  log_.grow_to(100, 50);
  sink_.answer(fail(Code::unavailable, "away"));
  options_.check_interval_ms = 600'000;  // not waited for
  auto housekeeping = start();
  EXPECT_EQ(housekeeping->backlog_bytes(), 1'500u);
  ASSERT_TRUE(once_more());
  EXPECT_EQ(log_.retained(), 0);
  sink_.answer(std::vector<Offset>{{90}, {50}});
  EXPECT_TRUE(eventually([&] { return housekeeping->backlog_bytes() == 100; }));
}

TEST_F(HousekeepingTest, AfterARestartTheBacklogCountsFromWhatWasToldBeforeIt) {
  ScratchFolder folder;
  options_.marks_file = folder.path() / "sinks/marks";
  log_.grow_to(100, 50);
  sink_.answer(std::vector<Offset>{{40}, {50}});
  start().reset();
  sink_.answer(fail(Code::unavailable, "away"));
  int retained = log_.retained();
  auto housekeeping = start();
  EXPECT_EQ(housekeeping->backlog_bytes(), 600u);
  ASSERT_TRUE(once_more());
  EXPECT_EQ(log_.retained(), retained) << "nothing goes by what was told long ago";
}

TEST_F(HousekeepingTest, MarksOfAnotherLogAndBrokenOnesCountForNothing) {
  ScratchFolder folder;
  options_.marks_file = folder.path() / "marks";
  log_.grow_to(100, 50);
  sink_.answer(fail(Code::unavailable, "away"));
  for (const char* text :
       {"", "other\n40\n50\n", "events\n40\n", "events\n40\n-1\n", "events\n40\nx\n", "events"}) {
    ASSERT_TRUE(write_file_atomically(options_.marks_file, text, 0600));
    EXPECT_EQ(start()->backlog_bytes(), 1'500u) << text;
  }
}

TEST_F(HousekeepingTest, AContradictionDropsNothing) {
  log_.grow_to(100, 50);
  sink_.answer(fail(Code::corrupt, "the mark belongs to another log"));
  auto housekeeping = start();
  ASSERT_TRUE(once_more());
  EXPECT_EQ(log_.retained(), 0);
  EXPECT_EQ(log_.firsts(), (std::vector<Offset>{{0}, {0}}));
  EXPECT_THAT(metrics_.text(), HasSubstr("tillrace_retention_failed_total{code=\"corrupt\"}"));
}

// A warehouse that was restored from a backup, or made anew.
TEST_F(HousekeepingTest, AMarkThatGoesBackCountsAtOnceAsFarAsTheLogReaches) {
  log_.grow_to(100, 50);
  sink_.answer(std::vector<Offset>{{40}, {50}});
  auto housekeeping = start();
  ASSERT_TRUE(eventually([&] { return log_.firsts() == std::vector<Offset>{{40}, {50}}; }));
  log_.grow_to(120, 70);
  sink_.answer(std::vector<Offset>{{0}, {60}});
  EXPECT_TRUE(eventually([&] { return housekeeping->backlog_bytes() == 900; }));
}

TEST_F(HousekeepingTest, APartitionThatFailsKeepsTheOthersFromNothing) {
  log_.grow_to(100, 50);
  log_.fail_at(Partition{0});
  sink_.answer(std::vector<Offset>{{40}, {50}});
  auto housekeeping = start();
  EXPECT_EQ(housekeeping->backlog_bytes(), 0u);  // not known
  EXPECT_TRUE(eventually([&] { return log_.firsts() == std::vector<Offset>{{0}, {50}}; }));
  log_.fail_at(std::nullopt);
  EXPECT_TRUE(eventually([&] { return log_.firsts() == std::vector<Offset>{{40}, {50}}; }));
  EXPECT_TRUE(eventually([&] { return housekeeping->backlog_bytes() == 600; }));
}

TEST_F(HousekeepingTest, ItEndsAtOnceHoweverLongItsPauses) {
  options_.check_interval_ms = options_.backlog_interval_ms = 600'000;
  auto housekeeping = start();
  ASSERT_TRUE(eventually([&] { return log_.retained() == 2; }));
  auto began = clock_.monotonic();
  housekeeping.reset();
  EXPECT_LT(clock_.monotonic() - began, std::chrono::seconds(2));
}

}  // namespace
}  // namespace tillrace::app
