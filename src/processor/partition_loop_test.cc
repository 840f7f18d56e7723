#include "processor/partition_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread.h"
#include "processor/decode.h"
#include "processor/log_with_holes_for_tests.h"
#include "processor/processor_for_tests.h"

namespace tillrace::processor {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class PartitionLoopTest : public LogToWarehouse {
 protected:
  PartitionLoop make_loop(BatchLimits limits = {}) {
    return PartitionLoop(Partition{0}, limits, TimeZone(), *log_, warehouse_sink(*log_, reached_),
                         world_.clock, world_.metrics);
  }
  static Status run(PartitionLoop& loop, milliseconds patience = milliseconds{0}) {
    return loop.run_once(patience, std::stop_token());
  }
  // Until nothing is left.
  void run_all(PartitionLoop& loop) {
    Offset end = log_->end(Partition{0}).value();
    for (int i = 0; i < 100 && loop.mark() < end; ++i) {
      Status done = run(loop);
      ASSERT_TRUE(done) << done.error().message;
    }
    EXPECT_EQ(loop.mark(), end);
  }
  // What another writer does, from its own mark to `to`.
  void write_elsewhere(std::int64_t from, std::int64_t to) {
    auto fetched =
        log_->read(Partition{0}, Offset{from}, {static_cast<std::size_t>(to - from), 1 << 20});
    ASSERT_TRUE(fetched);
    warehouse::Batch batch{log_->topic(), Partition{0}, log_->id(), Offset{from},
                           fetched->next, {},           {}};
    EventParser parser{TimeZone()};
    decode(std::move(fetched->records), parser, batch);
    auto counts = warehouse::BatchWriter(database_.url()).apply(batch);
    ASSERT_TRUE(counts) << counts.error().message;
  }
  // A log whose retention has been at work; tells where it starts now.
  std::int64_t drop_the_beginning() {
    log::EmbeddedLogOptions options = log::options_in(folder_.path() / "log");
    options.topic = "small";
    options.write_buffer_bytes = 64 << 10;
    log_ = world_.open(options);
    for (int tries = 0; tries < 100 && log_->first(Partition{0})->value == 0; ++tries) {
      append_events(500);
      EXPECT_TRUE(log_->retain(Partition{0}, *log_->end(Partition{0}), {1, 0, 0}));
    }
    EXPECT_GT(log_->first(Partition{0})->value, 0);
    return log_->first(Partition{0})->value;
  }
  void expect_each_once(int count) {
    EXPECT_EQ(line_count(), std::to_string(count));
    EXPECT_EQ(ask("select next_offset, inserted, replaced, repeated from stream.checkpoint"),
              fmt::format("{0}|{0}|0|0", count));
    EXPECT_EQ(warehouse::faults(connection_), "");
  }
};

TEST_F(PartitionLoopTest, WritesWhatTheLogHas) {
  append_events(30);
  PartitionLoop loop = make_loop();
  EXPECT_FALSE(loop.mark());
  ASSERT_TRUE(run(loop));
  EXPECT_EQ(loop.mark(), Offset{30});
  expect_each_once(30);
}

TEST_F(PartitionLoopTest, AnotherLoopGoesOnWhereTheFirstEnded) {
  append_events(5);
  {
    PartitionLoop first = make_loop();
    ASSERT_TRUE(run(first));
  }
  append_events(5);
  PartitionLoop second = make_loop();
  ASSERT_TRUE(run(second));
  expect_each_once(10);
  EXPECT_EQ(ask("select from_offset, to_offset from stream.batch order by 1"), "0|5\n5|10");
}

TEST_F(PartitionLoopTest, WaitsForRecordsNoLongerThanItsPatience) {
  PartitionLoop loop = make_loop();
  auto started = world_.clock.monotonic();
  ASSERT_TRUE(run(loop, milliseconds{120}));
  EXPECT_GE(world_.clock.monotonic() - started, milliseconds{100});
  EXPECT_EQ(ask("select count(*) from stream.batch"), "0") << "nothing is no batch";
}

TEST_F(PartitionLoopTest, ARecordAndAStopEndTheWaiting) {
  PartitionLoop loop = make_loop();
  auto appending = named_thread("append", [this](const std::stop_token&) {
    warehouse::pause_ms(50);
    append_events(1);
  });
  ASSERT_TRUE(run(loop, milliseconds{60'000}));
  ASSERT_TRUE(run(loop));
  expect_each_once(1);
  std::stop_source stop;
  auto stopping = named_thread("stop", [&](const std::stop_token&) {
    warehouse::pause_ms(50);
    stop.request_stop();
  });
  EXPECT_TRUE(loop.run_once(milliseconds{60'000}, stop.get_token()));
}

TEST_F(PartitionLoopTest, AStoppedLogIsReadToItsEndAndIsNoFailure) {
  append_events(3);
  log_->stop();
  PartitionLoop loop = make_loop();
  ASSERT_TRUE(run(loop));
  EXPECT_TRUE(run(loop, milliseconds{60'000}));
  expect_each_once(3);
}

TEST_F(PartitionLoopTest, BatchesEndAtTheLimitOfRecordsAndAreReadAhead) {
  append_events(25);
  PartitionLoop loop = make_loop({.max_records = 10});
  run_all(loop);
  EXPECT_EQ(ask("select from_offset, to_offset from stream.batch order by 1"),
            "0|10\n10|20\n20|25");
  expect_each_once(25);
}

TEST_F(PartitionLoopTest, BatchesEndAtTheLimitOfBytesButHoldOneRecordAtLeast) {
  append_events(5);
  PartitionLoop loop = make_loop({.max_bytes = 1});
  run_all(loop);
  EXPECT_EQ(ask("select count(*), max(to_offset - from_offset) from stream.batch"), "5|1");
  expect_each_once(5);
}

TEST_F(PartitionLoopTest, ARecordThatIsNoEventIsRejectedWithItsReasonAndTheRestGoesOn) {
  append({event_record("1"), raw_record("no JSON"), raw_record(std::string("{\"a\0b", 5)),
          raw_record("\xff\xfe"), raw_record(event_json("1", 1, R"("Quantity":0,"UnitPrice":1)")),
          raw_record(""), event_record("2")});
  PartitionLoop loop = make_loop();
  ASSERT_TRUE(run(loop));
  EXPECT_EQ(ask("select \"offset\", encode(value, 'hex') from stream.rejected where \"offset\" <> "
                "4 order by 1"),
            "1|6e6f204a534f4e\n2|7b22610062\n3|fffe\n5|");
  EXPECT_THAT(ask("select reason from stream.rejected where \"offset\" = 4"),
              HasSubstr("Quantity"));
  EXPECT_EQ(ask("select count(*) from stream.rejected where reason = ''"), "0");
  EXPECT_EQ(line_count(), "2");
  EXPECT_EQ(loop.mark(), Offset{7});
}

// Were one event taken that PostgreSQL refuses, the partition would wait for ever.
TEST_F(PartitionLoopTest, WhateverTheParserTakesTheWarehouseTakes) {
  const std::vector<std::string> odd = {
      R"("Quantity":-2147483648,"UnitPrice":"-999999999999.9999")",
      R"("Quantity":1,"UnitPrice":1e-4,"Description":"a\u0000b")",
      R"("Quantity":1,"UnitPrice":1,"Description":"\ud800")",
      R"("Quantity":1,"UnitPrice":1,"Description":"\ud83c\udffa")",
      R"("Quantity":1,"UnitPrice":1,"Country":"\u0000")",
      R"("Quantity":1,"UnitPrice":1,"Country":"\u0001\u001f\u007f")",
      R"("Quantity":1,"UnitPrice":1,"StockCode":"\u0000")",
      R"("Quantity":1,"UnitPrice":1,"StockCode":"\\N")",
      R"("Quantity":1,"UnitPrice":1,"InvoiceDate":"0001-01-01T00:00+14:00")",
      R"("Quantity":1,"UnitPrice":1,"InvoiceDate":"9999-12-31T23:59:59.999999-12:00")",
      R"("Quantity":1,"UnitPrice":1,"InvoiceDate":"0001-01-01T00:00+23:59")",
      R"("Quantity":1,"UnitPrice":1,"LineNo":2147483647)",
      R"("Quantity":1,"UnitPrice":1,"CustomerID":"")"};
  std::vector<Record> records;
  for (std::size_t i = 0; i < odd.size(); ++i) {
    // The odd field once, and nothing else that would hide it.
    std::string json = R"({"InvoiceNo":"1",)" + odd[i];
    for (std::string field :
         {R"("StockCode":"A")", R"("InvoiceDate":"2010-12-01T08:26")", R"("Country":"UK")"})
      if (odd[i].find(field.substr(0, field.find(':'))) == std::string::npos) json += "," + field;
    records.push_back(raw_record(json + "}", i));
  }
  append(std::move(records));
  PartitionLoop loop = make_loop();
  Status done = run(loop);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(ask("select inserted + rejected from stream.checkpoint"), std::to_string(odd.size()));
  EXPECT_EQ(warehouse::faults(connection_), "");
}

TEST_F(PartitionLoopTest, AMarkMovedByAnotherWriterIsAConflictAfterWhichItGoesOnFromThere) {
  append_events(40);
  PartitionLoop loop = make_loop({.max_records = 10});
  ASSERT_TRUE(run(loop));  // and has read on from 10
  write_elsewhere(10, 25);
  Status conflict = run(loop);
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().code, Code::conflict);
  run_all(loop);
  expect_each_once(40);
  EXPECT_EQ(ask("select from_offset from stream.batch order by 1"), "0\n10\n25\n35");
}

TEST_F(PartitionLoopTest, AMarkMovedToTheEndIsNoWorkLeft) {
  append_events(20);
  PartitionLoop loop = make_loop({.max_records = 10});
  ASSERT_TRUE(run(loop));
  write_elsewhere(10, 20);
  EXPECT_FALSE(run(loop));
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(loop.mark(), Offset{20});
  expect_each_once(20);
}

TEST_F(PartitionLoopTest, AFailureForgetsWhatWasReadAheadAndTheMark) {
  ASSERT_TRUE(connection_.execute(
      fmt::format("alter database {} set lock_timeout = '50ms'", database_.name())));
  append_events(30);
  PartitionLoop loop = make_loop({.max_records = 10});
  ASSERT_TRUE(run(loop));
  ASSERT_TRUE(connection_.execute("begin; lock table shop.invoice in share mode"));
  for (int i = 0; i < 3; ++i) {
    Status failed = run(loop);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::conflict);
    EXPECT_FALSE(loop.mark()) << "unknown";
  }
  ASSERT_TRUE(connection_.execute("commit"));
  EXPECT_EQ(
      world_.metric(
          "tillrace_processor_failed_total{code=\"conflict\",partition=\"0\",sink=\"warehouse\"}"),
      3);
  run_all(loop);
  expect_each_once(30);
}

TEST_F(PartitionLoopTest, ALostSessionBetweenBatchesIsOpenedAgain) {
  append_events(30);
  PartitionLoop loop = make_loop({.max_records = 10});
  ASSERT_TRUE(run(loop));
  ASSERT_EQ(ask("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = "
                "current_database() "
                "and application_name = 'tillrace processor'"),
            "1");
  for (int i = 0; i < 10 && loop.mark() < Offset{30}; ++i) (void)run(loop);
  expect_each_once(30);
}

// What a crashed server was last given may be lost with it, and no event may come for a long time.
TEST_F(PartitionLoopTest, ASessionLostWhileIdleIsNoticedAndTheMarkReadAnew) {
  append_events(3);
  PartitionLoop loop = make_loop();
  ASSERT_TRUE(run(loop));
  ASSERT_TRUE(run(loop));
  ASSERT_TRUE(connection_.execute(
      "delete from shop.invoice_line; delete from shop.invoice; call report.rebuild();"
      "delete from stream.batch; delete from stream.checkpoint;"
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
      "and application_name = 'tillrace processor'"));
  EXPECT_TRUE(eventually([&] {
    (void)run(loop);
    return line_count() == "3";
  }));
  expect_each_once(3);
}

TEST_F(PartitionLoopTest, ALogThatEndsBeforeTheMarkIsCorruption) {
  append_events(5);
  set_mark(6, log_->id());
  PartitionLoop loop = make_loop();
  Status stopped = run(loop);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::corrupt) << stopped.error().message;
  EXPECT_EQ(line_count(), "0");
  append_events(5);  // and catching up makes it no better: what the warehouse has from 5 is not
                     // what lies here
  EXPECT_EQ(ask("select next_offset from stream.checkpoint"), "6");
}

// As of a warehouse that comes from an old backup.
TEST_F(PartitionLoopTest, AMarkBelowWhatTheLogHasDroppedIsCorruptionAndSaysWhatToDo) {
  std::int64_t first = drop_the_beginning();
  set_mark(0, log_->id(), 0, "small");
  PartitionLoop loop = make_loop();
  Status stopped = run(loop);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::corrupt);
  EXPECT_THAT(stopped.error().message, HasSubstr("wants small/0 from offset 0 on"));
  EXPECT_THAT(stopped.error().message, HasSubstr(fmt::format("before {}; restore", first)));
  EXPECT_EQ(line_count(), "0");
}

// As of a warehouse that is new.
TEST_F(PartitionLoopTest, WithoutAnyMarkItBeginsWhereTheLogDoesIfItMay) {
  std::int64_t first = drop_the_beginning(), end = log_->end(Partition{0})->value;
  PartitionLoop refused = make_loop();
  EXPECT_EQ(run(refused).error().code, Code::corrupt);
  PartitionLoop loop(Partition{0}, {.max_records = 300}, TimeZone(), *log_,
                     warehouse_sink(*log_, reached_, LateStart::allowed), world_.clock,
                     world_.metrics);
  run_all(loop);
  EXPECT_EQ(line_count(), std::to_string(end - first));
  EXPECT_EQ(ask("select min(from_offset), max(to_offset) from stream.batch"),
            fmt::format("{}|{}", first, end));
  EXPECT_EQ(ask("select next_offset, inserted from stream.checkpoint"),
            fmt::format("{}|{}", end, end - first));
}

TEST_F(PartitionLoopTest, HolesAloneMoveTheMarkAndTellNoTimeToVisible) {
  append_events(1);
  LogWithHoles holes(*log_, 3);
  PartitionLoop loop(Partition{0}, {}, TimeZone(), holes, warehouse_sink(holes, reached_),
                     world_.clock, world_.metrics);
  ASSERT_TRUE(run(loop));
  ASSERT_TRUE(run(loop));
  EXPECT_EQ(loop.mark(), Offset{4});
  EXPECT_EQ(ask("select count(*), max(to_offset) from stream.batch"), "2|4");
  const std::string of_sink = "{partition=\"0\",sink=\"warehouse\"}";
  EXPECT_EQ(world_.metric("tillrace_visible_seconds_count" + of_sink), 1);
  EXPECT_LT(world_.metric("tillrace_visible_seconds_sum" + of_sink), 60);
}

TEST_F(PartitionLoopTest, AMarkAtTheEndIsNone) {
  append_events(5);
  set_mark(5, log_->id());
  PartitionLoop loop = make_loop();
  EXPECT_TRUE(run(loop));
  EXPECT_EQ(line_count(), "0");
}

TEST_F(PartitionLoopTest, TheMarkOfAnotherLogIsCorruption) {
  append_events(5);
  set_mark(0, warehouse::kOtherLogId);
  PartitionLoop loop = make_loop();
  Status stopped = run(loop);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::corrupt);
  EXPECT_THAT(stopped.error().message, HasSubstr(log_->id()));
  EXPECT_EQ(line_count(), "0");
}

TEST_F(PartitionLoopTest, AServerThatMovedIsFollowed) {
  append_events(3);
  warehouse::Warehouse server("postgresql://tillrace@127.0.0.1:1/none", nullptr);
  PartitionLoop loop(Partition{0}, {}, TimeZone(), *log_, warehouse_sink(*log_, server),
                     world_.clock, world_.metrics);
  Status away = run(loop);
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code, Code::unavailable);
  server = warehouse::Warehouse(database_.url(), nullptr);
  ASSERT_TRUE(loop.recover_sink());
  ASSERT_TRUE(run(loop));
  expect_each_once(3);
}

TEST_F(PartitionLoopTest, MetricsTellWhatBecameOfTheRecords) {
  append({event_record("1"), event_record("1"), event_record("2"), raw_record("bad")});
  PartitionLoop loop = make_loop();
  ASSERT_TRUE(run(loop));
  auto of = [&](const std::string& name, const std::string& more = "") {
    return world_.metric(name + "{partition=\"0\"," + more + "sink=\"warehouse\"}");
  };
  EXPECT_EQ(of("tillrace_processor_received_total"), 4);
  EXPECT_EQ(of("tillrace_processor_written_total", "result=\"inserted\","), 2);
  EXPECT_EQ(of("tillrace_processor_written_total", "result=\"repeated\","), 1);
  EXPECT_EQ(of("tillrace_processor_written_total", "result=\"replaced\","), 0);
  EXPECT_EQ(world_.metric("tillrace_processor_rejected_total{partition=\"0\","
                          "reason=\"not_json\",sink=\"warehouse\"}"),
            1);
  EXPECT_EQ(of("tillrace_processor_lag_records"), 0);
}

}  // namespace
}  // namespace tillrace::processor
