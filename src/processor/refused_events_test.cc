// Events that PostgreSQL refuses: found and put aside one by one, and nothing else is blamed on an
// event.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread.h"
#include "processor/garbage_for_tests.h"

namespace tillrace::processor {
namespace {

using testing::HasSubstr;

class RefusedEventsTest : public LogToWarehouse {
 protected:
  PartitionLoop make_loop(BatchLimits limits = {}) {
    return PartitionLoop(Partition{0}, limits, TimeZone(), *log_, warehouse_sink(*log_, reached_),
                         world_.clock, world_.metrics);
  }
  static Status run(PartitionLoop& loop) {
    return loop.run_once(std::chrono::milliseconds{0}, std::stop_token());
  }
  // Until nothing is left, or something fails. Tells how many steps it took.
  int run_all(PartitionLoop& loop) {
    Offset end = log_->end(Partition{0}).value();
    int steps = 0;
    while (!loop.mark() || *loop.mark() < end) {
      ++steps;
      Status done = run(loop);
      EXPECT_TRUE(done) << done.error().message;
      if (!done) break;
    }
    return steps;
  }
  void sql(const std::string& text) {
    Status done = connection_.execute(text);
    ASSERT_TRUE(done) << done.error().message;
  }
  // A shop that takes no line of the product POISON.
  void refuse_poison() {
    sql("alter table shop.invoice_line add constraint no_poison check (stock_code <> 'POISON')");
  }
  // A trigger on the lines that raises `sqlstate` for the product POISON; `always`, since the
  // processor's session passes over others (shop.hold_references).
  void raise_for_poison(const std::string& sqlstate) {
    sql(
        fmt::format("create function shop.no_poison() returns trigger language plpgsql as $$ begin "
                    "if new.stock_code = 'POISON' then raise exception 'poison' using errcode = "
                    "'{}'; end if; return new; end $$;"
                    "create trigger no_poison before insert on shop.invoice_line "
                    "for each row execute function shop.no_poison();"
                    "alter table shop.invoice_line enable always trigger no_poison",
                    sqlstate));
  }
  Record poison(const std::string& invoice_no) {
    Record record = event_record(invoice_no);
    std::size_t at = record.value.find("85123A");
    record.value.replace(at, 6, "POISON");
    return record;
  }
  // `count` events of which those at `places` are poison.
  void append_with_poison(int count, const std::vector<int>& places) {
    std::vector<Record> records;
    for (int i = 0; i < count; ++i) {
      std::string no = std::to_string(next_invoice_++);
      bool bad = std::find(places.begin(), places.end(), i) != places.end();
      records.push_back(bad ? poison(no) : event_record(no));
    }
    append(std::move(records));
  }
  std::string rejected_offsets() {
    return ask("select string_agg(\"offset\"::text, ',' order by \"offset\") from stream.rejected");
  }
  std::string counts() {
    return ask("select next_offset, inserted, replaced, repeated, rejected from stream.checkpoint");
  }
};

TEST_F(RefusedEventsTest, OnePoisonEventIsPutAsideWithPostgresqlsReasonAndTheRestGoesIn) {
  refuse_poison();
  append_with_poison(100, {37});
  PartitionLoop loop = make_loop();
  EXPECT_LE(run_all(loop), 16);
  EXPECT_EQ(counts(), "100|99|0|0|1");
  EXPECT_EQ(line_count(), "99");
  EXPECT_EQ(ask("select \"offset\", kind, coalesce(field, '-'), convert_from(key, 'UTF8') from "
                "stream.rejected"),
            "37|refused|-|536402");
  EXPECT_THAT(ask("select reason from stream.rejected"), HasSubstr("no_poison"));
  EXPECT_THAT(ask("select reason from stream.rejected"),
              HasSubstr("Failing row contains (536402,"));
  EXPECT_THAT(ask("select reason from stream.rejected"), HasSubstr("PostgreSQL 23514: new row"));
  EXPECT_EQ(ask("select convert_from(value, 'UTF8') from stream.rejected"), poison("536402").value);
  EXPECT_EQ(warehouse::faults(connection_), "");
}

TEST_F(RefusedEventsTest, ManyAtAnyPlaceAreFoundAndNoOtherIsBlamed) {
  refuse_poison();
  for (const std::vector<int>& places : std::vector<std::vector<int>>{
           {0}, {63}, {0, 63}, {0, 1, 2, 3}, {30, 31, 32, 33}, {5, 17, 40, 41, 62}}) {
    std::string before = ask("select coalesce(max(\"offset\"), -1) from stream.rejected");
    std::string first = ask("select coalesce(max(next_offset), 0) from stream.checkpoint");
    append_with_poison(64, places);
    PartitionLoop loop = make_loop();
    run_all(loop);
    std::string expected;
    for (int place : places)
      expected += (expected.empty() ? "" : ",") + std::to_string(std::stoi(first) + place);
    EXPECT_EQ(ask("select string_agg(\"offset\"::text, ',' order by \"offset\") from "
                  "stream.rejected where \"offset\" > " +
                  before),
              expected);
  }
  EXPECT_EQ(ask("select inserted + rejected, rejected from stream.checkpoint"), "384|17");
  EXPECT_EQ(warehouse::faults(connection_), "");
}

TEST_F(RefusedEventsTest, TheWorkForManyIsBounded) {
  refuse_poison();
  std::vector<int> all;
  for (int i = 0; i < 256; ++i) all.push_back(i);
  append_with_poison(256, all);
  PartitionLoop loop = make_loop();
  EXPECT_LE(run_all(loop), 2 * 256);
  EXPECT_EQ(counts(), "256|0|0|0|256");
}

TEST_F(RefusedEventsTest, GarbageAroundAPoisonEventIsRejectedOnceAndForItsOwnReason) {
  refuse_poison();
  std::vector<Record> records;
  for (const Garbage& garbage : all_garbage()) {
    records.push_back(event_record(std::to_string(next_invoice_++)));
    records.push_back(raw_record(garbage.value, records.size()));
    records.push_back(poison(std::to_string(next_invoice_++)));
  }
  std::size_t kinds = records.size() / 3;
  append(std::move(records));
  PartitionLoop loop = make_loop();
  run_all(loop);
  EXPECT_EQ(counts(), fmt::format("{}|{}|0|0|{}", kinds * 3, kinds, kinds * 2));
  EXPECT_EQ(ask("select count(*) from stream.rejected where (\"offset\" % 3 = 2) <> "
                "(kind = 'refused')"),
            "0");
  auto metric = [&](const char* reason) {
    return world_.metric(fmt::format(
        "tillrace_processor_rejected_total{{partition=\"0\",reason=\"{}\",sink=\"warehouse\"}}",
        reason));
  };
  EXPECT_EQ(metric("refused"), static_cast<double>(kinds));
  EXPECT_EQ(metric("too_large"), 1);
  EXPECT_EQ(metric("not_json") + metric("field"), static_cast<double>(kinds - 1));
}

// The last is raised at the commit alone.
TEST_F(RefusedEventsTest, DataErrorsOfEveryKindAreTheEventsFault) {
  raise_for_poison("22012");
  append_with_poison(8, {3});
  PartitionLoop loop = make_loop();
  run_all(loop);
  EXPECT_EQ(rejected_offsets(), "3");
  sql("drop trigger no_poison on shop.invoice_line; create constraint trigger at_commit after "
      "insert on shop.invoice_line deferrable initially deferred for each row execute function "
      "shop.no_poison(); alter table shop.invoice_line enable always trigger at_commit");
  append_with_poison(8, {0, 7});
  run_all(loop);
  EXPECT_EQ(rejected_offsets(), "3,8,15");
  EXPECT_EQ(counts(), "16|13|0|0|3");
  EXPECT_EQ(warehouse::faults(connection_), "");
}

TEST_F(RefusedEventsTest, OtherErrorsAreNeverAnEventsFault) {
  for (const auto& [sqlstate, code] :
       std::vector<std::pair<std::string, Code>>{{"P0001", Code::invalid},
                                                 {"XX000", Code::unavailable},
                                                 {"40001", Code::conflict},
                                                 {"53100", Code::unavailable},
                                                 {"57014", Code::unavailable},
                                                 {"58030", Code::unavailable},
                                                 {"42501", Code::invalid},
                                                 {"0A000", Code::invalid}}) {
    SCOPED_TRACE(sqlstate);
    raise_for_poison(sqlstate);
    append_with_poison(10, {4});
    PartitionLoop loop = make_loop();
    for (int i = 0; i < 3; ++i) {
      Status failed = run(loop);
      ASSERT_FALSE(failed);
      EXPECT_EQ(name(failed.error().code), name(code));
    }
    EXPECT_EQ(ask("select count(*) from stream.rejected"), "0");
    sql("drop trigger no_poison on shop.invoice_line; drop function shop.no_poison()");
    run_all(loop);
  }
  EXPECT_EQ(counts(), "80|80|0|0|0");
}

// As when the process is killed between two halves: another one knows nothing of the search.
TEST_F(RefusedEventsTest, ALoopThatBeginsAnewInTheMiddleOfASearchLosesAndDoublesNothing) {
  refuse_poison();
  append_with_poison(200, {0, 50, 99, 100, 101, 199});
  Offset end = log_->end(Partition{0}).value();
  std::optional<Offset> mark;
  for (int lives = 0; lives < 300 && mark != end; ++lives) {
    PartitionLoop loop = make_loop();
    // A life long enough to come down from 200 lines to one, and another.
    for (int steps = 0; steps < 10; ++steps) {
      ASSERT_TRUE(run(loop));
      mark = loop.mark();
    }
  }
  EXPECT_EQ(rejected_offsets(), "0,50,99,100,101,199");
  EXPECT_EQ(counts(), "200|194|0|0|6");
  EXPECT_EQ(line_count(), "194");
  EXPECT_EQ(warehouse::faults(connection_), "");
}

TEST_F(RefusedEventsTest, ALostSessionInTheMiddleOfASearchLosesAndDoublesNothing) {
  refuse_poison();
  append_with_poison(64, {10, 40});
  PartitionLoop loop = make_loop();
  for (int steps = 0; steps < 500 && loop.mark() != Offset{64}; ++steps) {
    (void)run(loop);
    if (steps % 3 == 0)
      ask("select pg_terminate_backend(pid) from pg_stat_activity where datname = "
          "current_database() and application_name = 'tillrace processor'");
  }
  EXPECT_EQ(counts(), "64|62|0|0|2");
  EXPECT_EQ(rejected_offsets(), "10,40");
}

TEST_F(RefusedEventsTest, ARuleThatNothingMeetsStopsItLoudlyAndNotForGood) {
  sql("alter table shop.invoice_line add constraint nothing check (quantity > 1000)");
  append_events(40);
  PartitionLoop loop = make_loop({.max_refused_in_a_row = 5});
  Status failed;
  for (int steps = 0; steps < 100 && failed; ++steps) failed = run(loop);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::invalid);
  for (const char* said :
       {"refused 5 events in a row", "at offset 5", "nothing", "warehouse.max_refused_in_a_row"})
    EXPECT_THAT(failed.error().message, HasSubstr(said));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(run(loop));
  EXPECT_EQ(counts(), "5|0|0|0|5") << "no more than that is put aside";
  sql("alter table shop.invoice_line drop constraint nothing");
  run_all(loop);
  EXPECT_EQ(counts(), "40|35|0|0|5");
}

TEST_F(RefusedEventsTest, AnEventThatIsTakenBetweenRefusedOnesTellsThatTheRuleCanBeMet) {
  refuse_poison();
  append_with_poison(40, {0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13});
  PartitionLoop loop = make_loop({.max_refused_in_a_row = 5});
  run_all(loop);
  EXPECT_EQ(counts(), "40|28|0|0|12");
}

// As after a restore of some tables and not of others.
TEST_F(RefusedEventsTest, WhatIsRefusedWithoutTheEventTooIsNotTheEventsFault) {
  append_events(3);
  sql(
      fmt::format("insert into stream.batch (topic, partition, batch_no, from_offset, to_offset, "
                  "inserted, replaced, repeated, rejected) values ('{}', 0, 1, 0, 1, 0, 0, 0, 0)",
                  log_->topic()));
  PartitionLoop loop = make_loop();
  Status failed;
  for (int steps = 0; steps < 20 && failed; ++steps) failed = run(loop);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("batch_pkey"));
  EXPECT_EQ(ask("select count(*) from stream.rejected"), "0");
  EXPECT_EQ(line_count(), "0");
  sql("delete from stream.batch");
  run_all(loop);
  EXPECT_EQ(counts(), "3|3|0|0|0");
}

class TwoPartitionsTest : public LogToWarehouse {
 protected:
  TwoPartitionsTest() : LogToWarehouse(2) {}

  PartitionLoop make_loop(std::int32_t partition) {
    return PartitionLoop(Partition{partition}, {}, TimeZone(), *log_,
                         warehouse_sink(*log_, reached_), world_.clock, world_.metrics);
  }
  // Into this partition, whatever the invoice: as of a client with a partitioner of its own.
  Record foreign_record(std::int32_t partition, const std::string& invoice_no, int line_no) {
    Record record = event_record(invoice_no, line_no);
    for (int i = 0; Partition{partition} != partition_of(record.key, 2); ++i)
      record.key = "key-" + std::to_string(i);
    return record;
  }
  // Runs both at the same time until nothing is left.
  void run_both() {
    std::vector<std::jthread> threads;
    for (std::int32_t partition : {0, 1}) {
      threads.push_back(named_thread("loop", [this, partition](const std::stop_token& stop) {
        PartitionLoop loop = make_loop(partition);
        Offset end = log_->end(Partition{partition}).value();
        for (int i = 0; i < 200 && loop.mark() != end; ++i)
          (void)loop.run_once(std::chrono::milliseconds{0}, stop);
        EXPECT_EQ(loop.mark(), end);
      }));
    }
  }
};

TEST_F(TwoPartitionsTest, TheLinesOfOneInvoiceInTwoPartitionsAllGoIn) {
  for (int round = 0; round < 20; ++round) {
    std::string no = std::to_string(next_invoice_++);
    append({foreign_record(0, no, 1), foreign_record(1, no, 2), foreign_record(0, no, 3),
            foreign_record(1, no, 3)});
    run_both();
  }
  EXPECT_EQ(ask("select count(*) from stream.rejected"), "0");
  EXPECT_EQ(line_count(), "60");
  EXPECT_EQ(ask("select sum(inserted), sum(repeated) from stream.checkpoint"), "60|20");
  EXPECT_EQ(warehouse::faults(connection_), "");
}

// The first writer is held when it has added the invoice, so that the second must wait for it.
TEST_F(TwoPartitionsTest, ALoneLineThatMeetsAnotherWriterIsNotBlamed) {
  append({foreign_record(0, "1", 1), foreign_record(1, "1", 2)});
  ASSERT_TRUE(connection_.execute(
      "begin; lock table report.product_sales_part in share row exclusive mode"));
  auto release = named_thread("release", [this](const std::stop_token&) {
    warehouse::Connection watching = database_.connect();
    EXPECT_TRUE(eventually([&] {
      return warehouse::ask(watching,
                            "select count(*) from pg_stat_activity where datname = "
                            "current_database() and wait_event_type = 'Lock'") == "2";
    }));
    EXPECT_TRUE(connection_.execute("commit"));
  });
  run_both();
  release.join();
  EXPECT_EQ(ask("select count(*) from stream.rejected"), "0");
  EXPECT_EQ(line_count(), "2");
  EXPECT_EQ(ask("select count(*) from shop.invoice"), "1");
  EXPECT_EQ(warehouse::faults(connection_), "");
}

}  // namespace
}  // namespace tillrace::processor
