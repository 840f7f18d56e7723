// Several processors on one topic, whatever their group hands out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "processor/group_for_tests.h"
#include "processor/processor.h"
#include "processor/processor_for_tests.h"

namespace tillrace::processor {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using Partitions = std::vector<Partition>;

constexpr milliseconds kLong{30'000};

// A processor with what it counts, and what its group gives it.
struct Member {
  HandOuts group;
  Metrics metrics;
  std::unique_ptr<Processor> processor;

  double conflicts(int partition) {
    return metrics
        .counter(
            "tillrace_processor_failed_total", "",
            {{"sink", "warehouse"}, {"partition", std::to_string(partition)}, {"code", "conflict"}})
        .value();
  }
  double lag_metric(int partition) {
    return metrics
        .gauge("tillrace_processor_lag_records", "",
               {{"sink", "warehouse"}, {"partition", std::to_string(partition)}})
        .value();
  }
  double held_metric() {
    return metrics.gauge("tillrace_processor_partitions", "", {{"sink", "warehouse"}}).value();
  }
};

class ProcessorGroupTest : public LogToWarehouse {
 protected:
  ProcessorGroupTest() : LogToWarehouse(4) {
    warehouse::WarehouseOptions options;
    options.url = database_.url();
    warehouse_ = warehouse::Warehouse::open(options, world_.clock, world_.random).value();
  }
  // `max_records`: of a batch.
  std::unique_ptr<Member> join(Partitions partitions, std::size_t max_records = 50) {
    auto member = std::make_unique<Member>();
    member->group.give(std::move(partitions));
    ProcessorOptions options;
    options.batch.max_records = max_records;
    options.first_pause_ms = 5;
    options.longest_pause_ms = 50;
    member->processor = std::make_unique<Processor>(
        options, warehouse_sink(*log_, *warehouse_), *log_,
        std::make_unique<HandedOut>(member->group), world_.clock, member->metrics);
    return member;
  }
  std::int64_t end(int partition) { return log_->end(Partition{partition})->value; }
  std::string mark(int partition) {
    return ask(fmt::format(
        "select coalesce((select next_offset from stream.checkpoint where partition = {}), 0)",
        partition));
  }
  bool comes_to(int partition) {
    return warehouse::eventually([&] { return mark(partition) == std::to_string(end(partition)); });
  }
  // Holds every batch up from its first row on, until the connection commits.
  warehouse::Connection hold_batches() {
    auto holder = database_.connect();
    EXPECT_TRUE(holder.execute("begin; lock table shop.invoice in share mode"));
    return holder;
  }
  bool batches_wait(int count) {
    return warehouse::eventually([&] {
      return ask("select count(*) from pg_stat_activity where datname = current_database() and "
                 "application_name = 'tillrace processor' and wait_event_type = 'Lock'") ==
             std::to_string(count);
    });
  }
  void expect_each_once(int count) {
    EXPECT_EQ(ask("select sum(next_offset), sum(inserted), sum(replaced), sum(repeated), "
                  "sum(rejected) from stream.checkpoint"),
              fmt::format("{0}|{0}|0|0|0", count));
    EXPECT_EQ(line_count(), std::to_string(count));
    EXPECT_EQ(warehouse::faults(connection_), "");
  }

  std::unique_ptr<warehouse::Warehouse> warehouse_;
};

TEST_F(ProcessorGroupTest, WhatNobodyHoldsIsNotRead) {
  append_events(200);
  auto member = join({});
  EXPECT_TRUE(member->processor->catch_up(milliseconds{0}));
  EXPECT_EQ(member->processor->lags(), std::vector<Lag>{});
  member->group.give({{1}});
  EXPECT_TRUE(comes_to(1));
  EXPECT_EQ(line_count(), std::to_string(end(1)));
  EXPECT_EQ(member->held_metric(), 1);
}

TEST_F(ProcessorGroupTest, APartitionThatIsGivenAwayIsLeftAndItsLagToldNoMore) {
  auto member = join({{0}, {2}});
  append_events(200);
  ASSERT_TRUE(comes_to(0) && comes_to(2));
  member->group.give({{2}});
  ASSERT_TRUE(warehouse::eventually([&] {
    return member->processor->lags() == std::vector<Lag>{{{2}, 0}};
  }));
  std::string zero = mark(0);
  append_events(200);
  ASSERT_TRUE(comes_to(2));
  EXPECT_EQ(mark(0), zero);
  EXPECT_EQ(member->lag_metric(0), 0);
}

TEST_F(ProcessorGroupTest, TheGroupIsToldHowFarThePartitionsAre) {
  append_events(200);
  auto member = join({{0}, {1}, {2}, {3}});
  ASSERT_TRUE(member->processor->catch_up(kLong));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(member->group.reported({i}).value, end(i));
}

TEST_F(ProcessorGroupTest, ABatchInHandIsFinishedWhenItsPartitionIsGivenAway) {
  append_events(200);
  auto holder = hold_batches();
  auto member = join({{0}}, 10);
  ASSERT_TRUE(batches_wait(1));
  member->group.give({});
  warehouse::pause_ms(50);
  ASSERT_TRUE(holder.execute("commit"));
  ASSERT_TRUE(warehouse::eventually([&] { return member->processor->lags().empty(); }));
  EXPECT_EQ(mark(0), "10");
}

TEST_F(ProcessorGroupTest, APartitionThatComesBackWithABatchStillInHandGoesOn) {
  append_events(200);
  auto holder = hold_batches();
  auto member = join({{0}, {1}}, 10);
  ASSERT_TRUE(batches_wait(2));
  member->group.give({});
  warehouse::pause_ms(50);
  member->group.give({{0}, {1}, {2}});
  EXPECT_TRUE(batches_wait(3)) << "a partition waits for another's former worker";
  ASSERT_TRUE(holder.execute("commit"));
  EXPECT_TRUE(comes_to(0) && comes_to(1) && comes_to(2));
}

TEST_F(ProcessorGroupTest, AGroupOutOfReachIsToldAndNothingStops) {
  auto member = join({{0}, {1}, {2}, {3}});
  member->group.be_out_of_reach(true);
  ASSERT_TRUE(warehouse::eventually([&] { return !member->processor->health().is_writing; }));
  EXPECT_THAT(member->processor->health().problem, HasSubstr("out of reach"));
  EXPECT_FALSE(member->processor->health().has_stopped);
  append_events(100);
  EXPECT_TRUE(member->processor->catch_up(kLong));
  member->group.be_out_of_reach(false);
  EXPECT_TRUE(warehouse::eventually([&] { return member->processor->health().is_writing; }));
  expect_each_once(100);
}

TEST_F(ProcessorGroupTest, TheLagOfAPartitionGrowsWhileItsWarehouseIsAway) {
  append_events(100);
  auto member = join({{0}});
  ASSERT_TRUE(comes_to(0));
  std::int64_t before = end(0);
  ASSERT_TRUE(connection_.execute("alter table stream.batch rename to away"));
  append_events(100);
  EXPECT_TRUE(warehouse::eventually(
      [&] { return member->lag_metric(0) == static_cast<double>(end(0) - before); }));
  append_events(100);
  EXPECT_TRUE(warehouse::eventually(
      [&] { return member->lag_metric(0) == static_cast<double>(end(0) - before); }));
  ASSERT_TRUE(connection_.execute("alter table stream.away rename to batch"));
  EXPECT_TRUE(comes_to(0));
}

// Each conflict is a batch that was read and copied in vain.
TEST_F(ProcessorGroupTest, TwoThatHoldOnePartitionDoNotSpinAgainstEachOther) {
  auto first = join({{0}}, 1);
  auto second = join({{0}}, 1);
  auto began = world_.clock.monotonic();
  for (int i = 0; i < 40; ++i) {
    append_events(10);
    warehouse::pause_ms(10);
  }
  ASSERT_TRUE(comes_to(0));
  auto took_ms = std::chrono::duration<double, std::milli>(world_.clock.monotonic() - began);
  double conflicts = first->conflicts(0) + second->conflicts(0);
  EXPECT_LE(conflicts, 2 * took_ms.count() / 5) << "more than one in each first pause";
  double settled = conflicts;
  warehouse::pause_ms(200);
  EXPECT_LE(first->conflicts(0) + second->conflicts(0), settled + 2) << "at the log's end";
  EXPECT_EQ(ask("select inserted, repeated from stream.checkpoint"), fmt::format("{}|0", end(0)));
}

TEST_F(ProcessorGroupTest, WhateverIsHandedOutEachRecordIsWrittenOnce) {
  SeededRandom random(20261125);
  auto some = [&random] {
    Partitions partitions;
    for (int i = 0; i < 4; ++i)
      if (random.below(2) == 0) partitions.push_back({i});
    return partitions;
  };
  auto first = join(some(), 7);
  auto second = join(some(), 13);
  for (int i = 0; i < 60; ++i) {
    append_events(20);
    first->group.give(some());
    second->group.give(some());
    warehouse::pause_ms(static_cast<int>(random.below(30)));
  }
  first->group.give({{0}, {1}});
  second->group.give({{2}, {3}});
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(comes_to(i));
  EXPECT_FALSE(first->processor->health().has_stopped);
  EXPECT_FALSE(second->processor->health().has_stopped);
  expect_each_once(1'200);
}

TEST_F(ProcessorGroupTest, AMemberThatLeavesHasFinishedItsBatches) {
  append_events(200);
  auto member = join({{0}, {1}, {2}, {3}}, 10);
  ASSERT_TRUE(warehouse::eventually([&] { return line_count() != "0"; }));
  member.reset();
  EXPECT_EQ(ask("select count(*) from pg_stat_activity where datname = current_database() and "
                "application_name = 'tillrace processor' and state <> 'idle'"),
            "0");
  auto next = join({{0}, {1}, {2}, {3}});
  ASSERT_TRUE(next->processor->catch_up(kLong));
  expect_each_once(200);
}

}  // namespace
}  // namespace tillrace::processor
