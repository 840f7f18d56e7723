#include "processor/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/utf8.h"
#include "processor/garbage_for_tests.h"
#include "processor/output_sink.h"

namespace tillrace::processor {
namespace {

using testing::HasSubstr;

warehouse::Batch decoded(std::vector<Record> records, const TimeZone& shop = {},
                         std::int64_t first = 100) {
  std::vector<StoredRecord> stored;
  for (Record& record : records) stored.push_back({{first++}, std::move(record)});
  EventParser parser(shop);
  warehouse::Batch batch;
  decode(std::move(stored), parser, batch);
  return batch;
}

TEST(Decode, NothingGivesNothing) {
  warehouse::Batch batch = decoded({});
  EXPECT_TRUE(batch.lines.empty());
  EXPECT_TRUE(batch.rejected.empty());
}

TEST(Decode, AnEventBecomesALineAtItsOffset) {
  warehouse::Batch batch = decoded({event_record("536365", 7)});
  ASSERT_EQ(batch.lines.size(), 1U);
  EXPECT_EQ(batch.lines[0].offset, Offset{100});
  EXPECT_EQ(batch.lines[0].event_id, derived_event_id("536365", 7));
  EXPECT_EQ(batch.lines[0].transaction.invoice_no, "536365");
  EXPECT_EQ(batch.lines[0].transaction.unit_price, Price{25'500});
  EXPECT_TRUE(batch.rejected.empty());
}

// A record from kcat, say: no gateway has looked at it.
TEST(Decode, AForeignRecordIsKnownByWhatTheEventSaysAndElseByItsPlace) {
  EventId place = placed_event_id("", 0, 100), own = placed_event_id("", 0, 1);
  Record with_line = event_record("536365", 7), with_id = with_line, with_neither = with_line;
  with_id.value.insert(1, R"("EventId":")" + to_string(own) + R"(",)");
  with_neither.value = event_json("536365", 7, R"("Quantity":1,"UnitPrice":2)");
  with_neither.value.replace(with_neither.value.find("LineNo"), 6, "Line");
  EventParser parser{TimeZone{}};
  for (auto& [record, expected] : {std::pair{with_line, derived_event_id("536365", 7)},
                                   {with_id, own},
                                   {with_neither, place}}) {
    warehouse::Batch batch;
    StoredRecord stored{{100}, record, true};
    stored.record.event_id = place;
    decode({stored}, parser, batch);
    ASSERT_EQ(batch.lines.size(), 1U) << record.value;
    EXPECT_EQ(to_string(batch.lines[0].event_id), to_string(expected));
  }
}

TEST(Decode, GoodAndBadKeepTheirOffsets) {
  warehouse::Batch batch =
      decoded({event_record("1"), raw_record("no"), event_record("2"), raw_record("")});
  ASSERT_EQ(batch.lines.size(), 2U);
  ASSERT_EQ(batch.rejected.size(), 2U);
  EXPECT_EQ(batch.lines[1].offset, Offset{102});
  EXPECT_EQ(batch.rejected[0].offset, Offset{101});
  EXPECT_EQ(batch.rejected[1].offset, Offset{103});
}

TEST(Decode, ARejectedRecordKeepsItsBytesIdentityAndTimeAndHasAReason) {
  Record bad = raw_record(event_json("1", 1, R"("Quantity":1.5,"UnitPrice":2)"), 17);
  warehouse::Batch batch = decoded({bad});
  ASSERT_EQ(batch.rejected.size(), 1U);
  EXPECT_EQ(batch.rejected[0].value, bad.value);
  EXPECT_EQ(batch.rejected[0].event_id, bad.event_id);
  EXPECT_EQ(batch.rejected[0].received_at, bad.received_at);
  EXPECT_THAT(batch.rejected[0].reason, HasSubstr("Quantity"));
  EXPECT_THAT(batch.rejected[0].reason, HasSubstr("1.5"));
}

TEST(Decode, GarbageOfEveryKindKeepsItsBytesAndIsToldWhatIsWrong) {
  for (const Garbage& garbage : all_garbage()) {
    Record record = raw_record(garbage.value);
    warehouse::Batch batch = decoded({record});
    ASSERT_EQ(batch.rejected.size(), 1U) << garbage.what;
    const warehouse::RejectedRecord& rejected = batch.rejected[0];
    EXPECT_EQ(rejected.key, record.key);
    EXPECT_EQ(rejected.value, garbage.value) << garbage.what;
    EXPECT_EQ(warehouse::name(rejected.kind), warehouse::name(garbage.kind)) << garbage.what;
    EXPECT_EQ(rejected.field, garbage.field) << garbage.what;
    EXPECT_THAT(rejected.reason, HasSubstr(garbage.reason)) << garbage.what;
  }
}

TEST(Decode, AnEventMayHaveSoManyBytesAndNoMore) {
  std::string event = event_json("1");
  std::string longest = event + std::string(EventParser::kMostBytes - event.size(), ' ');
  EXPECT_EQ(decoded({raw_record(longest)}).lines.size(), 1U);
  warehouse::Batch longer = decoded({raw_record(longest + " ")});
  ASSERT_EQ(longer.rejected.size(), 1U);
  EXPECT_EQ(longer.rejected[0].kind, warehouse::RejectedKind::too_large);
}

TEST(Decode, OfSeveralBrokenFieldsTheFirstIsTheRecordsField) {
  warehouse::Batch batch =
      decoded({raw_record(event_json("", 1, R"("Quantity":0,"UnitPrice":"x")"))});
  ASSERT_EQ(batch.rejected.size(), 1U);
  EXPECT_EQ(batch.rejected[0].field, "InvoiceNo");
}

TEST(Decode, EveryBrokenFieldIsNamed) {
  warehouse::Batch batch =
      decoded({raw_record(event_json("", 1, R"("Quantity":0,"UnitPrice":"x")"))});
  ASSERT_EQ(batch.rejected.size(), 1U);
  for (const char* field : {"InvoiceNo", "Quantity", "UnitPrice"})
    EXPECT_THAT(batch.rejected[0].reason, HasSubstr(field));
}

TEST(Decode, TheRecordsIdentityIsTheLinesWhateverTheEventSays) {
  Record record = event_record("1");
  record.value = event_json(
      "1", 1, R"("Quantity":1,"UnitPrice":1,"EventId":"00000000-0000-4000-8000-000000000001")");
  warehouse::Batch batch = decoded({record});
  ASSERT_EQ(batch.lines.size(), 1U);
  EXPECT_EQ(batch.lines[0].event_id, record.event_id);
}

TEST(Decode, DatesWithoutAZoneAreTheShops) {
  Record record = event_record("1");
  UtcMicros utc = decoded({record}).lines.at(0).transaction.invoiced_at;
  auto kolkata = TimeZone::find("Asia/Kolkata");
  ASSERT_TRUE(kolkata);
  UtcMicros there = decoded({record}, *kolkata).lines.at(0).transaction.invoiced_at;
  EXPECT_EQ(utc.value - there.value, 330LL * 60 * 1'000'000);
}

// PostgreSQL takes no NUL and no broken UTF-8 in a text, and one such record would stop the
// partition for ever.
TEST(Decode, AReasonIsAlwaysCleanTextWhateverTheBytes) {
  SeededRandom random(3);
  std::vector<Record> records;
  const std::vector<std::string> pieces = {std::string(1, '\0'),
                                           "\xff",
                                           "\xc3",
                                           "\x80",
                                           "\xe2\x82",
                                           "\"",
                                           "\\",
                                           "{",
                                           "}",
                                           ":",
                                           "a",
                                           "1",
                                           "\\u0000",
                                           "\\u001f",
                                           "\\n",
                                           "\\ud83c",
                                           "\\udffa",
                                           "\x7f",
                                           "\xe6\x97\xa5"};
  for (int i = 0; i < 3'000; ++i) {
    std::string noise;
    for (std::uint64_t size = random.below(12); size > 0; --size)
      noise += pieces[random.below(pieces.size())];
    records.push_back(raw_record(noise));
    records.push_back(raw_record(event_json(noise)));
    records.push_back(raw_record(
        event_json("1", 1, R"("Quantity":")" + noise + R"(","UnitPrice":")" + noise + "\"")));
    records.push_back(
        raw_record(event_json("1", 1, "\"" + noise + R"(":1,"Quantity":1,"UnitPrice":1)")));
  }
  warehouse::Batch batch = decoded(records);
  EXPECT_GT(batch.rejected.size(), 6'000U);
  for (const auto& rejected : batch.rejected) {
    ASSERT_TRUE(is_utf8(rejected.reason)) << rejected.value;
    ASSERT_FALSE(rejected.reason.empty());
    for (char c : rejected.reason) {
      ASSERT_GE(static_cast<unsigned char>(c), 0x20) << rejected.value;
    }
  }
}

}  // namespace
}  // namespace tillrace::processor
