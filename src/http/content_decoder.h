// The content codings of a body that a client sends (RFC 9110, section 8.4): gzip (RFC 1952) and
// zstd (RFC 8878), undone as the bytes come. Stands behind the transfer coding, before the handler.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tillrace::http {

enum class ContentCoding { identity, gzip, zstd };

// The value of Content-Encoding. nullopt: none that is taken here, such as "deflate" or "br". An
// empty value and "identity" are identity; "x-gzip" is gzip; names compare without case. A list may
// have one real coding only.
std::optional<ContentCoding> parse_content_coding(std::string_view value);

// Decodes one body. Not thread-safe.
//
// A body is one or more gzip members, or zstd frames of which some may be skippable; any other
// byte, also behind them, is malformed, and so is an empty body. Check sums and lengths are
// verified. Any split of the input gives the same answer; of a malformed body's bytes, those
// shortly before the fault may be given or not.
//
// Memory, however the input is made: gzip takes 8 KB, and 40 KB more once something was decoded.
// zstd takes 100 KB, and from a frame's head on 500 KB and the window that the frame asks for,
// which is 8 MB at most (RFC 9659): 9.0 MB in all, of which the system backs what was decoded.
class ContentDecoder {
 public:
  enum class State {
    more,       // within a member or frame, or before the first
    done,       // a member or frame has just ended; another may follow
    malformed,  // the bytes are not of this coding
    too_large,  // a zstd frame asks for a window beyond 8 MB
  };

  // gzip or zstd.
  explicit ContentDecoder(ContentCoding coding);
  ~ContentDecoder();
  ContentDecoder(ContentDecoder&&) noexcept;
  ContentDecoder& operator=(ContentDecoder&&) noexcept;

  // Appends what `bytes` decode to to `out`, until out.size() is `max_out`, however much they
  // decode to. Returns how many bytes were used; the others have to come again.
  //
  // When `out` has room left afterwards, all bytes were used, and all they decode to is there. When
  // it is full there may be more, also when all bytes were used: call again with more room, and
  // the rest of the bytes, which may be none. To find bodies beyond a limit, let max_out be one
  // more than the limit.
  //
  // Legal in more and done.
  std::size_t feed(std::string_view bytes, std::size_t max_out, std::string& out);

  // No more input will come, and the last feed() left room in `out`: malformed unless a member or
  // frame has just ended.
  State finish();
  State state() const { return state_; }

  struct Codec;

 private:
  std::unique_ptr<Codec> codec_;
  State state_ = State::more;
  bool full_ = false;  // the last step filled its room, so there may be more without input
};

}  // namespace tillrace::http
