#include "processor/lake_loop.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "processor/garbage_for_tests.h"
#include "processor/lake_for_tests.h"
#include "processor/log_with_holes_for_tests.h"

namespace tillrace::processor {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using lake::Fault;

using LakeLoopTest = LogToLake;

constexpr milliseconds kStep{50};

Record at(Record record, std::string_view iso_day, int second = 0) {
  int year = std::stoi(std::string(iso_day.substr(0, 4)));
  unsigned month = static_cast<unsigned>(std::stoi(std::string(iso_day.substr(5, 2))));
  unsigned day = static_cast<unsigned>(std::stoi(std::string(iso_day.substr(8, 2))));
  std::chrono::sys_days date{std::chrono::year(year) / std::chrono::month(month) /
                             std::chrono::day(day)};
  record.received_at = {date.time_since_epoch().count() * 86'400'000'000 + second * 1'000'000};
  return record;
}

LakeSinkOptions with_state(std::atomic<Attachment>& state) {
  LakeSinkOptions options;
  options.attachment = [&state] { return state.load(); };
  return options;
}

bool writes(std::string_view operation) { return operation.starts_with("put"); }

TEST_F(LakeLoopTest, AnEventHasItsTypedColumnsItsBytesAndItsPlace) {
  append({at(event_record("536365", 3), "2026-11-26", 61)});
  process()->flush(*log_);
  EXPECT_THAT(transactions("event_id, invoice_no, line_no, stock_code, description, quantity"),
              ElementsAre(to_string(derived_event_id("536365", 3)) + "|536365|3|85123A|HEART|6"));
  EXPECT_THAT(transactions("invoiced_at, unit_price, customer_id, country"),
              ElementsAre("2010-12-01 08:26:00+00|2.5500|17850|UK"));
  EXPECT_THAT(transactions("raw"), ElementsAre(event_json("536365", 3)));
  EXPECT_THAT(transactions("topic, partition, \"offset\", received_at, ingest_date"),
              ElementsAre("events|0|0|2026-11-26 00:01:01+00|2026-11-26"));
  EXPECT_THAT(rejected("*"), IsEmpty());
}

TEST_F(LakeLoopTest, WhatAnEventLacksIsNullAndQuantityTimesPriceIsExact) {
  append({{"1",
           R"({"InvoiceNo":"C1","StockCode":"D","Quantity":-2147483648,)"
           R"("UnitPrice":-999999999999.9999,)"
           R"("InvoiceDate":"2010-12-01 08:26","Country":"Österreich \"x\""})",
           file_event_id("x", 1),
           {1'000'000}}});
  process()->flush(*log_);
  EXPECT_THAT(transactions("line_no, description, customer_id, country, "
                           "quantity * CAST(unit_price AS DECIMAL(27,4))"),
              ElementsAre("NULL|NULL|NULL|Österreich \"x\"|2147483647999999785251.6352"));
}

TEST_F(LakeLoopTest, WhatIsNoEventIsRejectedWithItsBytesAndTheReason) {
  std::vector<Record> records;
  auto garbage = all_garbage();
  for (std::size_t i = 0; i < garbage.size(); ++i)
    records.push_back(raw_record(garbage[i].value, i));
  append(records);
  append_events(1);
  auto process = this->process();
  process->flush(*log_);
  auto end = static_cast<std::int64_t>(garbage.size());
  expect_each_once(end + 1);
  std::vector<std::string> wanted;
  for (std::size_t i = 0; i < garbage.size(); ++i) {
    std::string hex;
    for (unsigned char byte : garbage[i].value) hex += fmt::format("{:02X}", byte);
    wanted.push_back(fmt::format("{}|{}|{}|{}", i, warehouse::name(garbage[i].kind),
                                 garbage[i].field.empty() ? "NULL" : garbage[i].field, hex));
  }
  auto found = rejected("\"offset\", kind, field, hex(raw)");
  std::sort(wanted.begin(), wanted.end());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, wanted);
  EXPECT_THAT(rejected("reason"), testing::Each(testing::Not(IsEmpty())));
  EXPECT_THAT(
      process->metrics.text(),
      HasSubstr(
          R"(tillrace_processor_rejected_total{partition="0",reason="not_json",sink="lake"} )"));
}

TEST_F(LakeLoopTest, FewEventsWaitUntilTheOldestHasWaitedForTheInterval) {
  append_events(3);
  LakeSinkOptions options;
  options.commit_interval_ms = 1'000;
  auto process = this->process(options);
  for (int i = 0; i < 1'000 / kStep.count(); ++i) {
    ASSERT_TRUE(process->run(kStep));
    EXPECT_EQ(process->loop->mark(), Offset{0});
  }
  append_events(1);
  ASSERT_TRUE(process->run(kStep));
  EXPECT_EQ(process->loop->mark(), Offset{4});
  expect_each_once(4);
}

TEST_F(LakeLoopTest, ManyEventsDoNotWait) {
  LakeSinkOptions options;
  options.reader.commit_bytes = 100'000;
  options.commit_interval_ms = 1'000'000;
  auto process = this->process(options);
  append_events(100);
  ASSERT_TRUE(process->run(kStep));
  EXPECT_EQ(process->loop->mark(), Offset{0});
  for (int i = 0; i < 20; ++i) append_events(500);
  ASSERT_TRUE(process->run(kStep));
  EXPECT_GT(*process->loop->mark(), Offset{0});
}

TEST_F(LakeLoopTest, HasteIsForWhatIsThereAndNotForWhatComesLater) {
  auto process = this->process();
  append_events(2);
  process->flush(*log_);
  append_events(1);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(process->run(kStep));
  EXPECT_EQ(process->loop->mark(), Offset{2});
}

TEST_F(LakeLoopTest, HasteWithNothingToDoIsForgotten) {
  auto process = this->process();
  process->kind.hurry();
  ASSERT_TRUE(process->run());
  append_events(1);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(process->run(kStep));
  EXPECT_EQ(process->loop->mark(), Offset{0});
}

TEST_F(LakeLoopTest, ACommitEndsAtItsBytesAndTheNextGoesOn) {
  append_events(1'000);
  LakeSinkOptions options;
  options.reader.commit_bytes = 10'000;
  options.reader.chunk_records = 7;
  auto process = this->process(options);
  process->flush(*log_);
  EXPECT_GT(version(), 10);
  expect_each_once(1'000);
  EXPECT_EQ(process->loop->mark(), Offset{1'000});
}

TEST_F(LakeLoopTest, EachDayIsAPartitionAlsoWhereTheyAreMixed) {
  std::vector<Record> records;
  for (int i = 0; i < 300; ++i) {
    std::string invoice = std::to_string(i);
    records.push_back(at(event_record(invoice),
                         std::array{"2026-11-25", "2026-11-26", "1970-01-01", "9999-12-31"}[i % 4],
                         i));
  }
  records.push_back(at(raw_record("x"), "2026-11-24"));
  append(records);
  LakeSinkOptions options;
  options.reader.chunk_records = 10;
  process(options)->flush(*log_);
  expect_each_once(301);
  EXPECT_THAT(transactions("DISTINCT ingest_date, CAST(received_at AS DATE), count(*) OVER "
                           "(PARTITION BY ingest_date)"),
              ElementsAre("1970-01-01|1970-01-01|75", "2026-11-25|2026-11-25|75",
                          "2026-11-26|2026-11-26|75", "9999-12-31|9999-12-31|75"));
  EXPECT_THAT(rejected("ingest_date"), ElementsAre("2026-11-24"));
  EXPECT_EQ(version(), 1);
}

TEST_F(LakeLoopTest, OffsetsWithoutRecordsAreStepsOfTheMark) {
  append_events(2);
  LogWithHoles log(*log_, 3);
  LakeProcess process(folder_.path(), log, store_);
  process.flush(log);
  EXPECT_EQ(process.loop->mark(), Offset{5});
  expect_each_once(2);
}

TEST_F(LakeLoopTest, ANewStartGoesOnAtTheMarkAndCommitsNothingWhenNothingCame) {
  append_events(5);
  process()->flush(*log_);
  std::int64_t before = version();
  auto process = this->process();
  process->flush(*log_);
  EXPECT_EQ(version(), before);
  append_events(2);
  process->flush(*log_);
  expect_each_once(7);
}

TEST_F(LakeLoopTest, AStopEndsTheCommitInHandEarlyAndLosesNothing) {
  append_events(500);
  LakeSinkOptions options;
  options.reader.chunk_records = 10;
  auto process = this->process(options);
  process->kind.hurry();
  std::stop_source stop;
  stop.request_stop();
  ASSERT_TRUE(process->run(kStep, stop.get_token()));
  EXPECT_LT(*process->loop->mark(), Offset{500});
  process->flush(*log_);
  expect_each_once(500);
}

TEST_F(LakeLoopTest, ALakeThatIsAwayCostsLagAndIsGoneOnWithByItself) {
  append_events(3);
  store_.play([](auto, auto) { return Fault::refused; });
  auto process = this->process();
  for (int i = 0; i < 3; ++i) {
    process->kind.hurry();
    Status done = process->run();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::unavailable);
    EXPECT_FALSE(process->loop->mark());
  }
  store_.play({});
  process->flush(*log_);
  expect_each_once(3);
}

TEST_F(LakeLoopTest, WhateverWriteIsRefusedOrLosesItsAnswerEveryRecordIsThereOnce) {
  std::int64_t end = 0;
  for (Fault fault : {Fault::refused, Fault::answer_lost}) {
    for (int n = 0; n < 8; ++n) {
      append_events(3);
      append({raw_record("no event", static_cast<std::uint64_t>(n))});
      int seen = 0;
      store_.play([&](std::string_view operation, auto) {
        return writes(operation) && seen++ == n ? fault : Fault::none;
      });
      process()->flush(*log_);
      store_.play({});
      expect_each_once(end += 4);
    }
  }
}

TEST_F(LakeLoopTest, ALostAnswerFollowedByANewProcessDoublesNothing) {
  append_events(3);
  append({raw_record("no event")});
  for (const char* table : {lake::kBronzeRejected, lake::kBronzeTransactions}) {
    auto process = this->process();
    process->flush(*log_);
    append_events(2);
    append({raw_record("no event", 7)});
    store_.play([table, lost = false](std::string_view operation, std::string_view path) mutable {
      bool is_commit = operation == "put_if_absent" && path.starts_with(table);
      lost = lost || is_commit;
      return is_commit ? Fault::answer_lost : lost ? Fault::refused : Fault::none;
    });
    process->kind.hurry();
    EXPECT_FALSE(process->run());
    store_.play({});
  }
  process()->flush(*log_);
  expect_each_once(10);
}

TEST_F(LakeLoopTest, RejectedThatWereCommittedAloneAreNotRejectedAgain) {
  append({raw_record("no event")});
  append_events(2);
  store_.play([](std::string_view operation, std::string_view path) {
    bool is_commit = operation == "put_if_absent" && path.starts_with("bronze/transactions/_delta");
    return is_commit && !path.ends_with("0.json") ? Fault::refused : Fault::none;
  });
  auto process = this->process();
  process->kind.hurry();
  EXPECT_FALSE(process->run());
  EXPECT_THAT(rejected("\"offset\""), ElementsAre("0"));
  EXPECT_THAT(transactions("\"offset\""), IsEmpty());
  store_.play({});
  append({raw_record("no event either", 1)});
  this->process()->flush(*log_);
  expect_each_once(4);
}

TEST_F(LakeLoopTest, ManyProcessesOnOnePartitionWriteEveryRecordOnce) {
  constexpr int kRecords = 400;
  LakeSinkOptions options;
  options.reader.commit_bytes = 2'000;
  options.reader.chunk_records = 5;
  std::vector<std::jthread> threads;
  std::vector<std::unique_ptr<LakeProcess>> processes;
  for (int i = 0; i < kRecords / 4; ++i) {
    append_events(3);
    append({raw_record("no event", static_cast<std::uint64_t>(i))});
  }
  for (int i = 0; i < 3; ++i) processes.push_back(process(options));
  for (auto& process : processes) threads.emplace_back([&] { process->flush(*log_, 1'000); });
  threads.clear();
  expect_each_once(kRecords);
  for (auto& process : processes) EXPECT_EQ(process->loop->mark(), Offset{kRecords});
}

TEST_F(LakeLoopTest, AnotherLogsMarkStopsIt) {
  append_events(2);
  process()->flush(*log_);
  auto other = world_.open(log::options_in(folder_.path() / "other", 1));
  LakeProcess process(folder_.path(), *other, store_);
  Status done = process.run();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::corrupt);
  EXPECT_THAT(done.error().message, testing::AllOf(HasSubstr(log_->id()), HasSubstr("lake.root")));
  EXPECT_EQ(transactions("1").size(), 2U);
}

TEST_F(LakeLoopTest, TheSameTopicsOtherPartitionsAreNoOtherLog) {
  lake::LogPartition first{"events", {1}, "a"}, eleventh{"events", {11}, "b"};
  lake::Metadata metadata;
  metadata.schema_string = to_json(lake::bronze_transactions().schema);
  lake::Snapshot snapshot;
  ASSERT_TRUE(
      snapshot.apply({lake::Protocol{}, metadata, lake::Txn{bronze_app_id(eleventh), 5, {}}}, 0));
  auto mark = bronze_mark(snapshot, first);
  ASSERT_TRUE(mark) << mark.error().message;
  EXPECT_FALSE(*mark);
}

TEST_F(LakeLoopTest, AMarkBeyondTheLogsEndStopsIt) {
  append_events(2);
  process()->flush(*log_);
  struct Shorter : LogOnLog {
    using LogOnLog::LogOnLog;
    Result<Offset> end(Partition) override { return Offset{1}; }
  } shorter(*log_);
  LakeProcess process(folder_.path(), shorter, store_);
  Status done = process.run();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::corrupt);
  EXPECT_THAT(done.error().message, HasSubstr("the log ends at 1"));
}

struct LogWithoutBeginning : LogOnLog {
  LogWithoutBeginning(log::Log& log, Offset begins) : LogOnLog(log), first_(begins) {}
  Result<Offset> first(Partition) override { return first_; }
  const Offset first_;
};

TEST_F(LakeLoopTest, ALogWithoutItsBeginningStopsALakeThatWantsIt) {
  append_events(5);
  LogWithoutBeginning log(*log_, {3});
  LakeProcess process(folder_.path(), log, store_);
  Status done = process.run();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::corrupt);
  EXPECT_THAT(done.error().message, HasSubstr("tillrace sink attach lake"));
  EXPECT_THAT(transactions("1"), IsEmpty());
}

TEST_F(LakeLoopTest, OfATopicThatOthersKeepANewLakeTakesWhatIsThere) {
  append_events(5);
  LogWithoutBeginning log(*log_, {3});
  LakeSinkOptions options;
  options.late = LateStart::allowed;
  LakeProcess process(folder_.path(), log, store_, options);
  process.flush(log);
  EXPECT_THAT(transactions("\"offset\""), ElementsAre("3", "4"));
}

TEST_F(LakeLoopTest, WhatIsDetachedReadsNothingAndReattachedGoesOnBehindTheHole) {
  append_events(2);
  std::atomic<Attachment> state = Attachment::attached;
  LogWithoutBeginning log(*log_, {4});
  process()->flush(*log_);
  state = Attachment::detached;
  LakeProcess process(folder_.path(), log, store_, with_state(state));
  append_events(4);
  process.kind.hurry();
  auto began = process.clock.monotonic();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(process.run(kStep));
  EXPECT_EQ(process.clock.monotonic() - began, 3 * kStep) << "haste keeps nobody busy";
  EXPECT_FALSE(process.loop->mark());
  EXPECT_EQ(transactions("1").size(), 2U);
  state = Attachment::attached;  // without permission for a hole
  EXPECT_FALSE(process.run());
  state = Attachment::reattached;
  process.flush(log);
  EXPECT_THAT(transactions("\"offset\""), ElementsAre("0", "1", "4", "5"));
}

TEST_F(LakeLoopTest, WhatIsPendingIsDroppedWhenTheLakeIsTakenOutAndWrittenAnewOnce) {
  append_events(3);
  std::atomic<Attachment> state = Attachment::attached;
  auto process = this->process(with_state(state));
  ASSERT_TRUE(process->run());
  store_.play([](std::string_view operation, std::string_view path) {
    return operation == "put_if_absent" && path.find("_delta_log") != std::string_view::npos
               ? Fault::refused
               : Fault::none;
  });
  process->kind.hurry();
  EXPECT_FALSE(process->run());
  state = Attachment::detached;
  ASSERT_TRUE(process->run(kStep));
  store_.play({});
  std::vector<std::string> files;  // that nobody refers to: vacuum takes them
  ASSERT_TRUE(store_.list("bronze/transactions/ingest_date", [&](const lake::StoredFile& file) {
    files.push_back(file.path);
    return true;
  }));
  EXPECT_EQ(files.size(), 1U);
  for (const std::string& file : files) ASSERT_TRUE(store_.remove(file));
  state = Attachment::attached;
  process->flush(*log_);
  expect_each_once(3);
}

TEST_F(LakeLoopTest, WhatCouldNotBeCommittedForADayIsWrittenAnewOnce) {
  append_events(3);
  auto process = this->process();
  ASSERT_TRUE(process->run());
  store_.play([](std::string_view operation, std::string_view path) {
    return operation == "put_if_absent" && path.find("_delta_log") != std::string_view::npos
               ? Fault::refused
               : Fault::none;
  });
  process->kind.hurry();
  EXPECT_FALSE(process->run());
  process->clock.advance(std::chrono::hours(25));
  store_.play({});
  Status done = process->run();
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("written anew"));
  process->flush(*log_);
  expect_each_once(3);
}

TEST_F(LakeLoopTest, ALogThatHasLostItsEndStopsTheLakeBeforeOthersComeThere) {
  append_events(5);
  auto process = this->process();
  process->flush(*log_);
  LogWithoutEnd shorter(*log_, Offset{3});
  LakeProcess again(folder_.path(), shorter, store_);
  shorter.show_all(true);
  ASSERT_TRUE(again.run());
  EXPECT_EQ(again.loop->mark(), Offset{5});
  shorter.show_all(false);
  Status done = again.run();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::corrupt);
}

TEST_F(LakeLoopTest, FilesOfACommitThatLostAreTakenAway) {
  append_events(3);
  auto first = process(), second = process();
  ASSERT_TRUE(first->run());
  ASSERT_TRUE(second->run());
  first->flush(*log_);
  second->kind.hurry();
  Status done = second->run();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::conflict);
  int files = 0;
  ASSERT_TRUE(store_.list("bronze/transactions/ingest_date",
                          [&](const lake::StoredFile&) { return ++files > 0; }));
  EXPECT_EQ(files, 1);
}

}  // namespace
}  // namespace tillrace::processor
