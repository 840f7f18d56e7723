#include "model/not_json.h"

#include <gtest/gtest.h>

#include "model/event_json.h"

namespace tillrace {
namespace {

std::string described(std::string_view text) {
  return described_malformed(text, EventParser::kMostDepth);
}

TEST(NotJson, TellsWhatIsThereInstead) {
  EXPECT_EQ(described(""), "nothing");
  EXPECT_EQ(described("\r\n \t"), "nothing");
  EXPECT_EQ(described(" null "), "null");
  EXPECT_EQ(described("false"), "false");
  EXPECT_EQ(described("-1.5e300"), "a number");
  EXPECT_EQ(described("\"a\""), "a string");
  EXPECT_EQ(described(" [1, {}]"), "an array");
  EXPECT_EQ(described("nul"), "a text that is no JSON");
  EXPECT_EQ(described("<xml/>"), "a text that is no JSON");
  EXPECT_EQ(described("{\"a\" 1}"), "broken JSON");
}

TEST(NotJson, TellsWhereBytesAreWrong) {
  EXPECT_EQ(described("\xff"), "bytes that are not UTF-8, the first at byte 1");
  EXPECT_EQ(described("{\"a\":\"\xc3\"}"), "bytes that are not UTF-8, the first at byte 7");
  EXPECT_EQ(described(std::string_view("{}\0", 3)), "a NUL at byte 3");
}

TEST(NotJson, BracketsInStringsDoNotCount) {
  EXPECT_EQ(described("{\"}\":1"), "a text that breaks off");
  EXPECT_EQ(described("{\"a\":\"\\\"}"), "a text that breaks off");
  EXPECT_EQ(described("{\"a"), "a text that breaks off");
  EXPECT_EQ(described("{\"a\":\"\\"), "a text that breaks off");
  EXPECT_EQ(described("{\"[[[[\":x}"), "broken JSON");
  EXPECT_EQ(described("{\"}\":1} {}"), "more behind its end, at byte 8");
}

TEST(NotJson, CountsLevelsBeyondTheLimitOnly) {
  for (int levels : {EventParser::kMostDepth, EventParser::kMostDepth + 1}) {
    auto inner = static_cast<std::size_t>(levels - 1);
    std::string text = "{\"x\":" + std::string(inner, '[') + std::string(inner, ']') + "}";
    EventParser parser{TimeZone{}};
    auto event = parser.parse(text);
    ASSERT_FALSE(event);
    bool too_deep = levels > EventParser::kMostDepth;
    EXPECT_EQ(event.error().malformed, too_deep) << "the parser's limit is the same";
    EXPECT_EQ(described(text), too_deep ? "65 levels" : "broken JSON");
  }
}

}  // namespace
}  // namespace tillrace
