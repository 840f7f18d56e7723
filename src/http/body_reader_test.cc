#include "http/body_reader.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "http/gzip_for_tests.h"

namespace tillrace::http {
namespace {

using State = BodyReader::State;

// Feeds `wire` in pieces of `piece` bytes, taking parts of `part` bytes, as a connection does; the
// parts joined by nothing, and how it ended.
std::pair<std::string, State> read(BodyReader reader, std::string_view wire, std::size_t piece,
                                   std::size_t part) {
  std::string whole, out, pending;
  while (!wire.empty() && reader.state() == State::more) {
    pending += wire.substr(0, piece);
    wire.remove_prefix(std::min(piece, wire.size()));
    for (bool again = true; again && reader.state() == State::more;) {
      std::size_t used = reader.feed(pending, part, out);
      pending.erase(0, used);
      again = reader.full() || (used > 0 && !pending.empty());
      whole += std::exchange(out, {});
    }
  }
  return {whole + pending, reader.state()};
}

std::string in_chunks(std::string_view bytes, std::size_t size) {
  std::string wire;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size()))) {
    auto chunk = bytes.substr(0, size);
    wire += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
  }
  return wire + "0\r\n\r\n";
}

TEST(BodyReader, GivesTheSameBodyHoweverItIsFramedCodedSplitAndTaken) {
  EXPECT_TRUE(rc::check([](const std::string& seed) {
    std::string plain;
    for (int i = 0; i < 50; ++i) plain += seed + std::to_string(i);
    auto coding = *rc::gen::element(ContentCoding::identity, ContentCoding::gzip);
    auto chunk = *rc::gen::inRange<std::size_t>(1, 100);
    auto piece = *rc::gen::inRange<std::size_t>(1, 200);
    auto part = *rc::gen::inRange<std::size_t>(1, 200);
    auto coded = coding == ContentCoding::gzip ? gzip(plain) : plain;
    auto expected = std::pair(plain, State::done);
    RC_ASSERT(read({{false, coded.size()}, coding}, coded, piece, part) == expected);
    RC_ASSERT(read({{true, 0}, coding}, in_chunks(coded, chunk), piece, part) == expected);
  }));
}

TEST(BodyReader, NeverGivesMoreThanThereIsRoomFor) {
  auto bomb = gzip(std::string(1'000'000, '0'));
  BodyReader reader({false, bomb.size()}, ContentCoding::gzip);
  std::string out = "kept";
  std::size_t used = reader.feed(bomb, 100, out);
  EXPECT_EQ(out.size(), 100u);
  EXPECT_TRUE(reader.full());
  EXPECT_EQ(reader.state(), State::more);
  EXPECT_EQ(used, bomb.size()) << "what there was no room for is kept";
  out.clear();
  reader.feed("", 100, out);
  EXPECT_EQ(out, std::string(100, '0')) << "and given without further bytes";
}

TEST(BodyReader, LeavesWhatBelongsToTheNextRequest) {
  for (bool chunked : {false, true}) {
    std::string wire = chunked ? in_chunks("body", 3) : "body";
    BodyReader reader({chunked, 4}, ContentCoding::identity);
    std::string out;
    EXPECT_EQ(reader.feed(wire + "next", 100, out), wire.size());
    EXPECT_EQ(out, "body");
    BodyReader dropping({chunked, 4}, ContentCoding::identity);
    EXPECT_EQ(dropping.drop(wire + "next"), wire.size());
    EXPECT_EQ(dropping.state(), State::done);
    EXPECT_EQ(dropping.arrived(), 4u);
  }
}

TEST(BodyReader, TellsBrokenFramingFromABrokenCoding) {
  auto packed = gzip("plain");
  EXPECT_EQ(read({{true, 0}, ContentCoding::gzip}, in_chunks(packed, 5) + "x", 3, 100).second,
            State::done);
  EXPECT_EQ(read({{true, 0}, ContentCoding::gzip}, "5\r\nno gz\r\n0\r\n\r\n", 3, 100).second,
            State::bad_coding);
  EXPECT_EQ(read({{true, 0}, ContentCoding::gzip}, "5\r\nno gzip", 100, 100).second,
            State::bad_framing);
  packed.pop_back();
  EXPECT_EQ(read({{true, 0}, ContentCoding::gzip}, in_chunks(packed, 5), 100, 100).second,
            State::bad_coding);
}

TEST(BodyReader, ABrokenCodingCanStillBeDroppedToItsEnd) {
  BodyReader reader({false, 10}, ContentCoding::gzip);
  std::string out;
  std::size_t used = reader.feed("no gz", 100, out);
  ASSERT_EQ(reader.state(), State::bad_coding);
  EXPECT_EQ(used, 5u);
  EXPECT_EQ(reader.drop("ip at next"), 5u);
  EXPECT_EQ(reader.state(), State::done);
}

}  // namespace
}  // namespace tillrace::http
