#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <set>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "base/utf8.h"

namespace tillrace {
namespace {

TEST(JsonWriter, PutsCommasAndColonsWhereTheyBelong) {
  JsonWriter json;
  json.begin_object().field("a", std::int64_t{1}).key("b").begin_array().null().boolean(true);
  json.begin_object().end_object().end_array().field("c", "x").end_object();
  EXPECT_EQ(json.take(), R"({"a":1,"b":[null,true,{}],"c":"x"})");
}

TEST(JsonWriter, EscapesWhatJsonForbidsInStrings) {
  EXPECT_EQ(json_quoted(std::string("a\"\\\n\x01\x00z", 7)), R"("a\"\\\n\u0001\u0000z")");
}

TEST(JsonWriter, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(json_quoted("\xc3\xa9 \xa3 \xed\xa0\x80"),
            "\"\xc3\xa9 \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(JsonWriter, DiesOnAKeyWithoutAValue) {
  JsonWriter json;
  json.begin_object().key("a");
  EXPECT_DEATH(json.end_object(), "CHECK");
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndWhatLiesBeyondUnicode) {
  for (std::string_view bad :
       {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3", "\x80"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
  EXPECT_TRUE(is_utf8("\xc2\xa3 \xe2\x82\xac \xf0\x9f\x9a\x80 plain"));
}

TEST(Utf8, JsonOfAnyBytesIsUtf8) {
  EXPECT_TRUE(rc::check([](const std::string& any) { RC_ASSERT(is_utf8(json_quoted(any))); }));
}

TEST(Clock, PrintsInstantsBeforeAndAfterTheEpoch) {
  EXPECT_EQ(to_string(UtcMicros{0}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(to_string(UtcMicros{-1}), "1969-12-31T23:59:59.999999Z");
}

TEST(FakeClock, StandsStillUntilAdvanced) {
  FakeClock clock(UtcMicros{5});
  EXPECT_EQ(clock.now().value, 5);
  clock.sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(clock.now().value, 2005);
  EXPECT_EQ(clock.monotonic(), std::chrono::milliseconds(2));
}

TEST(SeededRandom, SameSeedSameNumbersOtherSeedOthers) {
  SeededRandom a(7), b(7), c(8);
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
  for (int i = 0; i < 1000; ++i) EXPECT_LT(a.below(3), 3u);
}

TEST(Metrics, SameNameAndLabelsCountTogether) {
  Metrics metrics;
  metrics.counter("tillrace_x_total", "x", {{"code", "201"}}).add(2);
  metrics.counter("tillrace_x_total", "x", {{"code", "201"}}).add();
  EXPECT_NE(metrics.text().find("tillrace_x_total{code=\"201\"} 3"), std::string::npos);
}

TEST(Metrics, HistogramsCountInEveryBucketAbove) {
  Metrics metrics;
  Histogram seconds = metrics.histogram("tillrace_x_seconds", "x", {0.1, 1});
  for (double value : {0.05, 0.1, 0.5, 7.0}) seconds.observe(value);
  for (const char* line :
       {"bucket{le=\"0.1\"} 2\n", "bucket{le=\"1\"} 3\n", "bucket{le=\"+Inf\"} 4\n", "count 4\n"})
    EXPECT_NE(metrics.text().find("tillrace_x_seconds_" + std::string(line)), std::string::npos)
        << metrics.text();
}

TEST(Result, CodesNamesAreFitForLabels) {
  for (Code code : {Code::invalid, Code::not_found, Code::conflict, Code::exhausted,
                    Code::unavailable, Code::corrupt, Code::shutting_down})
    EXPECT_EQ(name(code).find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos)
        << name(code);
}

TEST(Result, AFailureHandedOnSaysWhatWasBeingDone) {
  Error first{Code::unavailable, "no answer"};
  auto failed = fail(first, "the log");
  EXPECT_EQ(failed.value().message, "the log: no answer");
  EXPECT_EQ(failed.value().code, Code::unavailable);
}

TEST(SystemRandom, GivesOtherBytesEachTimeAcrossItsBlocks) {
  SystemRandom random;
  std::set<std::array<std::uint8_t, 16>> seen;
  for (int i = 0; i < 100; ++i) {
    std::array<std::uint8_t, 16> bytes{};
    random.fill(bytes);
    seen.insert(bytes);
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(Logging, JsonLinesHoldAnyMessageAsOneString) {
  testing::internal::CaptureStderr();
  logging::configure({logging::Level::warning, true});
  logging::info("not shown");
  logging::warning("a \"{}\"\nb {{}}", "quoted");
  logging::configure({logging::Level::info, false});
  std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_EQ(lines.find("not shown"), std::string::npos);
  EXPECT_NE(lines.find(R"("level":"warning",)"), std::string::npos) << lines;
  EXPECT_NE(lines.find(R"("message":"a \"quoted\"\nb {}"})"), std::string::npos) << lines;
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
}

std::string logged(bool json, std::string_view message, std::vector<logging::Field> fields) {
  testing::internal::CaptureStderr();
  logging::configure({logging::Level::info, json});
  logging::write(logging::Level::info, message, fields);
  logging::configure({logging::Level::info, false});
  return testing::internal::GetCapturedStderr();
}

TEST(Logging, FieldsStandBehindTheMessageAsText) {
  auto line = logged(false, "served", {{"path", "/a"}, {"status", std::int64_t{200}}, {"ms", 1.5}});
  EXPECT_NE(line.find("served path=/a status=200 ms=1.5\n"), std::string::npos) << line;
}

TEST(Logging, AValueThatCouldBeTakenForSomethingElseIsQuoted) {
  for (std::string_view value : {"", "a b", "a=b", "\"a", "a\\b", "a\nb", "\x1b[31m", "\xff"}) {
    auto line = logged(false, "m", {{"k", value}, {"z", "end"}});
    EXPECT_NE(line.find(fmt::format("m k={} z=end\n", json_quoted(value))), std::string::npos)
        << line;
  }
}

TEST(Logging, FieldsAreMembersOfAJsonLine) {
  auto line =
      logged(true, "served", {{"path", "/a\""}, {"status", std::int64_t{200}}, {"ms", 1.5}});
  EXPECT_NE(line.find(R"("message":"served","path":"/a\"","status":200,"ms":1.5})"),
            std::string::npos)
      << line;
}

TEST(Logging, AnUnknownLevelIsRefusedWithTheKnownOnes) {
  EXPECT_TRUE(logging::parse_level("debug"));
  auto bad = logging::parse_level("loud");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("warning"), std::string::npos);
}

}  // namespace
}  // namespace tillrace
