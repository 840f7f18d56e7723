// Any bytes as a body in gzip or zstd, and bodies packed from any bytes. The input's first bytes
// choose the coding and how the others are split. One piece and splits, much room and little, give
// the same; the room is kept; zstd's own decoder of whole bodies is the second opinion. What was
// packed comes back equal, and cut or damaged it never passes for another.
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/content_decoder.h"

namespace {

using tillrace::http::ContentCoding;
using tillrace::http::ContentDecoder;
using State = ContentDecoder::State;

constexpr std::size_t kMaxPlainBytes = 32 * 1024;  // a bomb is followed no further

struct Outcome {
  State state;
  std::string out;
  bool sound() const { return state == State::done; }
  bool cut() const { return state == State::more; }
};

// 1 to 128 one by one, then in larger steps to 8 KB.
std::size_t size_of(std::uint8_t choice) {
  return choice < 128 ? choice + 1u : (choice - 127u) * 64;
}

// In pieces and parts of these sizes, over and over; in one when there are none. Ends in `more`
// when the body goes beyond kMaxPlainBytes.
Outcome decode(ContentCoding coding, std::string_view bytes, std::span<const std::uint8_t> sizes) {
  ContentDecoder decoder(coding);
  std::string out;
  std::size_t turn = 0;
  auto next_size = [&] {
    return sizes.empty() ? kMaxPlainBytes : size_of(sizes[turn++ % sizes.size()]);
  };
  do {
    std::string_view piece = bytes.substr(0, next_size());
    bytes.remove_prefix(piece.size());
    for (bool full = true; full;) {
      std::size_t before = out.size();
      std::size_t room = std::min(kMaxPlainBytes, before + next_size());
      std::size_t used = decoder.feed(piece, room, out);
      CHECK(used <= piece.size() && before <= out.size() && out.size() <= room);
      piece.remove_prefix(used);
      State state = decoder.state();
      if (state == State::malformed || state == State::too_large) return {state, out};
      full = out.size() == room;
      CHECK(full || piece.empty());
      if (out.size() == kMaxPlainBytes) return {State::more, out};
    }
  } while (!bytes.empty());
  return {decoder.finish(), out};
}

// Sound bodies are the same, byte for byte. Of others, one may stop earlier than the other.
void check_same(const Outcome& a, const Outcome& b) {
  std::size_t common = std::min(a.out.size(), b.out.size());
  CHECK(std::string_view(a.out).substr(0, common) == std::string_view(b.out).substr(0, common));
  if (a.state == b.state) {
    CHECK(!a.sound() || a.out.size() == b.out.size());
  } else {
    CHECK(!a.sound() && !b.sound() && (a.cut() || b.cut()));
  }
}

std::size_t number(std::string_view bytes, std::size_t at, std::size_t length) {
  CHECK(at + length <= bytes.size());
  std::size_t value = 0;
  while (length-- > 0) value = value << 8 | static_cast<std::uint8_t>(bytes[at + length]);
  return value;
}

// How many bytes the head of a frame takes (RFC 8878, section 3.1.1.1).
std::size_t head_size(std::size_t descriptor) {
  constexpr std::size_t kDictionaryBytes[] = {0, 1, 2, 4};
  std::size_t window = descriptor & 0x20 ? 0 : 1;
  std::size_t length = std::size_t{1} << (descriptor >> 6);
  if (length == 1) length = window == 0 ? 1 : 0;
  return 5 + window + kDictionaryBytes[descriptor & 3] + length;
}

// A compressed block of no bytes is none, but zstd's streaming decoder takes it for an empty one.
bool has_hollow_block(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    if (number(bytes, at, 4) != ZSTD_MAGICNUMBER) {
      at += 8 + number(bytes, at + 4, 4);
      continue;
    }
    std::size_t descriptor = number(bytes, at + 4, 1);
    at += head_size(descriptor);
    for (std::size_t block = 0; (block & 1) == 0;) {
      block = number(bytes, at, 3);
      std::size_t type = block >> 1 & 3, size = block >> 3;
      if (type == 2 && size == 0) return true;
      at += 3 + (type == 1 ? 1 : size);
    }
    at += descriptor & 4;  // the check sum
  }
  return false;
}

void check_second_opinion(std::string_view bytes, const Outcome& outcome) {
  if (!outcome.sound() || has_hollow_block(bytes)) return;
  static std::string room(kMaxPlainBytes, '\0');
  std::size_t length = ZSTD_decompress(room.data(), room.size(), bytes.data(), bytes.size());
  CHECK(!ZSTD_isError(length));
  CHECK(std::string_view(room).substr(0, length) == outcome.out);
}

// The length of gzip's last member, and its check sum when there is but one.
void check_trailer(std::string_view bytes, const Outcome& outcome) {
  if (!outcome.sound()) return;
  CHECK(bytes.size() >= 18 && bytes.starts_with("\x1f\x8b\x08"));
  auto word = [&](std::size_t from_end) { return number(bytes, bytes.size() - from_end, 4); };
  CHECK(word(4) <= outcome.out.size());
  auto sum = [&](std::string_view plain) {
    return crc32(0, reinterpret_cast<const Bytef*>(plain.data()), static_cast<uInt>(plain.size()));
  };
  CHECK(word(8) == sum(std::string_view(outcome.out).substr(outcome.out.size() - word(4))));
}

void check_any(ContentCoding coding, std::string_view bytes, std::span<const std::uint8_t> sizes) {
  Outcome whole = decode(coding, bytes, {});
  check_same(whole, decode(coding, bytes, sizes));
  coding == ContentCoding::zstd ? check_second_opinion(bytes, whole) : check_trailer(bytes, whole);
}

std::string gzip(std::string_view plain, int level) {
  static z_stream stream = [] {
    z_stream made{};
    CHECK(deflateInit2(&made, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    return made;
  }();
  CHECK(deflateReset(&stream) == Z_OK && deflateParams(&stream, level % 10, level % 5) == Z_OK);
  std::string packed(deflateBound(&stream, plain.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  return packed;
}

std::string zstd(std::string_view plain, int level) {
  static ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level % 8 - 2);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, level / 8 % 2);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  std::size_t length =
      ZSTD_compress2(context, packed.data(), packed.size(), plain.data(), plain.size());
  CHECK(!ZSTD_isError(length));
  packed.resize(length);
  return packed;
}

// In two members, of which the input's sizes choose the lengths and the levels.
void check_round_trip(ContentCoding coding, std::string_view plain,
                      std::span<const std::uint8_t> sizes) {
  auto pack = [&](std::string_view part, int level) {
    return coding == ContentCoding::gzip ? gzip(part, level) : zstd(part, level);
  };
  std::string_view first = plain.substr(0, size_of(sizes[1]));
  std::string packed = pack(first, sizes[2]);
  std::size_t boundary = packed.size();
  packed += pack(plain.substr(first.size()), sizes[3]);
  Outcome outcome = decode(coding, packed, sizes);
  CHECK(outcome.sound() && outcome.out == plain);

  std::size_t bit = (sizes[0] | static_cast<std::size_t>(sizes[3]) << 8) % (packed.size() * 8);
  std::size_t at = bit / 8;
  Outcome cut = decode(coding, std::string_view(packed).substr(0, at), sizes);
  CHECK(cut.sound() == (at == boundary) && plain.starts_with(cut.out));
  packed[at] = static_cast<char>(packed[at] ^ (1 << bit % 8));
  Outcome damaged = decode(coding, packed, sizes);
  CHECK(!damaged.sound() || damaged.out == plain);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 5) return 0;
  ContentCoding coding = data[0] & 1 ? ContentCoding::zstd : ContentCoding::gzip;
  std::string_view bytes(reinterpret_cast<const char*>(data + 5), size - 5);
  std::span<const std::uint8_t> sizes(data + 1, 4);
  data[0] & 2 ? check_round_trip(coding, bytes, sizes) : check_any(coding, bytes, sizes);
  auto named = tillrace::http::parse_content_coding(bytes.substr(0, 64));
  CHECK(!named || bytes.substr(0, 64).find_first_of("\r\n") == std::string_view::npos);
  return 0;
}
