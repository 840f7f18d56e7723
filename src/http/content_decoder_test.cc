#include "http/content_decoder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <zstd.h>

#include <array>

#include "base/check.h"
#include "http/gzip_for_tests.h"

namespace tillrace::http {
namespace {

using State = ContentDecoder::State;

constexpr std::size_t kNoLimit = std::size_t{1} << 30;
const std::string kPlain = R"({"invoice_no":"536365"} {"invoice_no":"536365"} {"invoice_no":"C1"})";

struct Frame {
  int window_log = 0;
  bool with_length = true;
  bool with_check = true;
};
std::string zstd(std::string_view plain, Frame frame = {}) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, frame.window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, frame.with_check);
  std::string packed(ZSTD_compressBound(plain.size()) + 100, '\0');
  ZSTD_inBuffer in{plain.data(), plain.size(), 0};
  ZSTD_outBuffer out{packed.data(), packed.size(), 0};
  // Begun without its end, the length is not known when the head is written.
  if (!frame.with_length) CHECK(ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue) == 0);
  CHECK(ZSTD_compressStream2(context, &out, &in, ZSTD_e_end) == 0);
  packed.resize(out.pos);
  ZSTD_freeCCtx(context);
  return packed;
}
// Bytes that a zstd frame may carry for others.
std::string skippable(std::string_view bytes) {
  return std::string("\x5a\x2a\x4d\x18", 4) + static_cast<char>(bytes.size()) +
         std::string(3, '\0') + std::string(bytes);
}

struct Outcome {
  State state;
  std::string out;
  bool operator==(const Outcome&) const = default;
};
std::ostream& operator<<(std::ostream& to, const Outcome& outcome) {
  return to << static_cast<int>(outcome.state) << ' ' << outcome.out.size() << " bytes";
}

void feed_all(ContentDecoder& decoder, std::string_view bytes, std::string& out) {
  CHECK(decoder.feed(bytes, kNoLimit, out) <= bytes.size());
}
bool ended(const ContentDecoder& decoder) {
  return decoder.state() == State::malformed || decoder.state() == State::too_large;
}

// In pieces that end at the given places.
Outcome decode(ContentCoding coding, std::string_view bytes, std::vector<std::size_t> ends = {}) {
  ContentDecoder decoder(coding);
  std::string out;
  ends.push_back(bytes.size());
  std::size_t from = 0;
  for (std::size_t end : ends) {
    feed_all(decoder, bytes.substr(from, end - from), out);
    if (ended(decoder)) return {decoder.state(), out};
    from = end;
  }
  return {decoder.finish(), out};
}
State verdict(ContentCoding coding, std::string_view bytes) { return decode(coding, bytes).state; }

class EachCoding : public testing::TestWithParam<ContentCoding> {
 protected:
  static std::string pack(std::string_view plain) {
    return GetParam() == ContentCoding::gzip ? gzip(plain) : zstd(plain);
  }
  static State verdict_of(std::string_view bytes) { return verdict(GetParam(), bytes); }
};
INSTANTIATE_TEST_SUITE_P(ContentDecoder, EachCoding,
                         testing::Values(ContentCoding::gzip, ContentCoding::zstd),
                         [](const auto& each) {
                           return each.param == ContentCoding::gzip ? "gzip" : "zstd";
                         });

TEST_P(EachCoding, TakesEverySplitIntoThreePieces) {
  std::string packed = pack(kPlain);
  Outcome whole{State::done, kPlain};
  ASSERT_EQ(decode(GetParam(), packed), whole);
  for (std::size_t first = 0; first <= packed.size(); ++first)
    for (std::size_t second = first; second <= packed.size(); ++second)
      ASSERT_EQ(decode(GetParam(), packed, {first, second}), whole) << first << ' ' << second;
}

TEST_P(EachCoding, RefusesATruncationAtEveryByte) {
  std::string packed = pack(kPlain);
  for (std::size_t length = 0; length < packed.size(); ++length)
    EXPECT_EQ(verdict_of(packed.substr(0, length)), State::malformed) << length;
}

TEST_P(EachCoding, RefusesACorruptedCheckSum) {
  std::string packed = pack(kPlain);
  std::size_t check_sum = packed.size() - (GetParam() == ContentCoding::gzip ? 8 : 4);
  for (std::size_t at = check_sum; at < packed.size(); ++at) {
    std::string corrupt = packed;
    corrupt[at] ^= 1;
    EXPECT_EQ(verdict_of(corrupt), State::malformed) << at;
  }
}

TEST_P(EachCoding, AFlippedBitNeverPassesOtherBytesOffAsTheBody) {
  std::string packed = pack(kPlain);
  for (std::size_t bit = 0; bit < packed.size() * 8; ++bit) {
    std::string corrupt = packed;
    corrupt[bit / 8] = static_cast<char>(corrupt[bit / 8] ^ (1 << bit % 8));
    Outcome outcome = decode(GetParam(), corrupt);
    EXPECT_TRUE(outcome.state != State::done || outcome.out == kPlain) << bit;
  }
}

TEST_P(EachCoding, RefusesWhatStandsBehindTheEnd) {
  std::string packed = pack(kPlain);
  EXPECT_EQ(verdict_of(packed + std::string(1, '\0')), State::malformed);
  EXPECT_EQ(verdict_of(packed + "\n"), State::malformed);
  EXPECT_EQ(verdict_of(packed + kPlain), State::malformed);
  EXPECT_EQ(verdict_of(packed + packed.substr(0, 3)), State::malformed);
}

TEST_P(EachCoding, ReadsMembersThatFollowEachOtherAsOneBody) {
  std::string packed = pack(kPlain) + pack("") + pack("b") + pack("");
  EXPECT_EQ(decode(GetParam(), packed), (Outcome{State::done, kPlain + "b"}));
  for (std::size_t split = 0; split <= packed.size(); ++split)
    EXPECT_EQ(decode(GetParam(), packed, {split}), (Outcome{State::done, kPlain + "b"}));
}

TEST_P(EachCoding, TheEndOfAMemberIsDoneAndMoreBytesGoOn) {
  ContentDecoder decoder(GetParam());
  std::string out;
  EXPECT_EQ(decoder.state(), State::more);
  feed_all(decoder, pack("a"), out);
  EXPECT_EQ(decoder.state(), State::done);
  feed_all(decoder, "", out);
  EXPECT_EQ(decoder.state(), State::done);
  feed_all(decoder, pack("b").substr(0, 1), out);
  EXPECT_EQ(decoder.state(), State::more);
  feed_all(decoder, pack("b").substr(1), out);
  EXPECT_EQ(decoder.finish(), State::done);
  EXPECT_EQ(out, "ab");
}

TEST_P(EachCoding, NothingAtAllIsNoBodyButAPackedNothingIs) {
  EXPECT_EQ(verdict_of(""), State::malformed);
  EXPECT_EQ(decode(GetParam(), pack("")), (Outcome{State::done, ""}));
}

TEST_P(EachCoding, RefusesPlainBytesAtTheFirst) {
  ContentDecoder decoder(GetParam());
  std::string out;
  decoder.feed(kPlain, kNoLimit, out);
  EXPECT_EQ(decoder.state(), State::malformed);
  EXPECT_EQ(out, "");
}

TEST_P(EachCoding, ABombStopsAtTheLimitAndGoesOnWithMoreRoom) {
  std::string plain(10'000'000, 'a');
  std::string bomb = pack(plain);
  ASSERT_LT(bomb.size() * 950, plain.size());
  ContentDecoder decoder(GetParam());
  std::string_view left = bomb;
  std::string part, whole;
  left.remove_prefix(decoder.feed(left, 1000, part));
  EXPECT_EQ(part.size(), 1000u);
  EXPECT_EQ(decoder.state(), State::more);
  EXPECT_EQ(decoder.feed(left, 1000, part), 0u);  // no room: nothing happens
  do {
    whole += part;
    part.clear();
    left.remove_prefix(decoder.feed(left, 99'999, part));
    ASSERT_LE(part.size(), 99'999u);
  } while (part.size() == 99'999);
  EXPECT_TRUE(left.empty());
  EXPECT_EQ(decoder.finish(), State::done);
  EXPECT_TRUE(whole + part == plain);
}

TEST_P(EachCoding, ALimitOfOneMoreThanTheLengthSeesTheEnd) {
  std::string packed = pack(kPlain);
  ContentDecoder decoder(GetParam());
  std::string out;
  EXPECT_EQ(decoder.feed(packed, kPlain.size() + 1, out), packed.size());
  EXPECT_EQ(decoder.finish(), State::done);
}

TEST_P(EachCoding, GivesWhatIsLeftWithoutFurtherBytes) {
  std::string packed = pack(std::string(100'000, 'a'));
  ContentDecoder decoder(GetParam());
  std::string out;
  std::size_t used = decoder.feed(packed, 1, out);
  for (std::size_t room = 2; room <= 100; ++room) {
    used += decoder.feed(packed.substr(used), room, out);
    ASSERT_EQ(out.size(), room);
  }
}

TEST_P(EachCoding, AppendsBehindWhatIsThere) {
  ContentDecoder decoder(GetParam());
  std::string out = "before ";
  feed_all(decoder, pack(kPlain), out);
  EXPECT_EQ(out, "before " + kPlain);
}

TEST_P(EachCoding, TheAnswerDoesNotDependOnHowTheBytesAreSplit) {
  EXPECT_TRUE(rc::check([](const std::string& plain, std::uint8_t damage) {
    std::string packed = pack(plain) + pack(plain + plain);
    if (damage % 2 == 1) packed[damage % packed.size()] = static_cast<char>(damage);
    auto whole = decode(GetParam(), packed);
    auto one = *rc::gen::inRange<std::size_t>(0, packed.size() + 1);
    auto two = *rc::gen::inRange<std::size_t>(one, packed.size() + 1);
    auto in_pieces = decode(GetParam(), packed, {one, two});
    RC_ASSERT(in_pieces.state == whole.state);
    RC_ASSERT(whole.state != State::done || in_pieces.out == whole.out);
    RC_ASSERT(damage % 2 == 1 || whole.out == plain + plain + plain);
  }));
}

TEST(Gzip, RefusesDeflateWithoutItsHeader) {
  EXPECT_EQ(verdict(ContentCoding::gzip, deflated(kPlain, 15)), State::malformed);
  EXPECT_EQ(verdict(ContentCoding::gzip, deflated(kPlain, -15)), State::malformed);
  EXPECT_EQ(verdict(ContentCoding::gzip, zstd(kPlain)), State::malformed);
}

TEST(Gzip, ReadsAHeaderWithEveryField) {
  std::string packed = gzip(kPlain);
  std::string fields("\3\0abcname\0comment\0", 18);
  packed[3] = 4 | 8 | 16;  // FEXTRA, FNAME, FCOMMENT
  packed.insert(10, fields);
  EXPECT_EQ(decode(ContentCoding::gzip, packed), (Outcome{State::done, kPlain}));
  packed[3] |= 0x20;  // reserved
  EXPECT_EQ(verdict(ContentCoding::gzip, packed), State::malformed);
}

TEST(Zstd, RefusesTheOtherCodings) {
  EXPECT_EQ(verdict(ContentCoding::zstd, gzip(kPlain)), State::malformed);
  EXPECT_EQ(verdict(ContentCoding::zstd, deflated(kPlain, 15)), State::malformed);
}

TEST(Zstd, RefusesTheFormatsOfItsOwnPastByTheirMagic) {
  for (char version : {'\x24', '\x25', '\x26', '\x27'}) {  // 0.4 to 0.7
    ContentDecoder decoder(ContentCoding::zstd);
    std::string out, bytes{version, '\xb5', '\x2f', '\xfd'};
    EXPECT_EQ(decoder.feed(bytes, kNoLimit, out), 1u);
    EXPECT_EQ(decoder.state(), State::malformed);
  }
}

TEST(Zstd, PassesOverSkippableFrames) {
  std::string packed = skippable("seek table") + zstd(kPlain) + skippable("") + zstd("b");
  for (std::size_t split = 0; split <= packed.size(); ++split)
    EXPECT_EQ(decode(ContentCoding::zstd, packed, {split}), (Outcome{State::done, kPlain + "b"}));
  EXPECT_EQ(decode(ContentCoding::zstd, skippable("alone")), (Outcome{State::done, ""}));
  EXPECT_EQ(verdict(ContentCoding::zstd, skippable("cut").substr(0, 9)), State::malformed);
}

TEST(Zstd, AWindowOf8MegabytesIsTakenAndALargerOneIsNot) {
  std::string plain = kPlain + std::string(100'000, ' ') + kPlain;
  for (bool with_length : {false, true}) {
    for (int window_log : {10, 23}) {
      std::string packed = zstd(plain, {.window_log = window_log, .with_length = with_length});
      EXPECT_EQ(decode(ContentCoding::zstd, packed), (Outcome{State::done, plain}));
    }
  }
  // A length that is known and fits makes the window smaller, so these leave it out.
  for (int window_log : {24, 27}) {
    std::string packed = zstd(plain, {.window_log = window_log, .with_length = false});
    EXPECT_EQ(decode(ContentCoding::zstd, packed), (Outcome{State::too_large, ""}));
  }
}

TEST(Zstd, TheWindowsLimitHoldsHoweverTheFrameIsWritten) {
  std::string packed = zstd("", {.window_log = 10, .with_length = false, .with_check = false});
  ASSERT_EQ(packed[4], '\0');  // neither length nor single segment: the window's byte is next
  auto with_window = [&](int exponent, int mantissa) {
    packed[5] = static_cast<char>(exponent << 3 | mantissa);
    return packed;
  };
  EXPECT_EQ(verdict(ContentCoding::zstd, with_window(13, 0)), State::done);  // 2^23
  EXPECT_EQ(verdict(ContentCoding::zstd, with_window(12, 7)), State::done);
  EXPECT_EQ(verdict(ContentCoding::zstd, with_window(13, 1)), State::too_large);
  EXPECT_EQ(verdict(ContentCoding::zstd, with_window(31, 7)), State::too_large);
  // A frame that is one segment and whose length is its window.
  std::string_view bytes("\x28\xb5\x2f\xfd\xa0\x01\x00\x80\x00\x01\x00\x00", 12);
  EXPECT_EQ(verdict(ContentCoding::zstd, bytes), State::too_large);
}

TEST(Zstd, AFrameOfAnotherLengthThanItStatesIsMalformed) {
  auto stating = [](char length) {  // one segment; its only block is empty
    return std::string("\x28\xb5\x2f\xfd\x20", 5) + length + std::string("\x01\x00\x00", 3);
  };
  EXPECT_EQ(verdict(ContentCoding::zstd, stating(0)), State::done);
  EXPECT_EQ(verdict(ContentCoding::zstd, stating(1)), State::malformed);
  EXPECT_EQ(verdict(ContentCoding::zstd, zstd("a") + stating(96) + zstd("b")), State::malformed);
  std::string packed = zstd(kPlain);
  packed[5] = static_cast<char>(packed[5] + 1);
  EXPECT_EQ(verdict(ContentCoding::zstd, packed), State::malformed);
}

TEST(Zstd, AFrameThatNeedsADictionaryIsMalformed) {
  std::string packed = zstd("", {.with_length = false, .with_check = false});
  packed[4] = 1;                // a dictionary's identity of one byte
  packed.insert(6, 1, '\x2a');  // behind the window
  EXPECT_EQ(verdict(ContentCoding::zstd, packed), State::malformed);
}

TEST(ContentCoding, IsFoundByItsNamesWithoutRegardToCase) {
  EXPECT_EQ(parse_content_coding(""), ContentCoding::identity);
  EXPECT_EQ(parse_content_coding("Identity"), ContentCoding::identity);
  EXPECT_EQ(parse_content_coding("gzip"), ContentCoding::gzip);
  EXPECT_EQ(parse_content_coding(" GZip\t"), ContentCoding::gzip);
  EXPECT_EQ(parse_content_coding("X-gzip"), ContentCoding::gzip);
  EXPECT_EQ(parse_content_coding("ZSTD"), ContentCoding::zstd);
}

TEST(ContentCoding, OthersAreNotTaken) {
  for (std::string_view other : {"deflate", "br", "compress", "gzip2", "gzi", "x-zstd", "*",
                                 "gzip;q=1", "g zip", "zlib", "\"gzip\"", "gzip\n"})
    EXPECT_EQ(parse_content_coding(other), std::nullopt) << other;
}

TEST(ContentCoding, AListHasOneRealCodingAtMost) {
  EXPECT_EQ(parse_content_coding("identity, gzip"), ContentCoding::gzip);
  EXPECT_EQ(parse_content_coding("zstd , ,identity"), ContentCoding::zstd);
  EXPECT_EQ(parse_content_coding(",,"), ContentCoding::identity);
  for (std::string_view list : {"gzip, zstd", "gzip,gzip", "gzip, br", "deflate, gzip"})
    EXPECT_EQ(parse_content_coding(list), std::nullopt) << list;
}

}  // namespace
}  // namespace tillrace::http
