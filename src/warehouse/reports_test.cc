#include "warehouse/reports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "warehouse/batch_for_tests.h"

namespace tillrace::warehouse {
namespace {

using testing::HasSubstr;

std::string one(const Result<Rows>& rows, std::string_view column) {
  if (!rows) return rows.error().message;
  std::string all;
  for (int row = 0; row < rows->row_count(); ++row)
    all += (row > 0 ? "," : "") + std::string(rows->cell(row, rows->column(column)).value_or("~"));
  return all;
}

// A small shop, whose every sum can be done in the head. Amounts: 536365 17.30, 536366 2.00,
// 536400 30.00 (a guest), C536500 -5.00 and +1.00, A563185 -100.00, 536600 0.00 (a write-off),
// 540000 9.00.
class ReportsTest : public BatchTest {
 protected:
  ReportsTest() {
    EXPECT_EQ(
        apply({
            {"536365", 1, "85123A", 6, "2.55", "2010-12-01T08:26", "17850", "United Kingdom",
             "HEART"},
            {"536365", 2, "POST", 1, "2.00", "2010-12-01T08:26", "17850", "United Kingdom",
             "POSTAGE"},
            {"536366", 1, "22633", 2, "1.00", "2010-12-01T08:59", "17850", "United Kingdom",
             "WARMER"},
            {"536400", 1, "22633", 10, "3.00", "2010-12-01T09:00", {}, "France", "WARMER"},
            {"C536500", 1, "85123A", -2, "2.50", "2010-12-03T10:30", "17850", "United Kingdom",
             "HEART"},
            {"C536500", 2, "22633", 1, "1.00", "2010-12-03T10:30", "17850", "United Kingdom", {}},
            {"A563185", 1, "B", 1, "-100.00", "2010-12-31T23:30", {}, "United Kingdom", "Adjust"},
            {"536600", 1, "21777", -7, "0", "2011-01-05T12:00", {}, "United Kingdom", "damaged"},
            {"540000", 1, "85123A", 3, "3.00", "2011-03-28T00:15", "12346", "France", "HEART"},
            {"C540001", 1, "85123A", -1, "1.25", "2011-03-28T01:15", "99999", "Spain", "HEART"},
        }),
        "10 0 0 0");
  }
  std::string total(const Range& range) { return table(total_sales(connection_, range)); }
  std::string net(const Range& range) { return one(total_sales(connection_, range), "net_sales"); }
  void zone(const std::string& name) {
    Status changed = set_time_zone(connection_, name);
    ASSERT_TRUE(changed) << changed.error().message;
  }
};

TEST_F(ReportsTest, TotalSalesAddsAllUp) {
  // net, gross, cancelled, lines, quantity, cancelled lines, orders, cancelled orders, customers
  EXPECT_EQ(total({}), "-46.95|-41.70|-5.25|10|14|3|5|2|3");
}

TEST_F(ReportsTest, ARangeIsHalfOpenAndMayCutHoursInHalf) {
  EXPECT_EQ(net({"2010-12-01 08:26", "2010-12-01 08:59"}), "17.30");
  EXPECT_EQ(net({"2010-12-01 08:26", "2010-12-01 08:59:00.000001"}), "19.30");
  EXPECT_EQ(net({"2010-12-01 08:27", "2010-12-01 09:00"}), "2.00");
  EXPECT_EQ(net({"2010-12-01 08:30", "2010-12-01 10:30"}), "32.00");
  EXPECT_EQ(net({"2010-12-01 08:26:00.000001", "2010-12-01 08:59"}), "0");
  EXPECT_EQ(net({"2010-12-01 08:00", "2010-12-01 09:00"}), "19.30");
  EXPECT_EQ(net({{}, "2010-12-01 08:59"}), "17.30");
  EXPECT_EQ(net({"2011-01-05 12:00:01", {}}), "7.75");
  EXPECT_EQ(net({"2010-12-03", "2010-12-04"}), "-4.00");
}

TEST_F(ReportsTest, AnyCutGivesTheSumOfItsLinesAndTheRest) {
  SeededRandom random(7);
  for (int i = 0; i < 60; ++i) {
    auto minute = [&] { return 60 * 8 + static_cast<int>(random.below(24 * 60 * 3)); };
    int from = minute();
    int to = minute();
    std::string range = fmt::format(
        "timestamp '2010-12-01' + interval '{} min', timestamp '2010-12-01' + interval '{} min'",
        from, to);
    EXPECT_EQ(ask(fmt::format(
                  "select net_sales - (select coalesce(sum(amount), 0) from shop.transaction where "
                  "invoiced_at >= timestamptz '2010-12-01Z' + interval '{} min' and "
                  "invoiced_at < timestamptz '2010-12-01Z' + interval '{} min') = 0 "
                  "from report.total_sales({})",
                  from, to, range)),
              "t")
        << range;
  }
}

TEST_F(ReportsTest, AnEmptyRangeHasNoSales) {
  for (Range range :
       {Range{"2010-12-01 09:00", "2010-12-01 09:00"},
        Range{"2010-12-01 08:26", "2010-12-01 08:26"}, Range{"2011-01-01", "2010-12-01"},
        Range{"2012-01-01", "2013-01-01"}, Range{"2010-12-01 08:40", "2010-12-01 08:10"}}) {
    EXPECT_EQ(total(range), "0|0|0|0|0|0|0|0|0") << *range.from << " " << *range.to;
    EXPECT_EQ(table(sales_over_time(connection_, "hour", range)), "");
    EXPECT_EQ(table(top_products(connection_, 10, range, true)), "");
    EXPECT_EQ(table(cancelled_orders(connection_, range, {})), "");
  }
}

TEST_F(ReportsTest, ARangeThatIsNoTimeIsRefused) {
  auto refused = total_sales(connection_, {"yesteryear", {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_THAT(refused.error().message, HasSubstr("yesteryear"));
  EXPECT_FALSE(top_products(connection_, 1, {"2010-13-01", {}}, false));
  EXPECT_FALSE(cancelled_orders(connection_, {"'", {}}, {}));
  EXPECT_EQ(net({}), "-46.95") << "the session goes on";
}

// period, net, gross, cancelled, lines, quantity, orders
TEST_F(ReportsTest, SalesOverTimeKnowsEveryGrain) {
  EXPECT_EQ(table(sales_over_time(connection_, "hour", {{}, "2010-12-02"})),
            "2010-12-01 08:00:00|19.30|19.30|0|3|9|2\n2010-12-01 09:00:00|30.00|30.00|0|1|10|1");
  EXPECT_EQ(
      table(sales_over_time(connection_, "day", {{}, "2010-12-10"})),
      "2010-12-01 00:00:00|49.30|49.30|0|4|19|3\n2010-12-03 00:00:00|-4.00|0.00|-4.00|2|-1|0");
  EXPECT_EQ(
      table(sales_over_time(connection_, "month", {})),
      "2010-12-01 00:00:00|-54.70|-50.70|-4.00|7|19|3\n2011-01-01 00:00:00|0.00|0.00|0|1|-7|1\n"
      "2011-03-01 00:00:00|7.75|9.00|-1.25|2|2|1");
  EXPECT_EQ(one(sales_over_time(connection_, "quarter", {}), "period"),
            "2010-10-01 00:00:00,2011-01-01 00:00:00");
  EXPECT_EQ(one(sales_over_time(connection_, "quarter", {}), "net_sales"), "-54.70,7.75");
  EXPECT_EQ(one(sales_over_time(connection_, "year", {}), "net_sales"), "-54.70,7.75");
}

TEST_F(ReportsTest, WeeksBeginOnMonday) {
  EXPECT_EQ(one(sales_over_time(connection_, "week", {}), "period"),
            "2010-11-29 00:00:00,2010-12-27 00:00:00,2011-01-03 00:00:00,2011-03-28 00:00:00");
  EXPECT_EQ(one(sales_over_time(connection_, "week", {}), "net_sales"), "45.30,-100.00,0.00,7.75");
}

TEST_F(ReportsTest, AnUnknownGrainIsRefusedWithTheList) {
  for (std::string grain : {"fortnight", "", "HOUR", "minute"}) {
    auto refused = sales_over_time(connection_, grain, {});
    ASSERT_FALSE(refused) << grain;
    EXPECT_EQ(refused.error().code, Code::invalid);
    EXPECT_THAT(refused.error().message, HasSubstr("hour, day, week, month, quarter or year"));
  }
  EXPECT_THAT(ask("select * from report.sales_over_time(null)"), HasSubstr("is no grain"));
}

TEST_F(ReportsTest, TheShopsZoneDecidesWhatADayIs) {
  zone("Asia/Kolkata");  // half an hour off: 23:30Z on 31 December is 05:00 on 1 January
  EXPECT_EQ(net({"2010-12-01", "2011-01-01"}), "45.30");
  EXPECT_EQ(net({"2011-01-01 05:00", "2011-01-01 05:01"}), "-100.00");
  // 08:26Z is 13:56, 08:59Z is 14:29, 09:00Z is 14:30.
  EXPECT_EQ(table(sales_over_time(connection_, "hour", {{}, "2010-12-02"})),
            "2010-12-01 13:00:00|17.30|17.30|0|2|7|1\n2010-12-01 14:00:00|32.00|32.00|0|2|12|2");
  EXPECT_EQ(net({"2010-12-01 14:00", "2010-12-01 14:30"}), "2.00");
  EXPECT_EQ(net({"2010-12-01 14:30", "2010-12-01 15:00"}), "30.00");
  EXPECT_EQ(one(invoice(connection_, "536365"), "invoiced_at"),
            "2010-12-01 13:56:00,2010-12-01 13:56:00");
}

TEST_F(ReportsTest, SummerTimeMovesTheDaysEdge) {
  zone("Europe/London");  // summer time began on 27 March 2011, at 01:00
  EXPECT_EQ(net({"2011-03-28 01:15", "2011-03-28 01:16"}), "9.00");
  EXPECT_EQ(net({"2011-03-28", "2011-03-29"}), "7.75");
  EXPECT_EQ(net({"2011-03-28", "2011-03-28 02:15"}), "9.00");
  EXPECT_EQ(net({"2010-12-01 08:26", "2010-12-01 08:27"}), "17.30") << "and in winter it is GMT";
  zone("America/New_York");
  EXPECT_EQ(net({"2011-03-27", "2011-03-28"}), "7.75") << "the evening before";
}

TEST_F(ReportsTest, TheDoubledHourOfAutumnIsCountedOnce) {
  zone("Europe/London");
  ASSERT_EQ(apply({{"600000", 1, "85123A", 1, "1.00", "2011-10-30T00:30", "17850"},
                   {"600001", 1, "85123A", 1, "2.00", "2011-10-30T01:30", "17850"}}),
            "2 0 0 0");
  EXPECT_EQ(net({"2011-10-30", "2011-10-31"}), "3.00");
  EXPECT_EQ(table(sales_over_time(connection_, "hour", {"2011-10-30", {}})),
            "2011-10-30 01:00:00|3.00|3.00|0|2|2|2");
  EXPECT_EQ(table(sales_over_time(connection_, "day", {"2011-10-30", {}})),
            "2011-10-30 00:00:00|3.00|3.00|0|2|2|2");
}

// rank, stock code, description, quantity, amount, lines
TEST_F(ReportsTest, TopProductsLeaveServicesOutUnlessAskedFor) {
  EXPECT_EQ(table(top_products(connection_, 10, {}, false)),
            "1|22633|WARMER|13|33.00|3\n2|85123A|HEART|6|18.05|4\n3|21777|damaged|-7|0.00|1");
  EXPECT_EQ(one(top_products(connection_, 10, {}, true), "stock_code"),
            "22633,85123A,POST,21777,B");
  EXPECT_EQ(one(top_products(connection_, 2, {}, true), "stock_code"), "22633,85123A");
  EXPECT_EQ(one(top_products(connection_, 0, {}, true), "stock_code"), "");
}

TEST_F(ReportsTest, TopProductsOfARangeCountItsLinesAlone) {
  EXPECT_EQ(table(top_products(connection_, 10, {"2010-12-01 08:26", "2010-12-01 09:00"}, false)),
            "1|85123A|HEART|6|15.30|1\n2|22633|WARMER|2|2.00|1");
  EXPECT_EQ(one(top_products(connection_, 10, {"2010-12-03", {}}, false), "amount"),
            "2.75,1.00,0.00");
}

TEST_F(ReportsTest, ServicesAreKnownWhateverTheirCase) {
  EXPECT_EQ(
      ask("select string_agg(shop.product_kind(code), ',') from unnest(array['POST', 'dot', 'M', "
          "'BANK CHARGES', 'AMAZONFEE', 'gift_0001_20', '85123A', 'MUG', 'giftbag']) as code"),
      "service,service,service,service,service,service,product,product,product");
}

TEST_F(ReportsTest, TiesInARankingGoByCode) {
  ASSERT_EQ(apply({{"700000", 1, "ZZZ", 1, "500"},
                   {"700000", 2, "AAA", 1, "500"},
                   {"700000", 3, "aaa", 1, "500"},
                   {"700001", 1, "MMM", 1, "500"}}),
            "4 0 0 0");
  EXPECT_EQ(one(top_products(connection_, 4, {}, false), "stock_code"), "AAA,MMM,ZZZ,aaa");
  EXPECT_EQ(one(top_products(connection_, 4, {}, false), "rank"), "1,2,3,4");
  EXPECT_EQ(one(top_products(connection_, 3, {"2000-01-01", {}}, false), "stock_code"),
            "AAA,MMM,ZZZ");
}

// customer, orders, cancelled orders, lines, quantity, net sales, first, last
TEST_F(ReportsTest, CustomerSummaryKnowsFourSegments) {
  EXPECT_EQ(table(customer_summary(connection_, "all", {})),
            "17850|2|1|5|8|15.30|2010-12-01 08:26:00|2010-12-03 10:30:00\n"
            "12346|1|0|1|3|9.00|2011-03-28 00:15:00|2011-03-28 00:15:00\n"
            "99999|0|1|1|-1|-1.25|2011-03-28 01:15:00|2011-03-28 01:15:00\n"
            "~|2|0|3|4|-70.00|2010-12-01 09:00:00|2011-01-05 12:00:00");
  EXPECT_EQ(one(customer_summary(connection_, "guests", {}), "customer_id"), "~");
  EXPECT_EQ(one(customer_summary(connection_, "new", {}), "customer_id"), "12346,99999");
  EXPECT_EQ(table(customer_summary(connection_, "loyal", {})), "") << "nobody has ten orders";
  EXPECT_EQ(ask("select customer_id from report.customer_summary('loyal', p_loyal_orders => 2)"),
            "17850");
  EXPECT_EQ(ask("select customer_id from report.customer_summary('new', p_new_days => 365)"),
            "17850\n12346\n99999");
  EXPECT_EQ(one(customer_summary(connection_, "all", 2), "customer_id"), "17850,12346");
}

TEST_F(ReportsTest, TenOrdersMakeACustomerLoyalAndCancellationsDoNot) {
  std::vector<Sale> sales;
  for (int i = 0; i < 10; ++i)
    sales.push_back({std::to_string(800'000 + i), 1, "A", 1, "1", "2011-04-01T10:00", "1"});
  for (int i = 0; i < 10; ++i)
    sales.push_back({"C" + std::to_string(i), 1, "A", -1, "1", "2011-04-01T10:00", "2"});
  for (int i = 0; i < 9; ++i)
    sales.push_back({std::to_string(900'000 + i), 1, "A", 1, "1", "2011-04-01T10:00", "3"});
  ASSERT_EQ(apply(sales), "29 0 0 0");
  EXPECT_EQ(one(customer_summary(connection_, "loyal", {}), "customer_id"), "1");
}

TEST_F(ReportsTest, AnUnknownSegmentIsRefusedWithTheList) {
  for (std::string segment : {"vip", "", "ALL", "loyal "}) {
    auto refused = customer_summary(connection_, segment, {});
    ASSERT_FALSE(refused) << segment;
    EXPECT_EQ(refused.error().code, Code::invalid);
    EXPECT_THAT(refused.error().message, HasSubstr("all, loyal, new or guests"));
  }
  EXPECT_THAT(ask("select * from report.customer_summary(null)"), HasSubstr("is no segment"));
}

// customer, spend, orders, cancelled orders, lines, quantity, returned, first, last
TEST_F(ReportsTest, ACustomersSpendTakesReturnsOffAndCountsThem) {
  EXPECT_EQ(table(customer_spend(connection_, "17850")),
            "17850|15.30|2|1|5|8|-5.00|2010-12-01 08:26:00|2010-12-03 10:30:00");
  EXPECT_EQ(table(customer_spend(connection_, "99999")),
            "99999|-1.25|0|1|1|-1|-1.25|2011-03-28 01:15:00|2011-03-28 01:15:00")
      << "who only ever returned";
}

TEST_F(ReportsTest, ACustomersOrdersGoFromFirstToLast) {
  EXPECT_EQ(table(customer_orders(connection_, "17850")),
            "536365|2010-12-01 08:26:00|sale|2|7|17.30|United Kingdom\n"
            "536366|2010-12-01 08:59:00|sale|1|2|2.00|United Kingdom\n"
            "C536500|2010-12-03 10:30:00|cancellation|2|-1|-4.00|United Kingdom");
}

TEST_F(ReportsTest, OnlyWhatCameBackIsAReturn) {
  EXPECT_EQ(table(customer_returns(connection_, "17850")),
            "C536500|2010-12-03 10:30:00|85123A|HEART|-2|2.50|-5.00");
  EXPECT_EQ(table(customer_returns(connection_, "12346")), "");
}

TEST_F(ReportsTest, WhoIsUnknownHasNoRows) {
  for (std::string customer : {"1", "", "17850.0", "' or true --"}) {
    EXPECT_EQ(table(customer_spend(connection_, customer)), "") << customer;
    EXPECT_EQ(table(customer_orders(connection_, customer)), "") << customer;
    EXPECT_EQ(table(customer_returns(connection_, customer)), "") << customer;
  }
  EXPECT_EQ(table(invoice(connection_, "1")), "");
}

TEST_F(ReportsTest, EachLineHasTheFirstKindThatFits) {
  EXPECT_EQ(one(invoice(connection_, "C536500"), "kind"), "return,sale")
      << "a positive quantity is no return";
  EXPECT_EQ(one(invoice(connection_, "A563185"), "kind"), "adjustment");
  EXPECT_EQ(one(invoice(connection_, "536600"), "kind"), "write_off");
  EXPECT_EQ(
      ask("select shop.line_kind('A1', -1), shop.line_kind('a1', -1), shop.line_kind('c1', 1)"),
      "adjustment|write_off|sale");
}

// invoice, time, customer, country, lines, quantity, amount
TEST_F(ReportsTest, CancelledOrdersComeDearestFirst) {
  EXPECT_EQ(table(cancelled_orders(connection_, {}, {})),
            "C536500|2010-12-03 10:30:00|17850|United Kingdom|2|-1|-4.00\n"
            "C540001|2011-03-28 01:15:00|99999|Spain|1|-1|-1.25");
  EXPECT_EQ(one(cancelled_orders(connection_, {}, 1), "invoice_no"), "C536500");
  EXPECT_EQ(one(cancelled_orders(connection_, {"2011-01-01", {}}, {}), "invoice_no"), "C540001");
  EXPECT_EQ(one(cancelled_orders(connection_, {{}, "2010-12-03 10:30"}, {}), "invoice_no"), "");
}

TEST_F(ReportsTest, AnInvoiceOfTwoDatesIsOneOrder) {
  ASSERT_EQ(apply({{"650000", 1, "A", 1, "1", "2011-05-01T10:00", "555", "France"},
                   {"650000", 2, "A", 1, "2", "2011-05-01T10:01", "555", "Spain"}}),
            "2 0 0 0");
  EXPECT_EQ(table(customer_orders(connection_, "555")),
            "650000|2011-05-01 10:00:00|sale|2|2|3.00|France, Spain");
  EXPECT_EQ(one(total_sales(connection_, {"2011-05-01", {}}), "orders"), "1");
  EXPECT_EQ(one(customer_summary(connection_, "new", {}), "orders"), "1");
}

TEST_F(ReportsTest, CheckpointsTellHowFarEachPartitionHasCome) {
  TestSource second(3);
  ASSERT_EQ(apply(second.batch({}, {"bad"})), "0 0 0 1");
  EXPECT_EQ(one(checkpoints(connection_), "partition"), "0,3");
  EXPECT_EQ(one(checkpoints(connection_), "next_offset"), "10,1");
  EXPECT_EQ(one(checkpoints(connection_), "rejected"), "0,1");
}

TEST_F(ReportsTest, KindsOfCellsAreTold) {
  auto rows = connection_.query(
      "select 1::smallint, 2, 3::bigint, 1.5, 1::real, 1::float8, true, 'a', now()");
  ASSERT_TRUE(rows);
  for (int column = 0; column < 6; ++column)
    EXPECT_EQ(kind_of_type(rows->column_type(column)), CellKind::number) << column;
  EXPECT_EQ(kind_of_type(rows->column_type(6)), CellKind::boolean);
  EXPECT_EQ(kind_of_type(rows->column_type(7)), CellKind::text);
  EXPECT_EQ(kind_of_type(rows->column_type(8)), CellKind::text);
}

}  // namespace
}  // namespace tillrace::warehouse
