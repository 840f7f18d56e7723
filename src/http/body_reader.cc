#include "http/body_reader.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace tillrace::http {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

}  // namespace

BodyReader::BodyReader(BodyFraming framing, ContentCoding coding)
    : state_(State::more), missing_(framing.content_length) {
  if (framing.chunked) chunks_.emplace();
  if (coding != ContentCoding::identity) decoder_.emplace(coding);
}

bool BodyReader::framing_ended() const {
  return chunks_ ? chunks_->state() == ChunkDecoder::State::done : missing_ == 0;
}

std::size_t BodyReader::feed(std::string_view bytes, std::size_t max_out, std::string& out) {
  CHECK(state_ == State::more && out.size() <= max_out);
  if (decoder_) return feed_coded(bytes, max_out, out);
  std::size_t used = unframe(bytes, max_out, out);
  if (state_ == State::more && framing_ended()) state_ = State::done;
  full_ = state_ == State::more && out.size() == max_out;
  return used;
}

std::size_t BodyReader::unframe(std::string_view bytes, std::size_t max_out, std::string& out) {
  std::size_t before = out.size();
  std::size_t used = 0;
  if (chunks_) {
    used = chunks_->feed(bytes, max_out, out);
    if (chunks_->state() == ChunkDecoder::State::malformed) state_ = State::bad_framing;
  } else {
    std::size_t room = std::min(bytes.size(), max_out - before);
    used = static_cast<std::size_t>(std::min<std::uint64_t>(missing_, room));
    out.append(bytes, 0, used);
    missing_ -= used;
  }
  arrived_ += out.size() - before;
  return used;
}

// The decoder may hold more than it had room for, so the body has ended only once it leaves room.
std::size_t BodyReader::feed_coded(std::string_view bytes, std::size_t max_out, std::string& out) {
  std::size_t used = 0;
  decode_unframed(max_out, out);
  if (state_ == State::more && unframed_.empty() && !framing_ended()) {
    used = unframe(bytes, kNoLimit, unframed_);
    decode_unframed(max_out, out);
  }
  full_ = state_ == State::more && out.size() == max_out;
  bool ended = state_ == State::more && !full_ && unframed_.empty() && framing_ended();
  if (ended)
    state_ = decoder_->finish() == ContentDecoder::State::done ? State::done : State::bad_coding;
  return used;
}

void BodyReader::decode_unframed(std::size_t max_out, std::string& out) {
  if (out.size() == max_out || state_ == State::bad_framing) return;
  auto waiting = std::string_view(unframed_).substr(unframed_at_);
  unframed_at_ += decoder_->feed(waiting, max_out, out);
  auto state = decoder_->state();
  if (state == ContentDecoder::State::malformed || state == ContentDecoder::State::too_large)
    state_ = State::bad_coding;
  if (unframed_at_ < unframed_.size()) return;
  unframed_.clear();
  unframed_at_ = 0;
}

std::size_t BodyReader::drop(std::string_view bytes) {
  CHECK(state_ == State::more || state_ == State::bad_coding);
  state_ = State::more;
  full_ = false;
  unframed_.clear();
  std::size_t used = framing_ended() ? 0 : unframe(bytes, kNoLimit, unframed_);
  unframed_.clear();
  if (state_ == State::more && framing_ended()) state_ = State::done;
  return used;
}

}  // namespace tillrace::http
