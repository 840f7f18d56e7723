#include "http/content_decoder.h"

#define ZLIB_CONST  // its input is const
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/check.h"
#include "http/message.h"

namespace tillrace::http {
namespace {

using State = ContentDecoder::State;

constexpr std::size_t kRoomBytes = 16 * 1024;
constexpr int kGzipOnly = 16;       // beside the window's bits: neither zlib's wrapper nor none
constexpr int kMaxWindowBits = 23;  // of zstd: 8 MB

std::string_view trim(std::string_view text) {
  std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<ContentCoding> coding_of(std::string_view name) {
  if (name.empty() || equal_without_case(name, "identity")) return ContentCoding::identity;
  if (equal_without_case(name, "gzip") || equal_without_case(name, "x-gzip"))
    return ContentCoding::gzip;
  if (equal_without_case(name, "zstd")) return ContentCoding::zstd;
  return std::nullopt;
}

}  // namespace

// What a library does with some bytes and some room.
struct ContentDecoder::Codec {
  struct Step {
    std::size_t used;
    std::size_t written;
    State state;
  };
  virtual ~Codec() = default;
  // Stops where a member or frame ends; the next step begins another. There are bytes or there is
  // something left from those before; `room` is not empty.
  virtual Step step(std::string_view bytes, std::span<char> room) = 0;
};

namespace {

using Codec = ContentDecoder::Codec;

class Gzip final : public Codec {
 public:
  Gzip() { CHECK(inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK); }
  ~Gzip() override { inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  Step step(std::string_view bytes, std::span<char> room) override {
    if (ended_) CHECK(inflateReset(&stream_) == Z_OK);
    std::size_t length = std::min<std::size_t>(bytes.size(), kRoomBytes);  // zlib counts 32 bits
    stream_.next_in = reinterpret_cast<const Bytef*>(bytes.data());
    stream_.avail_in = static_cast<uInt>(length);
    stream_.next_out = reinterpret_cast<Bytef*>(room.data());
    stream_.avail_out = static_cast<uInt>(room.size());
    int told = inflate(&stream_, Z_NO_FLUSH);
    CHECK(told != Z_STREAM_ERROR && told != Z_MEM_ERROR);
    ended_ = told == Z_STREAM_END;
    bool sound = ended_ || told == Z_OK || told == Z_BUF_ERROR;
    return {length - stream_.avail_in, room.size() - stream_.avail_out,
            ended_  ? State::done
            : sound ? State::more
                    : State::malformed};
  }

 private:
  z_stream stream_{};
  bool ended_ = false;
};

class Zstd final : public Codec {
 public:
  Zstd() : stream_(ZSTD_createDStream()) {
    CHECK(stream_ != nullptr);
    CHECK(!ZSTD_isError(ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kMaxWindowBits)));
  }
  ~Zstd() override { ZSTD_freeDStream(stream_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  // The magic number goes in byte by byte. What is none is refused here: the library would take
  // the formats of its own past too. And it is kept from decoding a frame that comes whole in
  // another way, without the limit of the window.
  Step step(std::string_view bytes, std::span<char> room) override {
    if (head_.size() < kFrameMagic.size()) {
      if (!continues_magic(bytes[0])) return {1, 0, State::malformed};
      bytes = bytes.substr(0, 1);
    }
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    ZSTD_outBuffer out{room.data(), room.size(), 0};
    std::size_t told = ZSTD_decompressStream(stream_, &out, &in);
    head_ += bytes.substr(0, std::min(in.pos, kMaxHeadBytes - head_.size()));
    frame_written_ += out.pos;
    return {in.pos, out.pos, told == 0 ? end_frame() : state_after(told)};
  }

 private:
  static constexpr std::string_view kFrameMagic = "\x28\xb5\x2f\xfd";
  static constexpr std::string_view kSkippableMagic = "\x50\x2a\x4d\x18";  // to 5f 2a 4d 18
  static constexpr std::size_t kMaxHeadBytes = 18;

  bool continues_magic(char byte) const {
    if (head_.empty()) return byte == kFrameMagic[0] || (byte & 0xf0) == kSkippableMagic[0];
    return byte == (head_[0] == kFrameMagic[0] ? kFrameMagic : kSkippableMagic)[head_.size()];
  }

  // The library does not look at the length that a frame states when its last block is empty.
  State end_frame() {
    auto stated = ZSTD_getFrameContentSize(head_.data(), head_.size());
    bool holds = stated == ZSTD_CONTENTSIZE_UNKNOWN || stated == frame_written_;
    head_.clear();
    frame_written_ = 0;
    return holds ? State::done : State::malformed;
  }

  static State state_after(std::size_t told) {
    if (!ZSTD_isError(told)) return State::more;
    ZSTD_ErrorCode code = ZSTD_getErrorCode(told);
    CHECK(code != ZSTD_error_memory_allocation);
    return code == ZSTD_error_frameParameter_windowTooLarge ? State::too_large : State::malformed;
  }

  ZSTD_DStream* const stream_;
  std::string head_;  // the first bytes of the current frame
  std::uint64_t frame_written_ = 0;
};

std::unique_ptr<Codec> codec_for(ContentCoding coding) {
  CHECK(coding != ContentCoding::identity);
  if (coding == ContentCoding::gzip) return std::make_unique<Gzip>();
  return std::make_unique<Zstd>();
}

}  // namespace

std::optional<ContentCoding> parse_content_coding(std::string_view value) {
  ContentCoding found = ContentCoding::identity;
  while (!value.empty()) {
    std::string_view name = value.substr(0, value.find(','));
    value.remove_prefix(std::min(value.size(), name.size() + 1));
    auto coding = coding_of(trim(name));
    if (!coding) return std::nullopt;
    if (*coding == ContentCoding::identity) continue;
    if (found != ContentCoding::identity) return std::nullopt;
    found = *coding;
  }
  return found;
}

ContentDecoder::ContentDecoder(ContentCoding coding) : codec_(codec_for(coding)) {}
ContentDecoder::~ContentDecoder() = default;
ContentDecoder::ContentDecoder(ContentDecoder&&) noexcept = default;
ContentDecoder& ContentDecoder::operator=(ContentDecoder&&) noexcept = default;

std::size_t ContentDecoder::feed(std::string_view bytes, std::size_t max_out, std::string& out) {
  CHECK(state_ == State::more || state_ == State::done);
  std::array<char, kRoomBytes> room;
  std::size_t used = 0;
  while (out.size() < max_out && (used < bytes.size() || full_)) {
    std::size_t length = std::min(room.size(), max_out - out.size());
    auto step = codec_->step(bytes.substr(used), std::span(room).first(length));
    CHECK(step.used > 0 || step.written > 0 || step.state != State::more || full_);
    used += step.used;
    out.append(room.data(), step.written);
    state_ = step.state;
    full_ = state_ == State::more && step.written == length;
    if (state_ == State::malformed || state_ == State::too_large) break;
  }
  return used;
}

State ContentDecoder::finish() {
  CHECK(!full_);
  if (state_ == State::more) state_ = State::malformed;
  return state_;
}

}  // namespace tillrace::http
