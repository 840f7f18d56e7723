#include "processor/processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/thread.h"
#include "processor/processor_for_tests.h"
#include "processor/warehouse_sink.h"

namespace tillrace::processor {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr milliseconds kLong{30'000};

ProcessorOptions quick_options() {
  ProcessorOptions options;
  options.batch.max_records = 50;
  options.first_pause_ms = 5;
  options.longest_pause_ms = 50;
  return options;
}

class ProcessorTest : public LogToWarehouse {
 protected:
  explicit ProcessorTest(std::int32_t partitions = 1) : LogToWarehouse(partitions) {
    warehouse::WarehouseOptions options;
    options.url = database_.url();
    auto opened = warehouse::Warehouse::open(options, world_.clock, world_.random);
    EXPECT_TRUE(opened) << opened.error().message;
    if (opened) warehouse_ = std::move(*opened);
  }
  std::unique_ptr<log::Membership> join() { return log_->join("warehouse").value(); }
  std::unique_ptr<Processor> start() {
    return std::make_unique<Processor>(quick_options(), warehouse_sink(*log_, *warehouse_), *log_,
                                       join(), world_.clock, world_.metrics);
  }
  bool writer_waits() {
    return eventually([&] {
      return ask("select count(*) from pg_stat_activity where datname = current_database() and "
                 "application_name = 'tillrace processor' and wait_event_type = 'Lock'") != "0";
    });
  }
  std::string counts() {
    return ask(
        "select sum(next_offset), sum(inserted), sum(replaced), sum(repeated), sum(rejected) "
        "from stream.checkpoint");
  }

  std::unique_ptr<warehouse::Warehouse> warehouse_;
};

class FourPartitionsTest : public ProcessorTest {
 protected:
  FourPartitionsTest() : ProcessorTest(4) {}
};

TEST_F(ProcessorTest, WritesWhatIsThereAndWhatComes) {
  append_events(120);
  auto processor = start();
  append_events(30);
  ASSERT_TRUE(processor->catch_up(kLong));
  append_events(1);
  ASSERT_TRUE(processor->catch_up(kLong));
  EXPECT_EQ(counts(), "151|151|0|0|0");
  EXPECT_EQ(processor->lags(), (std::vector<Lag>{{{0}, 0}}));
  EXPECT_TRUE(processor->health().is_writing);
  EXPECT_EQ(processor->health().problem, "");
}

TEST_F(ProcessorTest, CatchUpTellsWhenTheTimeWasTooShort) {
  append_events(10);
  ASSERT_TRUE(connection_.execute("begin; lock table shop.invoice in share mode"));
  auto processor = start();
  EXPECT_FALSE(processor->catch_up(milliseconds{150}));
  EXPECT_EQ(processor->lags(), (std::vector<Lag>{{{0}, 10}}));
  ASSERT_TRUE(connection_.execute("commit"));
  EXPECT_TRUE(processor->catch_up(kLong));
}

TEST_F(ProcessorTest, StopFinishesTheBatchInHandAndNoMore) {
  append_events(120);
  std::unique_ptr<Processor> processor;
  auto other = database_.connect();  // its lock goes before the processor, should the test fail
  ASSERT_TRUE(other.execute("begin; lock table shop.invoice in share mode"));
  processor = start();
  ASSERT_TRUE(writer_waits());
  auto stopping = named_thread("stop", [&](const std::stop_token&) { processor->stop(); });
  warehouse::pause_ms(100);
  ASSERT_TRUE(other.execute("commit"));
  stopping.join();
  EXPECT_EQ(counts(), "50|50|0|0|0");
  processor->stop();
  append_events(1);
  EXPECT_FALSE(processor->catch_up(milliseconds{50}));
  processor.reset();
  EXPECT_TRUE(start()->catch_up(kLong));
  EXPECT_EQ(counts(), "121|121|0|0|0");
}

TEST_F(ProcessorTest, AContradictionStopsItLoudlyAndForGood) {
  append_events(5);
  set_mark(9, log_->id());
  auto processor = start();
  ASSERT_TRUE(eventually([&] { return processor->health().has_stopped; }));
  Health health = processor->health();
  EXPECT_FALSE(health.is_writing);
  EXPECT_THAT(health.problem, HasSubstr("9"));
  EXPECT_EQ(world_.metric("tillrace_processor_waiting{sink=\"warehouse\"}"), 1);
  append_events(20);
  EXPECT_FALSE(processor->catch_up(milliseconds{100}));
  EXPECT_TRUE(processor->health().has_stopped) << "though the log reaches the mark now";
  EXPECT_EQ(line_count(), "0");
}

TEST_F(ProcessorTest, FlushedMarksAreThoseOfTheWarehouse) {
  append_events(7);
  auto processor = start();
  ASSERT_TRUE(processor->catch_up(kLong));
  EXPECT_EQ(flushed_marks(*log_, *warehouse_).value(), std::vector<Offset>{{7}});
}

TEST_F(FourPartitionsTest, APartitionThatTheWarehouseHasNotSeenHasTheMarkZero) {
  append_events(200);
  set_mark(3, log_->id(), 2);
  std::unique_ptr<Processor> processor;
  auto other = database_.connect();
  ASSERT_TRUE(other.execute("begin; lock table shop.invoice in share mode"));  // none is written
  processor = start();
  auto marks = flushed_marks(*log_, *warehouse_);
  ASSERT_TRUE(marks) << marks.error().message;
  EXPECT_EQ(*marks, (std::vector<Offset>{{0}, {0}, {3}, {0}}));
  ASSERT_TRUE(other.execute("commit"));
}

TEST_F(ProcessorTest, FlushedMarksOfAnotherLogAreCorrupt) {
  set_mark(0, "0190e6a8-0000-7000-8000-000000000002");
  EXPECT_EQ(flushed_marks(*log_, *warehouse_).error().code, Code::corrupt);
}

TEST_F(ProcessorTest, AFlushedMarkBeyondTheLogsEndIsCorrupt) {
  append_events(5);
  set_mark(6, log_->id());
  auto marks = flushed_marks(*log_, *warehouse_);
  ASSERT_FALSE(marks);
  EXPECT_EQ(marks.error().code, Code::corrupt);
  EXPECT_THAT(marks.error().message, HasSubstr("is 6, and the log ends at 5"));
}

TEST_F(ProcessorTest, AFlushedMarkOfAPartitionThatIsNotThereIsRefused) {
  set_mark(0, log_->id(), 3);
  EXPECT_EQ(flushed_marks(*log_, *warehouse_).error().code, Code::not_found);
}

// Has a mark when it is told so.
class ToldLoop final : public Loop {
 public:
  explicit ToldLoop(const std::atomic<bool>& has_mark) : has_mark_(has_mark) {}
  Status run_once(milliseconds, const std::stop_token&) override {
    SystemClock().sleep_for(milliseconds(5));
    return {};
  }
  std::optional<Offset> mark() const override {
    return has_mark_ ? std::optional(Offset{7}) : std::nullopt;
  }
  void leave() override {}

 private:
  const std::atomic<bool>& has_mark_;
};

TEST_F(FourPartitionsTest, ASinkHasBegunAndTellsItsMarksWhenAllOfThemAreKnown) {
  std::array<std::atomic<bool>, 4> has_mark = {true, true, true, false};
  std::atomic<int> begun = 0;
  SinkKind kind{.name = "told"};
  kind.open_loop = [&](Partition partition) {
    return std::make_unique<ToldLoop>(has_mark[static_cast<std::size_t>(partition.value)]);
  };
  kind.has_begun = [&] { ++begun; };
  Processor processor({}, kind, *log_, log_->join("told").value(), world_.clock, world_.metrics);
  SystemClock().sleep_for(milliseconds(1'500));  // it looks once a second
  EXPECT_EQ(begun, 0);
  EXPECT_EQ(processor.marks().error().code, Code::unavailable);
  has_mark[3] = true;
  EXPECT_TRUE(eventually([&] { return begun > 0; }));
  EXPECT_EQ(processor.marks().value(), std::vector<Offset>(4, Offset{7}));
  has_mark[0] = false;  // as while a store is away: what it told stays
  EXPECT_EQ(processor.marks().value(), std::vector<Offset>(4, Offset{7}));
}

TEST_F(FourPartitionsTest, EachPartitionIsWrittenOnce) {
  auto processor = start();
  for (int i = 0; i < 10; ++i) append_events(60);
  ASSERT_TRUE(processor->catch_up(kLong));
  EXPECT_EQ(counts(), "600|600|0|0|0");
  EXPECT_EQ(ask("select count(*) from stream.checkpoint where inserted > 0"), "4");
  EXPECT_EQ(warehouse::faults(connection_), "");
}

TEST_F(FourPartitionsTest, APartitionThatStopsLeavesTheOthersAtWork) {
  set_mark(1'000'000, log_->id(), 2);
  append_events(200);
  auto processor = start();
  ASSERT_TRUE(eventually([&] { return processor->health().has_stopped; }));
  std::int64_t of_two = log_->end(Partition{2})->value;
  EXPECT_GT(of_two, 0);
  EXPECT_TRUE(eventually([&] { return line_count() == std::to_string(200 - of_two); }));
  EXPECT_EQ(world_.metric("tillrace_processor_waiting{sink=\"warehouse\"}"), 1);
  EXPECT_FALSE(processor->catch_up(milliseconds{50}));
}

TEST_F(FourPartitionsTest, TwoProcessorsAtOnceWriteEachRecordOnce) {
  auto first = start();
  Metrics metrics;
  auto second = std::make_unique<Processor>(quick_options(), warehouse_sink(*log_, *warehouse_),
                                            *log_, join(), world_.clock, metrics);
  for (int i = 0; i < 20; ++i) append_events(40);
  EXPECT_TRUE(eventually([&] { return line_count() == "800"; }));
  EXPECT_FALSE(first->health().has_stopped);
  EXPECT_FALSE(second->health().has_stopped);
  first->stop();
  second->stop();
  EXPECT_EQ(counts(), "800|800|0|0|0");
  EXPECT_EQ(warehouse::faults(connection_), "");
}

TEST_F(ProcessorTest, SessionsEndedAgainAndAgainLoseAndDoubleNothing) {
  auto processor = start();
  for (int i = 0; i < 40; ++i) {
    append_events(50);
    ask("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = "
        "current_database() "
        "and application_name = 'tillrace processor'");
    warehouse::pause_ms(5 + i % 7);
  }
  ASSERT_TRUE(processor->catch_up(kLong));
  EXPECT_EQ(counts(), "2000|2000|0|0|0");
  EXPECT_TRUE(eventually([&] { return processor->health().is_writing; }));
  EXPECT_EQ(warehouse::faults(connection_), "");
}

// With a server of its own, which can be taken away.
class ProcessorAndServerTest : public testing::Test {
 protected:
  void append_events(int count) {
    std::vector<Record> records;
    for (int i = 0; i < count; ++i)
      records.push_back(event_record(std::to_string(next_invoice_++)));
    ASSERT_TRUE(log_->append_and_wait(std::move(records)));
  }
  void open(const warehouse::WarehouseOptions& options) {
    auto opened = warehouse::Warehouse::open(options, world_.clock, world_.random);
    ASSERT_TRUE(opened) << opened.error().message;
    warehouse_ = std::move(*opened);
    processor_ =
        std::make_unique<Processor>(quick_options(), warehouse_sink(*log_, *warehouse_), *log_,
                                    log_->join("warehouse").value(), world_.clock, world_.metrics);
  }
  void expect_each_once(int count) {
    // A killed server may answer a little longer, and then take back what it was last given.
    EXPECT_TRUE(eventually([&] {
      auto connection = warehouse::Connection::open(warehouse_->url());
      return connection &&
             ask(*connection, "select count(*) from shop.invoice_line") == std::to_string(count);
    }));
    EXPECT_TRUE(processor_->catch_up(kLong));
    EXPECT_TRUE(processor_->health().is_writing) << processor_->health().problem;
    auto connection = warehouse::Connection::open(warehouse_->url());
    ASSERT_TRUE(connection) << connection.error().message;
    EXPECT_EQ(
        ask(*connection, "select next_offset, inserted, replaced, repeated from stream.checkpoint"),
        fmt::format("{0}|{0}|0|0", count));
    EXPECT_EQ(ask(*connection, "select count(*) from shop.invoice_line"), std::to_string(count));
    EXPECT_EQ(warehouse::faults(*connection), "");
  }

  ScratchFolder log_folder_;
  World world_;
  std::unique_ptr<log::Log> log_ = world_.open(log::options_in(log_folder_.path()));
  std::unique_ptr<warehouse::Warehouse> warehouse_;
  std::unique_ptr<Processor> processor_;
  int next_invoice_ = 1;
};

TEST_F(ProcessorAndServerTest, AForeignServerThatGoesIsWaitedForAndSaidSo) {
  warehouse::TestFolder folder;
  warehouse::copy_template_cluster(folder / "postgres");
  // Ports of its own: it must come back where it was, whatever tests run beside this one.
  SeededRandom random(static_cast<std::uint64_t>(::getpid()));
  auto start_server = [&] {
    auto started = warehouse::Cluster::start(warehouse::test_options(folder / "postgres"),
                                             world_.clock, random);
    EXPECT_TRUE(started) << started.error().message;
    return std::move(*started);
  };
  auto server = start_server();
  warehouse::WarehouseOptions options;
  options.url = server->url();
  open(options);
  append_events(60);
  expect_each_once(60);

  ASSERT_TRUE(server->stop());
  append_events(60);
  ASSERT_TRUE(eventually([&] { return !processor_->health().is_writing; }));
  EXPECT_FALSE(processor_->health().has_stopped);
  EXPECT_NE(processor_->health().problem, "");
  EXPECT_EQ(world_.metric("tillrace_processor_waiting{sink=\"warehouse\"}"), 1);
  EXPECT_FALSE(processor_->catch_up(milliseconds{100}));
  EXPECT_EQ(processor_->lags(), (std::vector<Lag>{{{0}, 60}}));
  EXPECT_EQ(flushed_marks(*log_, *warehouse_).error().code, Code::unavailable);

  server.reset();
  server = start_server();
  expect_each_once(120);
  // Rows are visible a moment before the loop says so.
  EXPECT_TRUE(eventually(
      [&] { return world_.metric("tillrace_processor_waiting{sink=\"warehouse\"}") == 0; }));
  processor_.reset();
}

TEST_F(ProcessorAndServerTest, APrivateServerThatIsKilledIsBroughtBack) {
  warehouse::TestFolder folder;
  warehouse::copy_template_cluster(folder / "postgres");
  warehouse::WarehouseOptions options;
  options.cluster = warehouse::test_options(folder / "postgres");
  open(options);
  int events = 0;
  for (int round = 0; round < 3; ++round) {
    auto facts = warehouse::Cluster::find(folder / "postgres");
    ASSERT_TRUE(facts) << facts.error().message;
    for (int i = 0; i < 10; ++i, events += 40) {
      append_events(40);
      if (i == 3 + round) {
        ASSERT_EQ(::kill(facts->server_pid, SIGKILL), 0);
      }
    }
    expect_each_once(events);
  }
  processor_.reset();
  warehouse_.reset();
}

TEST_F(ProcessorAndServerTest, APrivateServerThatCannotStartForAWhileIsBroughtBackWhenItCan) {
  warehouse::TestFolder folder;
  warehouse::copy_template_cluster(folder / "postgres");
  warehouse::WarehouseOptions options;
  options.cluster = warehouse::test_options(folder / "postgres");
  open(options);
  append_events(40);
  expect_each_once(40);
  auto facts = warehouse::Cluster::find(folder / "postgres");
  ASSERT_TRUE(facts) << facts.error().message;
  auto local_conf = facts->log_file.parent_path() / "local.conf";
  std::ofstream(local_conf) << "no_such_setting = on\n";
  ASSERT_EQ(::kill(facts->server_pid, SIGKILL), 0);
  append_events(40);
  EXPECT_TRUE(eventually([&] {
    auto words = read_file(facts->log_file);
    return words && words->find("no_such_setting") != std::string::npos;
  }));
  EXPECT_FALSE(processor_->health().is_writing);
  std::filesystem::remove(local_conf);
  expect_each_once(80);
  processor_.reset();
  warehouse_.reset();
}

}  // namespace
}  // namespace tillrace::processor
