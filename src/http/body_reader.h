// A request's body from the wire to plain bytes: the framing (Content-Length or chunked) and the
// content coding (gzip, zstd) undone, a bounded piece at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/chunk_decoder.h"
#include "http/content_decoder.h"

namespace tillrace::http {

struct BodyFraming {
  bool chunked = false;
  std::uint64_t content_length = 0;  // when not chunked
};

// Not thread-safe. Holds what feed() was given and had no room for: as much as one call's bytes.
class BodyReader {
 public:
  enum class State { more, done, bad_framing, bad_coding };

  BodyReader() = default;
  BodyReader(BodyFraming framing, ContentCoding coding);

  // Appends what `bytes` decode to to `out`, until out.size() is `max_out` at most. Returns how
  // many bytes were used. Legal in `more`.
  std::size_t feed(std::string_view bytes, std::size_t max_out, std::string& out);
  // As feed(), but what comes is thrown away, undecoded; legal in bad_coding too, which it leaves.
  // Not to be followed by feed().
  std::size_t drop(std::string_view bytes);

  State state() const { return state_; }
  // The last feed() stopped for want of room: it may give more, even without further bytes.
  bool full() const { return full_; }
  // All of it has arrived, whatever it decodes to.
  bool framing_ended() const;
  bool chunked() const { return chunks_.has_value(); }
  // Bytes of the body so far, its framing undone but not its coding.
  std::uint64_t arrived() const { return arrived_; }
  // What the current chunk is still to bring, of a body without a coding; else 0.
  std::uint64_t announced() const { return chunks_ && !decoder_ ? chunks_->announced() : 0; }

 private:
  std::size_t unframe(std::string_view bytes, std::size_t max_out, std::string& out);
  std::size_t feed_coded(std::string_view bytes, std::size_t max_out, std::string& out);
  void decode_unframed(std::size_t max_out, std::string& out);

  State state_ = State::done;
  std::optional<ChunkDecoder> chunks_;
  std::optional<ContentDecoder> decoder_;
  std::uint64_t missing_ = 0;  // of Content-Length
  std::uint64_t arrived_ = 0;
  std::string unframed_;  // what the chunks held and the decoder has not used, from unframed_at_ on
  std::size_t unframed_at_ = 0;
  bool full_ = false;
};

}  // namespace tillrace::http
