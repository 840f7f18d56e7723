// The events of a file: the lines of NDJSON, or the items of a JSON array.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/bytes.h"

namespace tillrace::client {

struct EventText {
  std::string_view json;    // without blanks around it
  std::uint64_t place = 0;  // its line, or its place in the array; both from 1
  bool overlong = false;    // beyond the limit; `json` is its beginning
};

// NDJSON is read in bounded memory: a record and a chunk. An array, known by its first character
// that is no blank, is read as a whole, up to kMostArrayBytes. Blank lines and a byte order mark
// are passed over. Not thread-safe.
class EventReader {
 public:
  static constexpr std::size_t kMostArrayBytes = std::size_t{1} << 30;

  // `max_record_bytes`: a longer line is handed out as overlong.
  static Result<EventReader> open(const std::filesystem::path& path, std::size_t max_record_bytes);

  enum class Found { event, end, nothing_yet };
  // The event's text holds until the next call. nothing_yet: a pipe has had no whole record for a
  // tenth of a second.
  Result<Found> next(EventText& event);

  const Input& input() const { return input_; }
  std::uint64_t bytes_taken() const { return bytes_taken_; }

 private:
  EventReader(Input input, std::size_t max_record_bytes)
      : input_(std::move(input)), max_record_bytes_(max_record_bytes) {}

  Status fill();
  Status begin();
  Status read_array();
  bool next_of_array(EventText& event);
  bool next_line(EventText& event);
  bool take_line(std::string_view line, bool overlong, EventText& event);

  Input input_;
  std::size_t max_record_bytes_;
  std::string buffer_;
  std::size_t filled_ = 0;
  std::size_t start_ = 0;  // the first byte not handed out
  std::size_t scan_ = 0;   // no line end lies between start_ and here
  bool ended_ = false;
  bool skipping_ = false;  // the rest of an overlong line comes next
  std::uint64_t place_ = 0;
  std::uint64_t bytes_taken_ = 0;
  bool begun_ = false;
  std::optional<std::vector<std::string_view>> array_;  // into buffer_
};

}  // namespace tillrace::client
