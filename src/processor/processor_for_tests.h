// A real log and a real warehouse for the room's tests. Included by *_test.cc alone.
#pragma once
#include <string>
#include <vector>

#include "log/log_testing.h"
#include "processor/partition_loop.h"
#include "processor/warehouse_sink.h"
#include "warehouse/batch_for_tests.h"

namespace tillrace::processor {

using log::World;
using warehouse::ask;
using warehouse::eventually;
using warehouse::TestDatabase;

inline std::string event_json(const std::string& invoice_no, int line_no = 1,
                              const std::string& more = R"("Quantity":6,"UnitPrice":2.55)") {
  return fmt::format(R"({{"InvoiceNo":"{}","LineNo":{},"StockCode":"85123A","Description":"HEART",)"
                     R"("InvoiceDate":"2010-12-01T08:26","CustomerID":"17850","Country":"UK",{}}})",
                     invoice_no, line_no, more);
}

// As the gateway makes it.
inline Record event_record(const std::string& invoice_no, int line_no = 1) {
  return {invoice_no, event_json(invoice_no, line_no), derived_event_id(invoice_no, line_no),
          SystemClock().now()};
}
inline Record raw_record(std::string value, std::uint64_t number = 0) {
  return {"raw", std::move(value), file_event_id("raw", number), {1'600'000'000'000'000}};
}

// A log in a folder of its own.
class WithLog : public testing::Test {
 protected:
  explicit WithLog(std::int32_t partitions) {
    log_ = world_.open(log::options_in(folder_.path() / "log", partitions));
  }
  void append(std::vector<Record> records) {
    auto appended = log_->append_and_wait(std::move(records));
    ASSERT_TRUE(appended) << appended.error().message;
  }
  // `count` invoices of one line each, numbered on.
  void append_events(int count) {
    std::vector<Record> records;
    for (int i = 0; i < count; ++i)
      records.push_back(event_record(std::to_string(next_invoice_++)));
    append(std::move(records));
  }

  ScratchFolder folder_;
  World world_;
  std::unique_ptr<log::Log> log_;
  int next_invoice_ = 536'365;
};

// That, and a database.
class LogToWarehouse : public WithLog {
 protected:
  explicit LogToWarehouse(std::int32_t partitions = 1) : WithLog(partitions) {}
  std::string ask(const std::string& sql) { return warehouse::ask(connection_, sql); }
  std::string line_count() { return ask("select count(*) from shop.invoice_line"); }
  void set_mark(std::int64_t next, const std::string& log_id, int partition = 0,
                const std::string& topic = "events") {
    Status set = connection_.execute(
        fmt::format("insert into stream.checkpoint (topic, partition, log_id, next_offset) "
                    "values ('{}', {}, '{}', {})",
                    topic, partition, log_id, next));
    ASSERT_TRUE(set) << set.error().message;
  }

  TestDatabase database_;
  warehouse::Warehouse reached_{database_.url(), nullptr};
  warehouse::Connection connection_ = database_.connect();
};

}  // namespace tillrace::processor
