// Cuts a body of any length, as it comes, into chunks of whole lines. No I/O.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tillrace::gateway {

// Where a chunk ends follows from the body alone, never from how it came in: a body that is sent
// again falls into the same chunks. Holds up to a chunk, a part and a line. Not thread-safe.
class LineChunks {
 public:
  // A chunk ends with the line in which it reaches `chunk_bytes`. Of a line longer than
  // `max_line_bytes` just one byte more than that is kept; if that is not all, the last is a '#',
  // so that the line is no event, even where only blanks were kept.
  LineChunks(std::size_t chunk_bytes, std::size_t max_line_bytes);

  void add(std::string_view part);
  // The next whole chunk, or none before more is added.
  std::optional<std::string> next();
  // What is left when the body has ended: less than a chunk; its last line may lack its end.
  std::string rest();

 private:
  const std::size_t chunk_bytes_;
  const std::size_t max_line_bytes_;
  std::string kept_;
  std::size_t line_start_ = 0;  // in kept_, of the line that has not ended
};

}  // namespace tillrace::gateway
