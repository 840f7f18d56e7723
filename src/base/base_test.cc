#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/json_writer.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/utf8.h"

namespace tillrace {
namespace {

std::filesystem::path scratch() {
  std::string pattern = testing::TempDir() + "base-XXXXXX";
  return ::mkdtemp(pattern.data());
}

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
  EXPECT_EQ(json_quoted("\xc3\xa9 \xa3 \xed\xa0\x80"), "\"\xc3\xa9 \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(JsonWriter, DiesOnAKeyWithoutAValue) {
  JsonWriter json;
  json.begin_object().key("a");
  EXPECT_DEATH(json.end_object(), "CHECK");
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndWhatLiesBeyondUnicode) {
  for (std::string_view bad : {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3", "\x80"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
  EXPECT_TRUE(is_utf8("\xc2\xa3 \xe2\x82\xac \xf0\x9f\x9a\x80 plain"));
}

TEST(Utf8, JsonOfAnyBytesIsUtf8) {
  rc::check([](const std::string& any) { RC_ASSERT(is_utf8(json_quoted(any))); });
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

TEST(Files, MissingFileIsNotFoundAndNamed) {
  auto missing = read_file(scratch() / "none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_NE(missing.error().message.find("none"), std::string::npos);
}

TEST(Files, AtomicWriteReplacesTheWholeFile) {
  auto path = scratch() / "file";
  ASSERT_TRUE(write_file_atomically(path, "a much longer first content"));
  ASSERT_TRUE(write_file_atomically(path, "second", 0600));
  EXPECT_EQ(read_file(path).value(), "second");
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".new"));
}

TEST(Files, AtomicWriteIntoAMissingFolderFailsAndNamesIt) {
  auto written = write_file_atomically(scratch() / "no" / "file", "x");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("/no/file"), std::string::npos);
}

TEST(FolderLock, ASecondOwnerIsRefusedAndToldTheFirst) {
  auto folder = scratch();
  auto first = FolderLock::acquire(folder);
  ASSERT_TRUE(first);
  auto second = FolderLock::acquire(folder);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
}

TEST(FolderLock, IsFreeAgainAfterItsOwnerIsGone) {
  auto folder = scratch();
  { ASSERT_TRUE(FolderLock::acquire(folder)); }
  EXPECT_TRUE(FolderLock::acquire(folder));
}

TEST(Metrics, SameNameAndLabelsCountTogether) {
  Metrics metrics;
  metrics.counter("tillrace_x_total", "x", {{"code", "201"}}).add(2);
  metrics.counter("tillrace_x_total", "x", {{"code", "201"}}).add();
  EXPECT_NE(metrics.text().find("tillrace_x_total{code=\"201\"} 3"), std::string::npos);
}

TEST(Logging, AnUnknownLevelIsRefusedWithTheKnownOnes) {
  EXPECT_TRUE(logging::parse_level("debug"));
  auto bad = logging::parse_level("loud");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("warning"), std::string::npos);
}

}  // namespace
}  // namespace tillrace
