#include "lake/delta_stats.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/utf8.h"

namespace tillrace::lake {
namespace {

std::string stats_of(const std::string& type, ColumnStats stats) {
  return stats_json({{{"c", type}}}, 3, {{"c", std::move(stats)}});
}
std::string bounds(const std::string& min, const std::string& max) {
  auto object = [](const std::string& value) {
    return value.empty() ? std::string("{}") : "{\"c\":" + value + "}";
  };
  return "{\"numRecords\":3,\"minValues\":" + object(min) + ",\"maxValues\":" + object(max) +
         ",\"nullCount\":{\"c\":0}}";
}
ColumnStats range(std::string min, std::string max) {
  return {.min = std::move(min), .max = std::move(max), .null_count = 0};
}

TEST(DeltaStats, NumbersStayAsTheyAreWritten) {
  EXPECT_EQ(stats_of("long", range("-5", "7")), bounds("-5", "7"));
  EXPECT_EQ(stats_of("decimal(38,10)", range("0.0000000001", "9999999999999999999999999999.5")),
            bounds("0.0000000001", "9999999999999999999999999999.5"));
  EXPECT_EQ(stats_of("double", range("0.5", "1e+300")), bounds("0.5", "1e+300"));
}

TEST(DeltaStats, TimesAreRoundedOutwardsToTheMillisecond) {
  EXPECT_EQ(stats_of("timestamp",
                     range("2026-01-01 00:00:00.000001+00", "2026-12-31 23:59:59.999001+00")),
            bounds("\"2026-01-01T00:00:00.000Z\"", "\"2027-01-01T00:00:00.000Z\""));
  EXPECT_EQ(stats_of("timestamp", range("1969-12-31 23:59:59.5+00", "2026-01-01 00:00:00+00")),
            bounds("\"1969-12-31T23:59:59.500Z\"", "\"2026-01-01T00:00:00.000Z\""));
}

TEST(DeltaStats, NoBoundIsBeyondTheYear9999) {
  std::string last = "\"9999-12-31T23:59:59.999Z\"";
  EXPECT_EQ(stats_of("timestamp",
                     range("9999-12-31 23:59:59.999999+00", "9999-12-31 23:59:59.999001+00")),
            bounds(last, ""));
  EXPECT_EQ(
      stats_of("timestamp", range("9999-12-31 23:59:59.999+00", "9999-12-31 23:59:59.999+00")),
      bounds(last, last));
  EXPECT_EQ(stats_of("timestamp",
                     range("0001-01-01 00:00:00.000001+00", "9999-12-31 23:59:59.998001+00")),
            bounds("\"0001-01-01T00:00:00.000Z\"", last));
  EXPECT_EQ(stats_of("timestamp", range("10000-01-01 00:00:00+00", "10000-01-01 00:00:00+00")),
            bounds("", ""));
  EXPECT_EQ(stats_of("date", range("0001-01-01", "9999-12-31")),
            bounds("\"0001-01-01\"", "\"9999-12-31\""));
  EXPECT_EQ(stats_of("date", range("9999-12-31", "10000-01-01")), bounds("\"9999-12-31\"", ""));
}

TEST(DeltaStats, LeavesOutBoundsThatWouldNotHold) {
  EXPECT_EQ(stats_of("double", {.min = "1.0", .max = "2.0", .null_count = 0, .has_nan = true}),
            bounds("", ""));
  EXPECT_EQ(stats_of("double", range("-inf", "inf")), bounds("", ""));
  EXPECT_EQ(stats_of("timestamp", range("infinity", "12026-01-01 00:00:00+00")), bounds("", ""));
  EXPECT_EQ(stats_of("date", range("0044-03-15 (BC)", "12026-01-01")), bounds("", ""));
  EXPECT_EQ(stats_of("boolean", range("0", "1")), bounds("", ""));
  EXPECT_EQ(stats_of("binary", range("00", "FF")), bounds("", ""));
  EXPECT_EQ(stats_of("long", {.min = {}, .max = {}, .null_count = 0}), bounds("", ""));
}

TEST(DeltaStats, LongTextsAreCutAndTheMaximumGoesUp) {
  std::string long_text(40, 'z');
  EXPECT_EQ(stats_of("string", range(long_text, long_text)),
            bounds(fmt::format("\"{:z>32}\"", ""), fmt::format("\"{:z>31}{{\"", "")));
  EXPECT_EQ(stats_of("string", range("a", "b")), bounds("\"a\"", "\"b\""));
}

TEST(DeltaStats, ATextIsCutAtAWholeCharacter) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "\xC3\xBC";
  std::string cut = text.substr(0, 64);
  EXPECT_EQ(rounded_up(text, 32), cut.substr(0, 62) + "\xC3\xBD");
}

TEST(DeltaStats, TheGreatestCharactersCarry) {
  std::string greatest = "\xF4\x8F\xBF\xBF";
  EXPECT_EQ(rounded_up("a" + greatest + "x", 2), "b");
  EXPECT_EQ(rounded_up(greatest + greatest + "x", 2), std::nullopt);
  EXPECT_EQ(rounded_up("\xED\x9F\xBF"
                       "x",
                       1),
            "\xEE\x80\x80");  // over the surrogates
  EXPECT_EQ(rounded_up("\x7F"
                       "x",
                       1),
            "\xC2\x80");
}

TEST(DeltaStats, WhatIsRoundedUpIsNoLessAndNoLonger) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint16_t>& characters) {
    std::string text;
    for (auto c : characters) {
      if (c < 0x80)
        text += static_cast<char>(c);
      else if (c >= 0x800 && c < 0xD800)
        text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
                 static_cast<char>(0x80 | (c & 0x3F))};
    }
    RC_ASSERT(is_utf8(text));
    auto up = rounded_up(text, 5);
    RC_ASSERT(up.has_value() && is_utf8(*up) && *up >= text);
    RC_ASSERT(text.size() <= 5 || up->size() <= 20);
  }));
}

TEST(DeltaStats, SaysNothingOfColumnsItWasToldNothingOf) {
  EXPECT_EQ(stats_json({{{"c", "long"}, {"p", "string"}}}, 0, {}),
            R"({"numRecords":0,"minValues":{},"maxValues":{},"nullCount":{}})");
}

}  // namespace
}  // namespace tillrace::lake
