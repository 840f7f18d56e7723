#include "warehouse/flushed_marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread.h"
#include "warehouse/batch_for_tests.h"

namespace tillrace::warehouse {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr milliseconds kBound{8'500};

// "partition:next" of each, or the error.
std::string told(const Result<std::vector<FlushedMark>>& marks) {
  if (!marks) return std::string(name(marks.error().code)) + ": " + marks.error().message;
  std::string text;
  for (const FlushedMark& mark : *marks)
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", mark.partition.value, mark.next.value);
  return text;
}

std::string asked(const std::string& url) { return told(flushed_marks(url, "events", kLogId)); }

class FlushedMarksTest : public BatchTest {
 protected:
  std::string asked() { return warehouse::asked(database_.url()); }
};

TEST_F(FlushedMarksTest, EachPartitionThatWasSeenHasItsMark) {
  EXPECT_EQ(asked(), "");
  TestSource third(2);
  apply(third.batch({Sale{.invoice_no = "7"}}));
  apply({Sale{}, Sale{.line_no = 2}});
  EXPECT_EQ(asked(), "0:2 2:1");
  apply({Sale{.line_no = 3}});
  EXPECT_EQ(asked(), "0:3 2:1");
}

TEST_F(FlushedMarksTest, AnotherTopicsMarksAreNotTold) {
  apply({Sale{}});
  EXPECT_EQ(told(flushed_marks(database_.url(), "other", kLogId)), "");
}

TEST_F(FlushedMarksTest, AMarkOfAnotherLogIsCorrupt) {
  apply({Sale{}});
  auto marks = flushed_marks(database_.url(), "events", kOtherLogId);
  ASSERT_FALSE(marks);
  EXPECT_EQ(marks.error().code, Code::corrupt);
  EXPECT_THAT(marks.error().message, HasSubstr(kLogId));
  EXPECT_THAT(marks.error().message, HasSubstr(kOtherLogId));
}

TEST_F(FlushedMarksTest, AWarehouseThatWasNeverMigratedIsRefused) {
  TestDatabase bare(false);
  EXPECT_THAT(warehouse::asked(bare.url()), HasSubstr("does not exist"));
}

// What is not committed is not told, and nobody waits.
TEST_F(FlushedMarksTest, ABatchInHandIsNotWaitedFor) {
  apply({Sale{}});
  ASSERT_TRUE(
      connection_.execute("begin; update stream.checkpoint set next_offset = 9; "
                          "lock table shop.invoice, shop.invoice_line in exclusive mode"));
  SystemClock clock;
  auto began = clock.monotonic();
  EXPECT_EQ(asked(), "0:1");
  EXPECT_LT(clock.monotonic() - began, milliseconds{2'000});
  ASSERT_TRUE(connection_.execute("rollback"));
}

TEST_F(FlushedMarksTest, ABatchDoesNotWaitForTheAsking) {
  apply({Sale{}});
  ASSERT_TRUE(connection_.execute("begin"));
  std::string ask_in_sql =
      fmt::format("select next_offset from stream.flushed_marks('events', '{}')", kLogId);
  EXPECT_EQ(ask(ask_in_sql), "1");
  ASSERT_TRUE(
      connection_.execute(fmt::format("alter database {} set lock_timeout = 1", database_.name())));
  BatchWriter writer(database_.url());
  EXPECT_EQ(warehouse::told(writer.apply(source_.batch({Sale{.line_no = 2}}))), "1 0 0 0");
  ASSERT_TRUE(connection_.execute("commit"));
  EXPECT_EQ(asked(), "0:2");
}

TEST_F(FlushedMarksTest, TheSettingHoldsToTheEndOfTheTransactionAndNoLonger) {
  ASSERT_TRUE(connection_.execute("set synchronous_commit = off; begin"));
  ask("select stream.flushed_marks('events', $1)", {kLogId});
  EXPECT_EQ(ask("show synchronous_commit"), "on");
  EXPECT_NE(ask("select pg_current_xact_id_if_assigned()"), "~");
  ASSERT_TRUE(connection_.execute("commit"));
  EXPECT_EQ(ask("show synchronous_commit"), "off");
}

TEST_F(FlushedMarksTest, AUserWithoutPrivilegesButTheTablesCanAsk) {
  apply({Sale{}});
  ASSERT_TRUE(
      connection_.execute("drop role if exists flushed_marks_test; "
                          "create role flushed_marks_test; "
                          "grant usage on schema stream to flushed_marks_test; "
                          "grant select on stream.checkpoint to flushed_marks_test; "
                          "set role flushed_marks_test"));
  EXPECT_EQ(ask("select next_offset from stream.flushed_marks('events', $1)", {kLogId}), "1");
  ASSERT_TRUE(
      connection_.execute("reset role; drop owned by flushed_marks_test; "
                          "drop role flushed_marks_test"));
}

TEST(FlushedMarksAway, AServerThatIsAwayIsUnavailable) {
  auto marks = flushed_marks("postgresql://u@127.0.0.1:1/none", "events", kLogId);
  ASSERT_FALSE(marks);
  EXPECT_EQ(marks.error().code, Code::unavailable);
}

// A server of its own, whose WAL writer is slow: what nobody flushes is lost when it crashes.
class FlushedMarksServerTest : public testing::Test {
 protected:
  FlushedMarksServerTest() { copy_template_cluster(folder_ / "postgres"); }

  void start(const std::string& settings) {
    ASSERT_TRUE(write_file_atomically(folder_ / "postgres" / "local.conf",
                                      "autovacuum = off\nwal_writer_delay = 10s\n" + settings));
    auto started = Cluster::start(test_options(folder_ / "postgres"), clock_, random_);
    ASSERT_TRUE(started) << started.error().message;
    cluster_ = std::move(*started);
    writer_ = std::make_unique<BatchWriter>(cluster_->url());
  }
  void start_migrated(const std::string& settings = "") {
    start(settings);
    Connection connection = connect();
    Status migrated = migrate(connection);
    ASSERT_TRUE(migrated) << migrated.error().message;
  }
  Connection connect() {
    auto connection = Connection::open(cluster_->url());
    EXPECT_TRUE(connection) << connection.error().message;
    return std::move(*connection);
  }
  // All processes of the server end without another write, and it is started again.
  void crash() {
    ::kill(cluster_->server_pid(), SIGQUIT);
    ASSERT_TRUE(
        eventually([&] { return probe_server(cluster_->url(), 1'000) == ServerState::refused; }));
    Status running = cluster_->ensure_running();
    ASSERT_TRUE(running) << running.error().message;
  }
  // After the crash the batch has no session any more; the mark is that of a new one.
  std::int64_t mark() {
    writer_ = std::make_unique<BatchWriter>(cluster_->url());
    auto mark = writer_->mark("events", Partition{0}, kLogId);
    EXPECT_TRUE(mark) << mark.error().message;
    return mark ? mark->value_or(Offset{0}).value : -1;
  }
  void apply_one() {
    Batch batch{"events", Partition{0}, kLogId, end_, {end_.value + 1}, {}, {}};
    Sale sale{.line_no = static_cast<std::int32_t>(end_.value + 1)};
    batch.lines.push_back(
        {end_, derived_event_id(sale.invoice_no, sale.line_no), transaction_of(sale)});
    ASSERT_EQ(warehouse::told(writer_->apply(batch)), "1 0 0 0");
    end_ = batch.to;
  }

  TestFolder folder_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<BatchWriter> writer_;
  Offset end_;
};

TEST_F(FlushedMarksServerTest, NoCrashTakesBackAMarkThatWasTold) {
  start_migrated();
  SeededRandom random(20'101'201);
  int lost = 0;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    bool asks = round % 2 == 0;
    for (std::uint64_t batches = 1 + random.below(4); batches > 0; --batches) apply_one();
    Offset before = end_;
    if (asks) {
      EXPECT_EQ(asked(cluster_->url()), fmt::format("0:{}", before.value));
      for (std::uint64_t batches = random.below(3); batches > 0; --batches) apply_one();
    }
    crash();
    std::int64_t after = mark();
    if (asks) {
      EXPECT_GE(after, before.value);
    } else if (after < before.value) {
      ++lost;
    }
    EXPECT_EQ(asked(cluster_->url()), fmt::format("0:{}", after));
    end_ = {after};
  }
  EXPECT_GT(lost, 0) << "without asking nothing was ever lost: this test shows nothing";
}

// A writer and an asker at once: whatever is told, at whatever moment of a commit.
TEST_F(FlushedMarksServerTest, NoCrashTakesBackAMarkThatWasToldWhileBatchesWereWritten) {
  start_migrated();
  for (int round = 0; round < 3; ++round) {
    std::atomic<bool> written = false;
    auto writing = named_thread("writer", [&](const std::stop_token&) {
      for (int i = 0; i < 40; ++i) apply_one();
      written = true;
    });
    std::int64_t told_last = 0;
    while (!written) {
      auto marks = flushed_marks(cluster_->url(), "events", kLogId);
      ASSERT_TRUE(marks) << marks.error().message;
      if (!marks->empty()) told_last = marks->front().next.value;
    }
    crash();
    writing.join();
    std::int64_t after = mark();
    EXPECT_GE(after, told_last);
    end_ = {after};
  }
}

TEST_F(FlushedMarksServerTest, AServerThatHangsIsUnavailableWithinTheBound) {
  start_migrated();
  pid_t server = cluster_->server_pid();
  ::kill(server, SIGSTOP);
  auto began = clock_.monotonic();
  EXPECT_THAT(asked(cluster_->url()), testing::StartsWith("unavailable: "));
  EXPECT_LT(clock_.monotonic() - began, kBound);
  ::kill(server, SIGCONT);
  EXPECT_EQ(asked(cluster_->url()), "");
}

// The standby that must confirm does not exist.
TEST_F(FlushedMarksServerTest, WithoutItsSynchronousStandbyNothingIsToldAndNobodyPilesUp) {
  start_migrated();
  apply_one();
  Connection connection = connect();
  auto demand = [&](const char* standby) {
    ask(connection, fmt::format("alter system set synchronous_standby_names = '{}'", standby));
    ask(connection, "select pg_reload_conf()");
    ASSERT_TRUE(
        eventually([&] { return ask(connection, "show synchronous_standby_names") == standby; }));
  };
  demand("elsewhere");
  for (int i = 0; i < 2; ++i) {
    auto began = clock_.monotonic();
    EXPECT_THAT(asked(cluster_->url()), testing::StartsWith("unavailable: "));
    EXPECT_LT(clock_.monotonic() - began, kBound);
  }
  apply_one();  // the processor does not wait for it
  EXPECT_TRUE(eventually([&] {
    return ask(connection,
               "select count(*) from pg_stat_activity "
               "where application_name = 'tillrace retention'") == "1";
  }));
  demand("");
  EXPECT_EQ(asked(cluster_->url()), "0:2");
}

TEST_F(FlushedMarksServerTest, AStandbyTellsNothing) {
  start_migrated();
  apply_one();
  writer_.reset();
  cluster_.reset();
  ASSERT_TRUE(write_file_atomically(folder_ / "postgres" / "data" / "standby.signal", "", 0644));
  start("");
  std::string answer = asked(cluster_->url());
  EXPECT_THAT(answer, testing::StartsWith("unavailable: "));
  EXPECT_THAT(answer, HasSubstr("standby"));
}

}  // namespace
}  // namespace tillrace::warehouse
