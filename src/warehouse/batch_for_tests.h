// Batches for tests, and the questions whose answers must fit together after each of them. Included
// by *_test.cc alone.
#pragma once
#include <string>
#include <vector>

#include "model/invoice_date.h"
#include "warehouse/batch_writer.h"
#include "warehouse/database_for_tests.h"

namespace tillrace::warehouse {

// One line of an invoice: what a test does not care about is filled in.
struct Sale {
  std::string invoice_no = "536365";
  std::int32_t line_no = 1;
  std::string stock_code = "85123A";
  std::int32_t quantity = 6;
  std::string price = "2.55";
  std::string date = "2010-12-01T08:26";  // UTC
  std::optional<std::string> customer = "17850";
  std::string country = "United Kingdom";
  std::optional<std::string> description = "WHITE HANGING HEART";
};

inline Transaction transaction_of(const Sale& sale) {
  Transaction made;
  made.invoice_no = sale.invoice_no;
  made.stock_code = sale.stock_code;
  made.description = sale.description;
  made.quantity = sale.quantity;
  made.invoiced_at = parse_invoice_date(sale.date, TimeZone()).value();
  made.unit_price = parse_price(sale.price).value();
  made.customer_id = sale.customer;
  made.country = sale.country;
  made.line_no = sale.line_no;
  return made;
}

constexpr const char* kLogId = "0190e6a8-0000-7000-8000-000000000001";
constexpr const char* kOtherLogId = "0190e6a8-0000-7000-8000-000000000002";

// One partition of a log that grows: gives the batches that follow one another.
class TestSource {
 public:
  explicit TestSource(std::int32_t partition = 0) : partition_{partition} {}

  Batch batch(const std::vector<Sale>& sales, const std::vector<std::string>& rejected = {}) {
    Batch made{"events", partition_, kLogId, end_, end_, {}, {}};
    for (const Sale& sale : sales) {
      Transaction line = transaction_of(sale);
      EventId id = derived_event_id(sale.invoice_no, sale.line_no);
      made.lines.push_back({{made.to.value++}, id, std::move(line)});
    }
    for (const std::string& value : rejected) {
      EventId id = file_event_id("rejected", static_cast<std::uint64_t>(made.to.value));
      UtcMicros at{1'600'000'000'000'000};
      made.rejected.push_back(
          {{made.to.value++}, id, at, "", value, RejectedKind::not_json, "", "no JSON"});
    }
    end_ = made.to;
    return made;
  }
  Offset end() const { return end_; }

 private:
  Partition partition_;
  Offset end_;
};

// "inserted replaced repeated rejected", or the error.
inline std::string told(const Result<BatchCounts>& counts) {
  if (!counts) return std::string(name(counts.error().code)) + ": " + counts.error().message;
  return fmt::format("{} {} {} {}", counts->inserted, counts->replaced, counts->repeated,
                     counts->rejected);
}

// Where a running aggregate is not the sum of its lines, group by group; empty when none.
inline std::string wrong_aggregates(Connection& connection) {
  return ask(connection, R"(
    with line as (
      select *, date_trunc('hour', invoiced_at, shop.time_zone()) as hour,
             left(invoice_no, 1) = 'C' as is_cancelled
      from shop.transaction
    ), grouped as (
      select 'hour' as report, hour::text || '/' || country as key, * from line
      union all select 'product', stock_code, * from line
      union all select 'customer', coalesce(customer_id, ''), * from line
    ), truth as (
      select report, key, count(*) as lines, sum(quantity) as quantity, sum(amount) as amount,
             count(*) filter (where is_cancelled) as cancelled_lines,
             coalesce(sum(quantity) filter (where is_cancelled), 0) as cancelled_quantity,
             coalesce(sum(amount) filter (where is_cancelled), 0) as cancelled_amount
      from grouped group by report, key
    ), part as (
      select 'hour' as report, hour::text || '/' || country as key, lines, quantity, amount,
             cancelled_lines, cancelled_quantity, cancelled_amount from report.sales_by_hour_part
      union all select 'product', stock_code, lines, quantity, amount, cancelled_lines,
             cancelled_quantity, cancelled_amount from report.product_sales_part
      union all select 'customer', customer_id, lines, quantity, amount, cancelled_lines,
             cancelled_quantity, cancelled_amount from report.customer_sales_part
    ), kept as (
      select report, key, sum(lines) as lines, sum(quantity) as quantity, sum(amount) as amount,
             sum(cancelled_lines) as cancelled_lines,
             sum(cancelled_quantity) as cancelled_quantity,
             sum(cancelled_amount) as cancelled_amount
      from part group by report, key
    )
    select report, key, truth.lines, kept.lines, truth.quantity, kept.quantity, truth.amount,
           kept.amount
    from truth full join kept using (report, key)
    where (coalesce(truth.lines, 0), coalesce(truth.quantity, 0), coalesce(truth.amount, 0),
           coalesce(truth.cancelled_lines, 0), coalesce(truth.cancelled_quantity, 0),
           coalesce(truth.cancelled_amount, 0))
       is distinct from
          (coalesce(kept.lines, 0), coalesce(kept.quantity, 0), coalesce(kept.amount, 0),
           coalesce(kept.cancelled_lines, 0), coalesce(kept.cancelled_quantity, 0),
           coalesce(kept.cancelled_amount, 0))
    order by 1, 2)");
}

// Rows that refer to nothing, heads without lines and heads that say the same twice; empty when
// none. The foreign keys alone would not tell: batches may be checked as a whole.
inline std::string broken_references(Connection& connection) {
  return ask(connection, R"(
    select 'line without head', line.invoice_no, line.part::text from shop.invoice_line as line
      left join shop.invoice as head using (invoice_no, part) where head.invoice_no is null
    union all
    select 'line without product', line.invoice_no, line.stock_code from shop.invoice_line as line
      left join shop.product as product using (stock_code) where product.stock_code is null
    union all
    select 'head without country', head.invoice_no, head.country from shop.invoice as head
      left join shop.country as country using (country) where country.country is null
    union all
    select 'head without customer', head.invoice_no, head.customer_id from shop.invoice as head
      left join shop.customer as customer using (customer_id)
      where head.customer_id is not null and customer.customer_id is null
    union all
    select 'head without lines', head.invoice_no, head.part::text from shop.invoice as head
      left join shop.invoice_line as line using (invoice_no, part) where line.invoice_no is null
    union all
    select 'head twice', invoice_no, count(*)::text from shop.invoice
      group by invoice_no, customer_id, country, invoiced_at having count(*) > 1)");
}

inline std::string faults(Connection& connection) {
  return wrong_aggregates(connection) + broken_references(connection);
}

// A database, a session to look into it, and a writer.
class BatchTest : public testing::Test {
 protected:
  // Applies and looks that all still fits together.
  std::string apply(const Batch& batch) {
    std::string answer = told(writer_.apply(batch));
    EXPECT_EQ(faults(connection_), "");
    return answer;
  }
  std::string apply(const std::vector<Sale>& sales) { return apply(source_.batch(sales)); }
  std::string ask(const std::string& sql, const Params& params = {}) {
    return warehouse::ask(connection_, sql, params);
  }
  std::string mark() { return ask("select next_offset from stream.checkpoint"); }
  std::string line_count() { return ask("select count(*) from shop.invoice_line"); }

  TestDatabase database_;
  Connection connection_ = database_.connect();
  BatchWriter writer_{database_.url()};
  TestSource source_;
};

}  // namespace tillrace::warehouse
