#include "http/chunk_decoder.h"

#include <algorithm>

#include "base/check.h"

namespace tillrace::http {
namespace {

constexpr std::size_t kMaxSizeDigits = 15;  // fits 64 bits with room to spare
constexpr std::size_t kMaxSkippedBytes = std::size_t{16} * 1024;

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

std::size_t ChunkDecoder::feed(std::string_view bytes, std::size_t max_out, std::string& out) {
  CHECK(state_ == State::more && out.size() <= max_out);
  std::size_t at = 0;
  while (at < bytes.size() && state_ == State::more) {
    if (step_ != Step::data) {
      take_framing(bytes[at++]);
      continue;
    }
    std::size_t room = std::min(bytes.size() - at, max_out - out.size());
    if (room == 0) break;
    auto length = static_cast<std::size_t>(std::min<std::uint64_t>(size_, room));
    out.append(bytes, at, length);
    at += length;
    size_ -= length;
    if (size_ == 0) step_ = Step::data_cr;
  }
  return at;
}

void ChunkDecoder::take_framing(char byte) {
  switch (step_) {
    case Step::size_start:
    case Step::size: return take_size_digit(byte);
    case Step::extension: return skip(byte, Step::size_lf);
    case Step::size_lf: return byte == '\n' ? end_of_size() : expect(byte, '\n', Step::data);
    case Step::data: return;
    case Step::data_cr: return expect(byte, '\r', Step::data_lf);
    case Step::data_lf: return expect(byte, '\n', Step::size_start);
    case Step::trailer_start:
      if (byte == '\r') return expect(byte, '\r', Step::last_lf);
      step_ = Step::trailer;
      return skip(byte, Step::trailer_lf);
    case Step::trailer: return skip(byte, Step::trailer_lf);
    case Step::trailer_lf: return expect(byte, '\n', Step::trailer_start);
    case Step::last_lf: state_ = byte == '\n' ? State::done : State::malformed; return;
  }
}

void ChunkDecoder::take_size_digit(char byte) {
  if (step_ == Step::size_start) {
    size_ = 0;
    size_digits_ = 0;
  }
  int digit = hex_value(byte);
  if (digit >= 0 && size_digits_ < kMaxSizeDigits) {
    size_ = size_ << 4 | static_cast<std::uint64_t>(digit);
    ++size_digits_;
    step_ = Step::size;
  } else if (size_digits_ > 0 && byte == '\r') {
    step_ = Step::size_lf;
  } else if (size_digits_ > 0 && (byte == ';' || byte == ' ' || byte == '\t')) {
    step_ = Step::extension;
  } else {
    state_ = State::malformed;
  }
}

void ChunkDecoder::end_of_size() { step_ = size_ == 0 ? Step::trailer_start : Step::data; }

void ChunkDecoder::expect(char byte, char wanted, Step next) {
  if (byte == wanted) {
    step_ = next;
  } else {
    state_ = State::malformed;
  }
}

// Up to the line's end. A bare line feed is refused: parsers that disagree on it can be played
// against each other.
void ChunkDecoder::skip(char byte, Step at_cr) {
  if (byte == '\r') {
    step_ = at_cr;
  } else if (byte == '\n' || byte == '\0' || ++skipped_ > kMaxSkippedBytes) {
    state_ = State::malformed;
  }
}

}  // namespace tillrace::http
