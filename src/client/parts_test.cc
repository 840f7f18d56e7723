// The small parts of the room: looking into JSON, reading events, pacing, progress.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <fstream>

#include "base/json_writer.h"
#include "base/thread.h"
#include "client/json_scan.h"
#include "client/pacer.h"
#include "client/progress.h"
#include "client/records.h"

namespace tillrace::client {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

std::vector<std::pair<std::string, std::string>> members(std::string_view object) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const JsonMember& member : json_members(object)) out.emplace_back(member.key, member.value);
  return out;
}

TEST(JsonMembers, AreThoseOfTheObjectsOwnLevel) {
  EXPECT_THAT(members(R"( { "a" : 1 , "b":{"a":[2,"}"]},"c":"x\",\"d\":3" } )"),
              ElementsAre(testing::Pair("a", "1"), testing::Pair("b", R"({"a":[2,"}"]})"),
                          testing::Pair("c", R"("x\",\"d\":3")")));
  EXPECT_THAT(members("{}"), ElementsAre());
}

TEST(JsonMembers, OfWhatIsNoObjectAreNoneOrSome) {
  for (const char* text :
       {"", "1", "[1]", "{", "{\"", "{\"a\"", "{\"a\":", "{a:1}", "{,,}", "\"{}\"", "{\"a\\"})
    EXPECT_LE(members(text).size(), 1u) << text;
}

TEST(JsonMembers, NeverLookOutside) {
  EXPECT_TRUE(rc::check([](const std::string& any) {
    std::string hostile = "{" + any;
    for (const JsonMember& member : json_members(hostile)) {
      RC_ASSERT(member.value.data() >= hostile.data());
      RC_ASSERT(member.value.data() + member.value.size() <= hostile.data() + hostile.size());
    }
  }));
}

TEST(JsonText, ReadsBackWhatTheWriterQuotes) {
  EXPECT_TRUE(rc::check([] {
    auto text = *rc::gen::container<std::string>(rc::gen::inRange('\1', '\x7f'));
    RC_ASSERT(json_text(json_quoted(text)) == text);
  }));
  EXPECT_EQ(json_text("12"), "12");
  EXPECT_EQ(json_text(R"("\u00e9\u20AC\ud83c\uDFFA\u0000")"),
            std::string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8f\xba\0", 10));
  for (const char* no_character :
       {"\\u12", "\\ud83c", "\\ud83c\\u0041", "\\udffa", "\\u+123", "\\u"})
    EXPECT_THAT(json_text(fmt::format("\"{}\"", no_character)), testing::StartsWith("\\u"))
        << "not decoded, but not lost";
}

TEST(EventReader, FindsTheLinesWhateverTheirEnds) {
  EXPECT_TRUE(rc::check([] {
    auto lines = *rc::gen::container<std::vector<std::string>>(
        rc::gen::container<std::string>(rc::gen::element('a', 'b', ' ', '{', '"')));
    std::string path = testing::TempDir() + fmt::format("events-{}", ::getpid());
    std::string line_end = *rc::gen::element<std::string>("\n", "\r\n");
    {
      std::ofstream file(path, std::ios::binary);
      for (const std::string& line : lines) file << line << line_end;
    }
    auto reader = EventReader::open(path, 8).value();
    EventText event;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string_view line = lines[i];
      bool overlong = line.size() + line_end.size() - 1 > 8;
      if (!overlong && line.find_first_not_of(' ') == std::string_view::npos) continue;
      RC_ASSERT(reader.next(event).value() == EventReader::Found::event);
      RC_ASSERT(event.place == i + 1);
      RC_ASSERT(event.overlong == overlong);
      if (!overlong) RC_ASSERT(line.find(event.json) != std::string_view::npos);
    }
    RC_ASSERT(reader.next(event).value() == EventReader::Found::end);
    std::filesystem::remove(path);
  }));
}

TEST(EventReader, PassesOverALineThatIsLongerThanItsBuffer) {
  std::string path = testing::TempDir() + fmt::format("events-{}", ::getpid());
  std::ofstream(path, std::ios::binary) << "a\n" << std::string(1'000'000, 'x') << "\nb\n";
  auto reader = EventReader::open(path, 1'000).value();
  std::vector<std::string> found;
  EventText event;
  while (reader.next(event).value() == EventReader::Found::event)
    found.push_back(fmt::format("{} {} {}", event.place, event.json.size(), event.overlong));
  EXPECT_THAT(found, ElementsAre("1 1 false", "2 1000 true", "3 1 false"));
  EXPECT_EQ(reader.bytes_taken(), 1'000'005u);
  std::filesystem::remove(path);
}

TEST(Pacer, LetsThroughWhatTheRateAllows) {
  FakeClock clock;
  clock.advance(milliseconds(10'000));
  Pacer pacer(1'000, clock);
  std::stop_token never;
  auto began = clock.monotonic();
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(pacer.wait(100, never));
  EXPECT_EQ(clock.monotonic() - began,
            milliseconds(4'800));  // 5 s, less the burst and the last group's own time
}

TEST(Pacer, AllowsNoMoreThanABurstAfterAPause) {
  FakeClock clock;
  Pacer pacer(1'000, clock);
  std::stop_token never;
  pacer.wait(1, never);
  clock.advance(milliseconds(60'000));
  auto began = clock.monotonic();
  for (int i = 0; i < 10; ++i) pacer.wait(100, never);
  EXPECT_GE(clock.monotonic() - began, milliseconds(800));
}

TEST(Pacer, StopsWaitingWhenTold) {
  FakeClock clock;
  Pacer pacer(1, clock);
  std::stop_source stop;
  EXPECT_TRUE(pacer.wait(1'000, stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(pacer.wait(1, stop.get_token()));
  EXPECT_LT(clock.monotonic(), milliseconds(1'000));
}

TEST(Pacer, WithoutARateNeverWaits) {
  FakeClock clock;
  Pacer pacer(0, clock);
  EXPECT_TRUE(pacer.wait(1'000'000'000, {}));
  EXPECT_EQ(clock.monotonic(), milliseconds(0));
  EXPECT_EQ(pacer.group(777), 777u);
}

struct Screen {
  FakeClock clock;
  std::vector<std::string> drawn;
  ProgressBar bar(bool terminal, int columns = 80) {
    ProgressOptions options;
    options.label = "convert";
    options.terminal = terminal;
    options.columns = columns;
    return {options, [this](std::string_view text) { drawn.emplace_back(text); }, clock};
  }
};

TEST(ProgressBar, ShowsShareRateAndTimeLeftOnATerminal) {
  Screen screen;
  ProgressBar bar = screen.bar(true);
  screen.clock.advance(milliseconds(10'000));
  bar.update({250, 1'000, 12'345});
  EXPECT_THAT(
      screen.drawn,
      ElementsAre(
          "\rconvert [######..................]  25% 12,345 events, 1,234/s, 0:30 left\x1b[K"));
}

TEST(ProgressBar, DrawsNoOftenerThanItMay) {
  Screen screen;
  ProgressBar bar = screen.bar(true);
  for (int i = 0; i < 1'000; ++i) {
    bar.update({1, 2, 1});
    screen.clock.advance(milliseconds(1));
  }
  EXPECT_LE(screen.drawn.size(), 10u);
  EXPECT_GE(screen.drawn.size(), 9u);
}

TEST(ProgressBar, StaysOnOneLineOfANarrowTerminal) {
  Screen screen;
  ProgressBar bar = screen.bar(true, 20);
  screen.clock.advance(milliseconds(1'000));
  bar.update({1, 2, 3});
  EXPECT_EQ(screen.drawn.at(0), "\rconvert [##########\x1b[K");
}

TEST(ProgressBar, IsTakenOffTheTerminalOnlyWhenItIsThere) {
  Screen screen;
  ProgressBar bar = screen.bar(true);
  bar.clear();
  EXPECT_TRUE(screen.drawn.empty());
  screen.clock.advance(milliseconds(1'000));
  bar.update({1, std::nullopt, 3});
  bar.clear();
  bar.clear();
  EXPECT_THAT(screen.drawn, ElementsAre("\rconvert 3 events, 3/s\x1b[K", "\r\x1b[K"));
}

TEST(ProgressBar, IsAPlainLineNowAndThenElsewhere) {
  Screen screen;
  ProgressBar bar = screen.bar(false);
  for (int i = 0; i < 25; ++i) {
    screen.clock.advance(milliseconds(1'000));
    bar.update({10, 100, 5'000});
  }
  bar.clear();
  EXPECT_THAT(screen.drawn, ElementsAre("convert: 10%, 5,000 events, 500/s, 1:30 left\n",
                                        "convert: 10%, 5,000 events, 250/s, 3:00 left\n"));
}

TEST(Texts, AreMadeForPeople) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'000), "1,000");
  EXPECT_EQ(grouped(UINT64_MAX), "18,446,744,073,709,551,615");
  EXPECT_EQ(duration_text(0), "0:00");
  EXPECT_EQ(duration_text(59.6), "1:00");
  EXPECT_EQ(duration_text(3'723), "1:02:03");
  EXPECT_EQ(duration_text(-5), "0:00");
}

}  // namespace
}  // namespace tillrace::client
