#include "app/rejected_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace tillrace::app {
namespace {

using testing::HasSubstr;

warehouse::RejectedRow row_of(std::string value) {
  warehouse::RejectedRow row;
  row.topic = "some/topic";
  row.partition = {3};
  row.offset = {17};
  row.value = std::move(value);
  row.kind = "field";
  row.reason = "Quantity: an integer, got 1.5";
  return row;
}

const RecordPlace kPlace{"some/topic", {3}, {17}};

std::string refusal(std::string_view text) {
  auto records = parse_records(text);
  EXPECT_FALSE(records) << text;
  return records ? "" : records.error().message;
}

std::string export_of(const std::string& more) {
  return R"({"topic":"t","partition":0,"offset":1,)" + more + "}";
}

TEST(RecordPlace, IsReadAsItIsWritten) {
  EXPECT_EQ(to_string(kPlace), "3:17");
  EXPECT_EQ(parse_place("3:17", "some/topic").value(), kPlace);
  EXPECT_EQ(parse_place("some/topic/3:17", "other").value(), kPlace);
  for (const char* wrong : {"", ":", "3", "3:", ":17", "3:17:1", "-3:17", "3:-17", "3:17 ", "+3:17",
                            "3:0x1", "99999999999:1", "3:99999999999999999999", "a:b", "/3"})
    EXPECT_THAT(parse_place(wrong, "t").error().message, HasSubstr("PARTITION:OFFSET")) << wrong;
}

TEST(RejectedFile, AnExportGivesEveryByteBack) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    auto records = parse_records(export_line(row_of(bytes)) + "\n");
    RC_ASSERT(records.has_value());
    RC_ASSERT(records->size() == 1U);
    RC_ASSERT(records->front().place == kPlace);
    RC_ASSERT(records->front().value == bytes);
  }));
}

TEST(RejectedFile, AnExportIsOneLineWhateverTheKeyAndTheReason) {
  warehouse::RejectedRow row = row_of("{\n}\r\n");
  row.key = "\xff\n";
  row.reason = "two\nlines";
  std::string line = export_line(row);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_THAT(line, HasSubstr(R"("key_base64":"/wo=")"));
  EXPECT_EQ(parse_records(line)->front().value, row.value);
}

TEST(RejectedFile, TheEventItselfMayStandInPlaceOfItsText) {
  auto records = parse_records(export_of(R"("value": {"a": "\u00e9", "b": [1]} )"));
  ASSERT_TRUE(records) << records.error().message;
  EXPECT_EQ(records->front().value, R"({"a": "\u00e9", "b": [1]})");
  records = parse_records("\xef\xbb\xbf\n\n" + export_of(R"("value":"\ud83c\uDFFA")") + "\r\n");
  ASSERT_TRUE(records) << records.error().message;
  EXPECT_EQ(records->front().value, "\xf0\x9f\x8f\xba");
}

TEST(RejectedFile, NothingIsNoRecord) {
  EXPECT_TRUE(parse_records("").value().empty());
  EXPECT_TRUE(parse_records(" \n\n").value().empty());
}

TEST(RejectedFile, WhatIsNoExportIsRefusedWithItsLine) {
  EXPECT_THAT(refusal(export_of(R"("value":"")") + "\n{"), HasSubstr("line 2: one JSON object"));
  EXPECT_THAT(refusal("\n[]"), HasSubstr("line 2: one JSON object"));
  EXPECT_THAT(refusal(export_of(R"("value":"\ud83c")")), HasSubstr("line 1"));
  EXPECT_THAT(refusal(export_of(R"("x":1)")), HasSubstr("neither value nor base64"));
  EXPECT_THAT(refusal(export_of(R"("base64":"Zg=")")), HasSubstr("is not Base64"));
  for (const char* place :
       {R"("partition":0,"offset":1)", R"("topic":"t","offset":1)", R"("topic":"t","partition":0)",
        R"("topic":"t","partition":"0","offset":1)", R"("topic":"t","partition":0,"offset":-1)",
        R"("topic":"t","partition":0,"offset":1.0)", R"("topic":"","partition":0,"offset":1)"})
    EXPECT_THAT(refusal(fmt::format("{{{},\"value\":\"\"}}", place)),
                HasSubstr("topic, partition and offset"));
  EXPECT_THAT(refusal(export_of(R"("value":"")") + "\n" + export_of(R"("value":"x")")),
              HasSubstr("t/0:1 is there twice"));
}

TEST(RejectedFile, AnEditedFileGivesTheTextsBackWithoutBlanksAround) {
  std::string text = editable(row_of("{\n  \"a\": 1\n}\n"));
  EXPECT_THAT(text, testing::StartsWith("# some/topic/3:17  Quantity: an integer, got 1.5\n{\n"));
  auto records = parse_records(text + "# t/0:1\nx");
  ASSERT_TRUE(records) << records.error().message;
  ASSERT_EQ(records->size(), 2U);
  EXPECT_EQ((*records)[0].place, kPlace);
  EXPECT_EQ((*records)[0].value, "{\n  \"a\": 1\n}");
  EXPECT_EQ((*records)[1].value, "x");
}

TEST(RejectedFile, WhatHasNoTextInAnEditedFileIsLeftOut) {
  auto records = parse_records("# t/0:1  gone\n\n \n# t/0:2  here\n{}\n# t/0:3");
  ASSERT_TRUE(records) << records.error().message;
  ASSERT_EQ(records->size(), 1U);
  EXPECT_EQ(records->front().place.offset, Offset{2});
}

TEST(RejectedFile, NoRecordsOwnLineIsTakenForAHead) {
  auto records = parse_records(editable(row_of("# t/0:1\n{}\n# t/0:2\n{}")));
  ASSERT_TRUE(records) << records.error().message;
  ASSERT_EQ(records->size(), 1U);
  EXPECT_EQ(records->front().place, kPlace);
}

TEST(RejectedFile, WhatStandsInForBytesIsToldFromWhatWasRepaired) {
  warehouse::RejectedRow bytes = row_of("{\"a\":\"caf\xe9\"}");
  auto saved = parse_records(editable(bytes));
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_TRUE(holds_stand_ins(saved->front().value, bytes)) << "saved unchanged";
  EXPECT_FALSE(holds_stand_ins("{\"a\":\"caf\u00e9\"}", bytes));
  EXPECT_FALSE(holds_stand_ins("{\"a\":\"caf\\ufffd\"}", bytes)) << "said by an escape";
  EXPECT_FALSE(holds_stand_ins(bytes.value, bytes)) << "as it came";
  warehouse::RejectedRow own = row_of("{\"a\":\"\ufffd\"}");
  EXPECT_FALSE(holds_stand_ins(own.value, own)) << "its own character";
}

TEST(RejectedFile, WhatIsNoEditedFileIsRefusedWithItsLine) {
  EXPECT_THAT(refusal("# t/0:1\n{}\n# a note\n"), HasSubstr("line 3: a line that begins with"));
  EXPECT_THAT(refusal("# 0:1\n{}"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("#t/0:1\n{}"), HasSubstr("line 1: text must stand behind"));
  EXPECT_THAT(refusal("# t/0:1\n{}\n# t/0:1\n{}"), HasSubstr("is there twice"));
}

}  // namespace
}  // namespace tillrace::app
