#include "app/bytes_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/utf8.h"

namespace tillrace::app {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string view(std::string_view bytes) {
  auto event = EventParser(TimeZone()).parse(bytes);
  return bytes_view(bytes, event ? std::nullopt : std::optional(event.error()));
}

TEST(BytesView, MarksEachBrokenMemberWithItsRule) {
  std::string shown = view(R"({"InvoiceNo":"1", "Quantity": 0,"StockCode":"A","Country":"UK",)"
                           R"("UnitPrice":1, "Extra":{"a":[1,2]}})");
  EXPECT_THAT(shown, HasSubstr("    \"InvoiceNo\": \"1\"\n"));
  EXPECT_THAT(shown, HasSubstr(">   \"Quantity\": 0   <-- an integer from -2147483648"));
  EXPECT_THAT(shown, HasSubstr(">   \"InvoiceDate\" is missing   <-- YYYY-MM-DD"));
  EXPECT_THAT(shown, HasSubstr("    \"Extra\": {\"a\":[1,2]}\n"));
}

TEST(BytesView, ATextStaysATextAndNothingSteersTheTerminal) {
  EXPECT_EQ(view("two\nlines\r\n"), "  two\n  lines\\x0d\n");
  EXPECT_EQ(view("\x1b[2J\x7f\xc2\x9b"), "  \\x1b[2J\\x7f\\x9b\n");
  EXPECT_EQ(view(""), "");
}

TEST(BytesView, OtherBytesAreShownInHexadecimalAndTheFirstWrongOneIsMarked) {
  EXPECT_EQ(view("0123456789abcdef{\xff}"),
            "  00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n"
            "> 00000010  7b ff 7d                                         {.}\n");
  EXPECT_THAT(view(std::string_view("{\0}", 3)), HasSubstr("> 00000000  7b 00 7d"));
}

TEST(BytesView, WhatIsLongIsCutBetweenCharactersAndSaysHowMuchIsLeft) {
  std::string text;
  while (text.size() <= kMostShownBytes) text += "\xe2\x82\xac";
  EXPECT_THAT(view(text), HasSubstr(fmt::format("{} more bytes", text.size() - kMostShownBytes)));
  EXPECT_THAT(view(text), Not(HasSubstr("00000000")));
  EXPECT_THAT(view(std::string(kMostShownBytes, 'x')), Not(HasSubstr("more bytes")));
}

TEST(BytesView, AnyBytesGiveCleanLines) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    std::string shown = view(bytes);
    RC_ASSERT(is_utf8(shown));
    for (char c : shown) RC_ASSERT(c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20);
  }));
}

}  // namespace
}  // namespace tillrace::app
