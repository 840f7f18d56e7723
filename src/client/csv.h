// Reads CSV as RFC 4180 describes it and as programs write it: cells in quotes may hold commas,
// doubled quotes and line ends; lines end in CRLF, LF or CR, the last one perhaps in nothing; a
// byte order mark is passed over; a quote inside a cell that does not begin with one is a character
// like any other; blanks behind a closing quote do not count. Empty lines are passed over.
//
// What breaks these rules costs its own record only. A quote that is never closed would swallow the
// rest of the file: the reader gives up on it at the record limit or at the end of data, reports
// the line where it was opened, and goes on behind that line.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tillrace::client {

// Fills the front of the span and says how many bytes; 0 at the end of data.
using ByteSource = std::function<Result<std::size_t>(std::span<char>)>;

struct CsvOptions {
  // A record with more bytes is reported as wrong; the reader then goes on behind the next line
  // end.
  std::size_t max_record_bytes = std::size_t{1} << 20;
  // How much is asked of the source at a time. It changes nothing in what is read.
  std::size_t chunk_bytes = std::size_t{1} << 18;
};

struct CsvRecord {
  std::vector<std::string_view> cells;  // without their quotes
  // The bytes as they stand in the file, line end included; of a record beyond the limit, its first
  // max_record_bytes.
  std::string_view raw;
  std::uint64_t line = 0;  // the line of the file where it begins, from 1
  std::string problem;     // empty, or what is wrong with it; then there are no cells
};

// Memory: one record and one chunk. Reads each byte at most twice, whatever the input. Not
// thread-safe.
class CsvReader {
 public:
  explicit CsvReader(ByteSource source, CsvOptions options = {});

  // False at the end of data. The record's views hold until the next call. Fails only when the
  // source does.
  Result<bool> next(CsvRecord& record);
  std::uint64_t bytes_taken() const { return bytes_before_buffer_ + start_; }

 private:
  enum class At { cell_start, plain, quoted, quote_in_quoted };

  Status skip_byte_order_mark();
  Status skip_rest_of_line();
  Status fill();
  std::size_t find_end();
  std::size_t line_end_behind(std::size_t place) const;
  std::uint64_t line_ends_between(std::size_t first, std::size_t last) const;
  void take(CsvRecord& record, std::size_t end);
  void take_overlong(CsvRecord& record);
  void take_unclosed(CsvRecord& record, std::string_view where);
  void begin_record(std::size_t place);
  void split(std::string_view content, CsvRecord& record);
  std::size_t split_quoted(std::string_view content, std::size_t at, CsvRecord& record);
  bool beyond_limit() const;

  ByteSource source_;
  CsvOptions options_;
  std::string buffer_;
  std::size_t filled_ = 0;  // bytes of buffer_ that hold data
  std::size_t start_ = 0;   // where the record begins
  std::size_t scan_ = 0;    // the next byte to look at
  At at_ = At::cell_start;
  std::size_t quote_ = 0;  // where the last quoted cell was opened
  bool has_quotes_ = false;
  bool ended_ = false;     // the source has no more
  bool beginning_ = true;  // nothing is read yet
  bool skipping_ = false;  // the rest of an overlong record comes next
  std::uint64_t line_ = 1;
  std::uint64_t bytes_before_buffer_ = 0;
  std::string unescaped_;  // cells with doubled quotes, made single
};

}  // namespace tillrace::client
