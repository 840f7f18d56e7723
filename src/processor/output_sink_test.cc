#include "processor/output_sink.h"

#include <gtest/gtest.h>

#include "processor/decode.h"
#include "processor/processor_for_tests.h"

namespace tillrace::processor {
namespace {

TEST(OutputJsonTest, HoldsTheTypedEventWithItsExactAmountAndKind) {
  warehouse::Batch batch;
  EventParser parser{TimeZone()};
  StoredRecord stored;
  stored.record = event_record("C536365", 7);
  stored.record.value = event_json("C536365", 7, R"("Quantity":-3,"UnitPrice":"0.0001")");
  decode({stored}, parser, batch);
  ASSERT_EQ(batch.lines.size(), 1U);
  EXPECT_EQ(
      output_json(batch.lines[0]),
      R"({"EventId":")" + to_string(stored.record.event_id) +
          R"(","InvoiceNo":"C536365","LineNo":7,"StockCode":"85123A","Description":"HEART",)"
          R"("Quantity":-3,"UnitPrice":"0.0001","Amount":"-0.0003","Kind":"return",)"
          R"("InvoiceDate":"2010-12-01T08:26:00.000000Z","CustomerID":"17850","Country":"UK"})");
}

TEST(OutputJsonTest, AGuestHasNoCustomerIdAndWhatIsAbsentIsLeftOut) {
  warehouse::Line line;
  line.transaction.invoice_no = "A563185";
  line.transaction.quantity = 1;
  std::string json = output_json(line);
  EXPECT_EQ(json.find("CustomerID"), std::string::npos);
  EXPECT_EQ(json.find("LineNo"), std::string::npos);
  EXPECT_EQ(json.find("Description"), std::string::npos);
  EXPECT_NE(json.find(R"("Kind":"adjustment")"), std::string::npos);
}

}  // namespace
}  // namespace tillrace::processor
