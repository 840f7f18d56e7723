// The chunked transfer coding (RFC 9112, section 7.1), decoded strictly and a byte at a time, so it
// needs no buffer of its own and any split of the input gives the same answer. (Beast's own decoder
// asserts on some splits of an empty body.)
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tillrace::http {

// Not thread-safe.
class ChunkDecoder {
 public:
  enum class State { more, done, malformed };

  // Appends what `bytes` decode to to `out`, until out.size() is `max_out` at most. Returns how
  // many bytes were used: all, unless `out` is full or the state is no longer `more`; after that it
  // must not be called again. Extensions and trailers are skipped, up to 16 KB of them in all.
  std::size_t feed(std::string_view bytes, std::size_t max_out, std::string& out);
  State state() const { return state_; }
  // What the current chunk is still to bring.
  std::uint64_t announced() const { return step_ == Step::data ? size_ : 0; }

 private:
  enum class Step {
    size_start,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer,
    trailer_lf,
    last_lf,
  };

  void take_framing(char byte);
  void take_size_digit(char byte);
  void end_of_size();
  void expect(char byte, char wanted, Step next);
  void skip(char byte, Step at_cr);

  State state_ = State::more;
  Step step_ = Step::size_start;
  std::uint64_t size_ = 0;       // of the current chunk; what is left of it while in `data`
  std::size_t size_digits_ = 0;  // of the current chunk
  std::size_t skipped_ = 0;
};

}  // namespace tillrace::http
