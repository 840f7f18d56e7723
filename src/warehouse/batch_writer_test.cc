#include "warehouse/batch_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <limits>

#include "base/thread.h"
#include "warehouse/batch_for_tests.h"

namespace tillrace::warehouse {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class BatchWriterTest : public BatchTest {
 protected:
  std::string all_lines() {
    return ask(
        "select invoice_no, line_no, quantity, unit_price, invoiced_at at time zone 'UTC', "
        "customer_id, country from shop.transaction order by 1, 2");
  }
  Result<std::optional<Offset>> known_mark(const std::string& log_id = kLogId) {
    return writer_.mark("events", Partition{0}, log_id);
  }
};

TEST_F(BatchWriterTest, WritesLinesAggregatesAndMarkTogether) {
  ASSERT_EQ(known_mark().value(), std::nullopt);
  EXPECT_EQ(apply({Sale{}, Sale{.line_no = 2, .stock_code = "71053", .price = "3.39"},
                   Sale{.invoice_no = "C536379", .quantity = -1, .customer = {}}}),
            "3 0 0 0");
  EXPECT_EQ(all_lines(),
            "536365|1|6|2.55|2010-12-01 08:26:00|17850|United Kingdom\n"
            "536365|2|6|3.39|2010-12-01 08:26:00|17850|United Kingdom\n"
            "C536379|1|-1|2.55|2010-12-01 08:26:00|~|United Kingdom");
  EXPECT_EQ(known_mark().value(), Offset{3});
}

TEST_F(BatchWriterTest, AMarkElsewhereIsAConflictAndNothingIsWritten) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  for (std::int64_t from : {0, 2, 1'000'000}) {
    Batch wrong = TestSource().batch({Sale{.line_no = 9}}, {"bad"});
    wrong.from = Offset{from};
    wrong.to = Offset{from + 2};
    EXPECT_THAT(apply(wrong), StartsWith("conflict: ")) << from;
  }
  EXPECT_EQ(line_count() + ask("select count(*) from stream.rejected") + mark(), "101");
  EXPECT_EQ(ask("select count(*) from stream.batch"), "1");
  EXPECT_EQ(apply({Sale{.line_no = 2}}), "1 0 0 0") << "and the writer goes on";
}

TEST_F(BatchWriterTest, AnotherLogIsCorruptionAndNothingIsWritten) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  Batch foreign = source_.batch({Sale{.line_no = 2}});
  foreign.log_id = kOtherLogId;
  EXPECT_THAT(apply(foreign), StartsWith("corrupt: "));
  auto mark_of_other = known_mark(kOtherLogId);
  ASSERT_FALSE(mark_of_other);
  EXPECT_EQ(mark_of_other.error().code, Code::corrupt);
  EXPECT_THAT(mark_of_other.error().message, HasSubstr(kOtherLogId));
  EXPECT_THAT(mark_of_other.error().message, HasSubstr(kLogId));
  EXPECT_EQ(line_count(), "1");
  EXPECT_EQ(mark(), "1");
}

TEST_F(BatchWriterTest, PartitionsAndTopicsHaveTheirOwnMarks) {
  ASSERT_EQ(apply({Sale{}, Sale{.line_no = 2}}), "2 0 0 0");
  EXPECT_EQ(writer_.mark("events", Partition{1}, kLogId).value(), std::nullopt);
  EXPECT_EQ(writer_.mark("other", Partition{0}, kOtherLogId).value(), std::nullopt);
  TestSource second(1);
  EXPECT_EQ(apply(second.batch({Sale{.invoice_no = "2"}})), "1 0 0 0");
  EXPECT_EQ(ask("select partition, next_offset from stream.checkpoint order by 1"), "0|2\n1|1");
  EXPECT_EQ(ask("select count(*) from report.product_sales_part"), "2")
      << "each adds to its own rows";
  EXPECT_EQ(ask("select lines from report.product_sales"), "3");
}

TEST_F(BatchWriterTest, ALogWithoutItsBeginningIsBegunWhereItStarts) {
  ASSERT_TRUE(writer_.begin_at("events", Partition{0}, kLogId, Offset{40}));
  EXPECT_EQ(known_mark().value(), Offset{40});
  EXPECT_THAT(apply({Sale{}}), StartsWith("conflict: ")) << "0 is not where it begins";
  ASSERT_TRUE(writer_.begin_at("events", Partition{0}, kLogId, Offset{50}));
  EXPECT_EQ(known_mark().value(), Offset{40}) << "a mark that is there stays";
  Batch batch = TestSource().batch({Sale{}});
  batch.from = Offset{40};
  batch.to = Offset{41};
  EXPECT_EQ(apply(batch), "1 0 0 0");
}

// As when a crash of the server has taken the mark: its first batches went with it.
TEST_F(BatchWriterTest, ABatchThatGoesOnWhereNothingIsKnownIsAConflict) {
  (void)source_.batch({Sale{}});
  EXPECT_THAT(apply({Sale{.line_no = 2}}), StartsWith("conflict: "));
  EXPECT_EQ(line_count(), "0");
}

TEST_F(BatchWriterTest, OfTwoWritersOfTheSameBatchOneCommits) {
  for (int round = 0; round < 10; ++round) {
    Batch batch =
        source_.batch({Sale{.invoice_no = std::to_string(round)}, Sale{.line_no = 2 + round}});
    std::array<std::string, 2> answers;
    {
      std::latch start(2);
      std::vector<std::jthread> threads;
      for (std::string& answer : answers) {
        threads.push_back(named_thread("writer", [&](const std::stop_token&) {
          BatchWriter writer(database_.url());
          (void)writer.mark("events", Partition{0}, kLogId);
          start.arrive_and_wait();
          answer = told(writer.apply(batch));
        }));
      }
    }
    std::sort(answers.begin(), answers.end());
    EXPECT_EQ(answers[0], "2 0 0 0");
    EXPECT_THAT(answers[1], StartsWith("conflict: "));
    EXPECT_EQ(line_count(), std::to_string(2 * (round + 1)));
  }
  EXPECT_EQ(faults(connection_), "");
}

TEST_F(BatchWriterTest, WritersOfFourPartitionsNeverMeet) {
  constexpr int kBatches = 15;
  std::array<std::string, 4> failures;
  {
    std::vector<std::jthread> threads;
    for (std::int32_t partition = 0; partition < 4; ++partition) {
      threads.push_back(named_thread("writer", [&, partition](const std::stop_token&) {
        BatchWriter writer(database_.url());
        TestSource source(partition);
        for (int i = 0; i < kBatches; ++i) {
          std::vector<Sale>
              sales;  // all add the same products, customers and countries, in another order
          for (int k = 0; k < 40; ++k) {
            std::string code = std::to_string((k * 7 + partition * 11) % 40 + i * 40);
            sales.push_back({fmt::format("{}-{}", partition, i), k + 1, code, 1, "1",
                             "2010-12-01T08:26", code,
                             "Country " + std::to_string((k + partition) % 5 + i)});
          }
          std::string answer = told(writer.apply(source.batch(sales)));
          if (answer != "40 0 0 0") failures[static_cast<std::size_t>(partition)] += answer + "\n";
        }
      }));
    }
  }
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
  EXPECT_EQ(line_count(), std::to_string(4 * kBatches * 40));
  EXPECT_EQ(faults(connection_), "");
}

TEST_F(BatchWriterTest, ABatchWhoseAnswerWasLostIsNotWrittenAgain) {
  Batch batch = source_.batch({Sale{}, Sale{.line_no = 2}}, {"bad"});
  ASSERT_EQ(apply(batch), "2 0 0 1");
  EXPECT_THAT(apply(batch), StartsWith("conflict: "));
  EXPECT_EQ(known_mark().value(), batch.to);
  EXPECT_EQ(line_count(), "2");
  EXPECT_EQ(ask("select count(*) from stream.rejected"), "1");
}

TEST_F(BatchWriterTest, TheSameRecordsReadAgainChangeNoLine) {
  Batch batch = source_.batch({Sale{}, Sale{.line_no = 2}, Sale{.invoice_no = "2"}});
  ASSERT_EQ(apply(batch), "3 0 0 0");
  std::string before = all_lines() + ask("select * from report.sales_by_hour_part");
  EXPECT_EQ(apply({Sale{}, Sale{.line_no = 2}, Sale{.invoice_no = "2"}}), "0 0 3 0");
  EXPECT_EQ(all_lines() + ask("select * from report.sales_by_hour_part"), before);
}

TEST_F(BatchWriterTest, RepeatsAndReplacementsAreCountedApartAcrossBatches) {
  Sale v1{};
  Sale v2{.quantity = 7};
  EXPECT_EQ(apply({v1}), "1 0 0 0");
  EXPECT_EQ(apply({v1}), "0 0 1 0");
  EXPECT_EQ(apply({v2}), "0 1 0 0");
  EXPECT_EQ(apply({v2}), "0 0 1 0");
  EXPECT_EQ(apply({v1}), "0 1 0 0");
  EXPECT_EQ(ask("select inserted, replaced, repeated, rejected from stream.checkpoint"), "1|2|2|0");
  EXPECT_EQ(ask("select sum(inserted), sum(replaced), sum(repeated) from stream.batch"), "1|2|2");
}

TEST_F(BatchWriterTest, RepeatsAndReplacementsAreCountedApartWithinABatch) {
  Sale v1{};
  Sale v2{.quantity = 7};
  EXPECT_EQ(apply({v1, v2, v1}), "1 2 0 0");
  EXPECT_EQ(apply({v1, v1, v2, v2}), "0 1 3 0") << "v1 was known";
  EXPECT_EQ(ask("select quantity from shop.invoice_line"), "7");
}

// The same events in other batches must not give other counts: each is held against the version
// before it.
TEST_F(BatchWriterTest, TheFirstVersionInABatchIsHeldAgainstTheStoredOne) {
  Sale v1{};
  Sale v2{.quantity = 7};
  ASSERT_EQ(apply({v1}), "1 0 0 0");
  EXPECT_EQ(apply({v2, v1}), "0 2 0 0");
  EXPECT_EQ(apply({v1, v2}), "0 1 1 0");
  EXPECT_EQ(apply({v1, v2, v1, v1}), "0 3 1 0");
  EXPECT_EQ(apply({v2, v1, v2, v1}), "0 4 0 0");
  EXPECT_EQ(ask("select quantity from shop.invoice_line"), "6");
}

TEST_F(BatchWriterTest, EachFieldMakesAnotherVersion) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  const std::vector<Sale> versions = {
      Sale{.stock_code = "85123a"},     Sale{.quantity = -6},   Sale{.price = "2.5501"},
      Sale{.date = "2010-12-01T08:27"}, Sale{.customer = {}},   Sale{.country = "united kingdom"},
      Sale{.description = {}},          Sale{.description = ""}};
  for (const Sale& version : versions) {
    EXPECT_EQ(apply({version}), "0 1 0 0");
    EXPECT_EQ(apply({version}), "0 0 1 0");
  }
  EXPECT_EQ(apply({Sale{.price = "2.550", .description = ""}}), "0 0 1 0") << "the same number";
  EXPECT_EQ(line_count(), "1");
}

TEST_F(BatchWriterTest, TheSameEventIdInAnotherInvoiceIsAnotherLine) {
  Batch batch = source_.batch({Sale{}, Sale{.invoice_no = "2"}});
  batch.lines[1].event_id = batch.lines[0].event_id;
  EXPECT_EQ(apply(batch), "2 0 0 0");
}

TEST_F(BatchWriterTest, ALineThatMovesToAnotherHeadTakesItsSumsAlongAndBack) {
  Sale first{};
  Sale stays{.line_no = 2, .price = "10.00"};
  ASSERT_EQ(apply({first, stays}), "2 0 0 0");
  const std::vector<Sale> moved = {Sale{.date = "2010-12-02T17:00"}, Sale{.customer = "99999"},
                                   Sale{.customer = {}}, Sale{.country = "France"},
                                   Sale{.stock_code = "POST",
                                        .quantity = -3,
                                        .price = "0.0001",
                                        .date = "2011-01-01T00:00",
                                        .customer = "1",
                                        .country = "EIRE"}};
  for (const Sale& away : moved) {
    EXPECT_EQ(apply({away}), "0 1 0 0");
    EXPECT_EQ(ask("select count(*) from shop.invoice"), "2") << "a part for each head";
    EXPECT_EQ(apply({first}), "0 1 0 0");
    EXPECT_EQ(ask("select count(*) from shop.invoice"), "1") << "and none without lines";
  }
  EXPECT_EQ(ask("select sum(lines), sum(amount) from report.customer_sales"), "2|75.30");
  EXPECT_EQ(ask("select customer_id from report.customer_sales"), "17850");
}

TEST_F(BatchWriterTest, AnInvoicesOnlyLineMovesWithItsHead) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  EXPECT_EQ(apply({Sale{.date = "2010-12-02T09:00"}}), "0 1 0 0");
  EXPECT_EQ(ask("select count(*), min(invoiced_at) at time zone 'UTC' from shop.invoice"),
            "1|2010-12-02 09:00:00");
  EXPECT_EQ(ask("select hour at time zone 'UTC' from report.sales_by_hour"), "2010-12-02 09:00:00");
}

TEST_F(BatchWriterTest, LinesThatSwapHeadsInOneBatchLeaveTwoHeads) {
  Sale a{.line_no = 1, .date = "2010-12-01T08:00"};
  Sale b{.line_no = 2, .date = "2010-12-01T09:00"};
  ASSERT_EQ(apply({a, b}), "2 0 0 0");
  std::swap(a.date, b.date);
  EXPECT_EQ(apply({a, b}), "0 2 0 0");
  EXPECT_EQ(ask("select count(*) from shop.invoice"), "2");
}

TEST_F(BatchWriterTest, PartsAreNumberedAsTheyCame) {
  ASSERT_EQ(apply({Sale{.line_no = 1, .date = "2010-12-03T08:00"},
                   Sale{.line_no = 2, .date = "2010-12-01T08:00"},
                   Sale{.line_no = 3, .date = "2010-12-03T08:00"}}),
            "3 0 0 0");
  ASSERT_EQ(apply({Sale{.line_no = 4, .date = "2010-12-02T08:00"}}), "1 0 0 0");
  EXPECT_EQ(ask("select part, invoiced_at at time zone 'UTC' from shop.invoice order by part"),
            "1|2010-12-03 08:00:00\n2|2010-12-01 08:00:00\n3|2010-12-02 08:00:00");
}

// One poisoned invoice must not hold up all others for ever.
TEST_F(BatchWriterTest, AnInvoiceMayHaveMorePartsThanASmallNumberHolds) {
  std::vector<Sale> sales(33'000);
  for (std::size_t i = 0; i < sales.size(); ++i) {
    sales[i].line_no = static_cast<std::int32_t>(i + 1);
    sales[i].country = std::to_string(i);
  }
  EXPECT_EQ(apply(sales), "33000 0 0 0");
}

TEST_F(BatchWriterTest, AProductsFirstDescriptionStays) {
  ASSERT_EQ(apply({Sale{.description = {}}}), "1 0 0 0");
  EXPECT_EQ(ask("select description from shop.product"), "~");
  ASSERT_EQ(apply({Sale{.line_no = 2, .description = "FIRST"},
                   Sale{.line_no = 3, .description = "SECOND"}}),
            "2 0 0 0");
  ASSERT_EQ(apply({Sale{.line_no = 4, .description = "THIRD"}}), "1 0 0 0");
  EXPECT_EQ(ask("select description from shop.product"), "FIRST");
  EXPECT_EQ(ask("select string_agg(coalesce(description, '~'), ',' order by line_no) from "
                "shop.invoice_line"),
            "~,FIRST,SECOND,THIRD");
}

TEST_F(BatchWriterTest, TheLargestValuesKeepTheirSums) {
  Sale most{.quantity = 2'147'483'647, .price = "999999999999.9999"};
  std::vector<Sale> sales(20, most);
  for (std::size_t i = 0; i < sales.size(); ++i)
    sales[i].line_no = static_cast<std::int32_t>(i + 1);
  EXPECT_EQ(apply(sales), "20 0 0 0");
  EXPECT_EQ(ask("select amount, quantity from report.product_sales"),
            "42949672939999995705032.7060|42949672940");
  EXPECT_EQ(ask("select net_sales from report.total_sales()"), "42949672939999995705032.7060");
}

TEST_F(BatchWriterTest, RejectedRecordsLieBesideTheLinesByteForByte) {
  const std::vector<std::string> bad = {std::string("a\0b", 3), "\xff\xfe\xc3(", "",
                                        "{\"Quantity\": 1.5}", std::string(100'000, '\\')};
  EXPECT_EQ(apply(source_.batch({Sale{}}, bad)), "1 0 0 5");
  EXPECT_EQ(ask("select \"offset\", encode(substr(value, 1, 6), 'hex'), length(value), reason, "
                "received_at at time zone 'UTC' from stream.rejected order by 1"),
            "1|610062|3|no JSON|2020-09-13 12:26:40\n2|fffec328|4|no JSON|2020-09-13 12:26:40\n"
            "3||0|no JSON|2020-09-13 12:26:40\n4|7b225175616e|17|no JSON|2020-09-13 12:26:40\n"
            "5|5c5c5c5c5c5c|100000|no JSON|2020-09-13 12:26:40");
  EXPECT_EQ(ask("select rejected from stream.checkpoint"), "5");
}

TEST_F(BatchWriterTest, ARejectedRecordOfAnyTimeIsTaken) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  Batch batch = source_.batch({}, {"a", "b", "c", "d"});
  const std::int64_t times[] = {kLeast, -8'000'000'000'000'000'000, 253'402'300'800'000'000, kMost};
  for (std::size_t i = 0; i < 4; ++i) batch.rejected[i].received_at.value = times[i];
  EXPECT_EQ(apply(batch), "0 0 0 4");
  EXPECT_EQ(ask("select received_at at time zone 'UTC' from stream.rejected order by \"offset\""),
            "1970-01-01 00:00:00\n1970-01-01 00:00:00\n9999-12-31 23:59:59.999999\n"
            "9999-12-31 23:59:59.999999");
}

TEST_F(BatchWriterTest, ABatchOfRejectedRecordsAloneMovesTheMark) {
  EXPECT_EQ(apply(source_.batch({}, {"bad", "worse"})), "0 0 0 2");
  EXPECT_EQ(known_mark().value(), Offset{2});
  EXPECT_EQ(apply({Sale{}}), "1 0 0 0");
}

// Kafka's own control records leave offsets without events.
TEST_F(BatchWriterTest, ABatchWithoutRecordsMovesTheMark) {
  Batch empty = source_.batch({});
  empty.to = Offset{17};
  EXPECT_EQ(apply(empty), "0 0 0 0");
  EXPECT_EQ(known_mark().value(), Offset{17});
}

TEST_F(BatchWriterTest, ALineThatTheServerRefusesTakesItsWholeBatchBack) {
  Batch bad = source_.batch({Sale{}, Sale{.line_no = 2, .country = "\xff"}}, {"bad"});
  EXPECT_THAT(apply(bad), StartsWith("invalid: "));
  EXPECT_EQ(line_count() + ask("select count(*) from stream.rejected"), "00");
  EXPECT_EQ(ask("select count(*) from stream.checkpoint"), "0");
  bad.lines.pop_back();
  EXPECT_EQ(apply(bad), "1 0 0 1") << "and the writer goes on";
}

TEST_F(BatchWriterTest, OnlyTheLastThousandBatchesAreKept) {
  ASSERT_TRUE(connection_.execute(fmt::format(
      "insert into stream.checkpoint (topic, partition, log_id, next_offset, batch_no) values "
      "('events', 0, '{0}', 0, 1000), ('events', 1, '{0}', 0, 3);"
      "insert into stream.batch select 'events', 0, n, 0, 0, 0, 0, 0, 0 from generate_series(1, "
      "1000) as n;"
      "insert into stream.batch select 'events', 1, n, 0, 0, 0, 0, 0, 0 from generate_series(1, 3) "
      "as n;",
      kLogId)));
  for (int i = 1; i <= 3; ++i) ASSERT_EQ(apply({Sale{.line_no = i}}), "1 0 0 0");
  EXPECT_EQ(ask("select partition, count(*), min(batch_no), max(batch_no) from stream.batch group "
                "by 1 order by 1"),
            "0|1000|4|1003\n1|3|1|3");
}

TEST_F(BatchWriterTest, ARollOfBatchesTellsWhereEachBeganAndEnded) {
  apply({Sale{}, Sale{.line_no = 2}});
  apply(source_.batch({Sale{.line_no = 3}, Sale{.line_no = 1}}, {"bad"}));
  EXPECT_EQ(ask("select batch_no, from_offset, to_offset, inserted, replaced, repeated, rejected "
                "from stream.batch order by 1"),
            "1|0|2|2|0|0|0\n2|2|5|1|0|1|1");
}

}  // namespace
}  // namespace tillrace::warehouse
