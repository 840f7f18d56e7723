#include "client/csv.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tillrace::client {
namespace {

constexpr std::size_t kNone = std::string::npos;

std::string_view without_line_end(std::string_view raw) {
  if (raw.ends_with('\n')) raw.remove_suffix(1);
  if (raw.ends_with('\r')) raw.remove_suffix(1);
  return raw;
}

}  // namespace

CsvReader::CsvReader(ByteSource source, CsvOptions options)
    : source_(std::move(source)), options_(options) {}

Result<bool> CsvReader::next(CsvRecord& record) {
  record.problem.clear();
  if (Status skipped = skip_byte_order_mark(); !skipped) return fail(skipped.error());
  if (Status skipped = skip_rest_of_line(); !skipped) return fail(skipped.error());
  while (true) {
    if (std::size_t end = find_end(); end != kNone) {
      take(record, end);
      if (!without_line_end(record.raw).empty()) return true;
    } else if (beyond_limit() && filled_ > start_ + options_.max_record_bytes) {
      take_overlong(record);
      return true;
    } else if (!ended_) {
      if (Status filled = fill(); !filled) return fail(filled.error());
    } else if (start_ == filled_) {
      return false;
    } else if (at_ == At::quoted) {
      take_unclosed(record, "before the end of the file");
      return true;
    } else {
      take(record, filled_);
      return true;
    }
  }
}

Status CsvReader::skip_byte_order_mark() {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (!std::exchange(beginning_, false)) return {};
  while (!ended_ && filled_ < kMark.size())
    if (Status filled = fill(); !filled) return filled;
  if (std::string_view(buffer_.data(), filled_).starts_with(kMark)) begin_record(kMark.size());
  return {};
}

Status CsvReader::skip_rest_of_line() {
  if (!skipping_) return {};
  while (true) {
    std::string_view rest(buffer_.data() + start_, filled_ - start_);
    std::size_t end = rest.find_first_of("\r\n");
    // A CR at the very end may be the first half of a CRLF.
    bool whole = end != kNone && (rest[end] == '\n' || end + 1 < rest.size() || ended_);
    if (whole) {
      begin_record(line_end_behind(start_));
      ++line_;
      break;
    }
    begin_record(end == kNone ? filled_ : start_ + end);
    if (ended_) break;
    if (Status filled = fill(); !filled) return filled;
  }
  skipping_ = false;
  return {};
}

Status CsvReader::fill() {
  if (start_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + start_, filled_ - start_);
    bytes_before_buffer_ += start_;
    filled_ -= start_;
    scan_ -= start_;
    quote_ -= std::min(quote_, start_);
    start_ = 0;
  }
  if (buffer_.size() < filled_ + options_.chunk_bytes)
    buffer_.resize(filled_ + options_.chunk_bytes);
  Result<std::size_t> count = source_({buffer_.data() + filled_, options_.chunk_bytes});
  if (!count) return fail(count.error());
  filled_ += *count;
  ended_ = *count == 0;
  return {};
}

bool CsvReader::beyond_limit() const { return scan_ - start_ >= options_.max_record_bytes; }

// The place behind the record's line end, or kNone when it is not in sight. It looks no further
// than the limit, so that what counts as overlong does not depend on the size of the chunks.
std::size_t CsvReader::find_end() {
  std::size_t limit = std::min(filled_, start_ + options_.max_record_bytes);
  const char* bytes = buffer_.data();
  while (scan_ < limit) {
    if (at_ == At::quoted) {
      const void* found = std::memchr(bytes + scan_, '"', limit - scan_);
      scan_ = found ? static_cast<std::size_t>(static_cast<const char*>(found) - bytes) + 1 : limit;
      if (found) at_ = At::quote_in_quoted;
      continue;
    }
    char c = bytes[scan_];
    if (c == '"' && at_ == At::quote_in_quoted) {
      at_ = At::quoted;
    } else if (c == '"' && at_ == At::cell_start) {
      at_ = At::quoted;
      quote_ = scan_;
      has_quotes_ = true;
    } else if (c == ',') {
      at_ = At::cell_start;
    } else if (c == '\n') {
      return scan_ + 1;
    } else if (c == '\r') {
      if (scan_ + 1 == filled_ && !ended_) return kNone;
      return line_end_behind(scan_);
    } else {
      at_ = At::plain;
    }
    ++scan_;
  }
  return kNone;
}

// The place behind the first line end at or behind `place`, or behind all data.
std::size_t CsvReader::line_end_behind(std::size_t place) const {
  std::string_view data(buffer_.data(), filled_);
  std::size_t end = data.find_first_of("\r\n", place);
  if (end == kNone) return filled_;
  bool pair = data[end] == '\r' && end + 1 < filled_ && data[end + 1] == '\n';
  return end + (pair ? 2 : 1);
}

std::uint64_t CsvReader::line_ends_between(std::size_t first, std::size_t last) const {
  std::uint64_t count = 0;
  for (std::size_t i = first; i < last; ++i) {
    char c = buffer_[i];
    bool pair = c == '\r' && i + 1 < filled_ && buffer_[i + 1] == '\n';
    if ((c == '\n' || c == '\r') && !pair) ++count;
  }
  return count;
}

void CsvReader::begin_record(std::size_t place) {
  start_ = scan_ = place;
  at_ = At::cell_start;
  has_quotes_ = false;
}

void CsvReader::take(CsvRecord& record, std::size_t end) {
  record.raw = {buffer_.data() + start_, end - start_};
  record.line = line_;
  split(without_line_end(record.raw), record);
  line_ += has_quotes_ ? line_ends_between(start_, end) : 1;
  begin_record(end);
}

void CsvReader::take_overlong(CsvRecord& record) {
  std::string where = fmt::format("within {} bytes", options_.max_record_bytes);
  std::size_t most = start_ + options_.max_record_bytes;
  if (at_ == At::quoted && line_end_behind(quote_) < most) return take_unclosed(record, where);
  record.raw = {buffer_.data() + start_, options_.max_record_bytes};
  record.line = line_;
  record.cells.clear();
  record.problem = fmt::format("the record does not end {}", where);
  line_ += line_ends_between(start_, most);
  begin_record(most);
  skipping_ = true;
}

// The record ends with the line on which the quote was opened, and reading goes on behind it:
// between there and where the search for the end of the quote stopped, no second quote can be left
// open, so no byte is searched three times.
void CsvReader::take_unclosed(CsvRecord& record, std::string_view where) {
  std::size_t end = line_end_behind(quote_);
  std::uint64_t quote_line = line_ + line_ends_between(start_, quote_);
  record.raw = {buffer_.data() + start_, end - start_};
  record.line = line_;
  record.cells.clear();
  record.problem = fmt::format("the quote opened on line {} is not closed {}", quote_line, where);
  line_ += line_ends_between(start_, end);
  begin_record(end);
}

void CsvReader::split(std::string_view content, CsvRecord& record) {
  record.cells.clear();
  unescaped_.clear();
  unescaped_.reserve(content.size());  // it must not move: cells point into it
  std::size_t at = 0;
  while (true) {
    if (has_quotes_ && at < content.size() && content[at] == '"') {
      at = split_quoted(content, at, record);
    } else {
      std::size_t end = std::min(content.find(',', at), content.size());
      record.cells.push_back(content.substr(at, end - at));
      at = end;
    }
    if (at == content.size()) break;
    ++at;
  }
  if (!record.problem.empty()) record.cells.clear();
}

// Takes the cell whose quote opens at `at`; the place of the comma behind it, or the end.
std::size_t CsvReader::split_quoted(std::string_view content, std::size_t at, CsvRecord& record) {
  std::size_t first = at + 1;
  std::size_t begin = unescaped_.size();
  std::size_t close = std::min(content.find('"', first), content.size());
  while (close + 1 < content.size() && content[close + 1] == '"') {
    unescaped_.append(content, first, close + 1 - first);
    first = close + 2;
    close = std::min(content.find('"', first), content.size());
  }
  std::string_view cell = content.substr(first, close - first);
  if (unescaped_.size() > begin) {
    unescaped_.append(cell);
    cell = std::string_view(unescaped_).substr(begin);
  }
  record.cells.push_back(cell);
  std::size_t behind = std::min(close + 1, content.size());
  std::size_t end = std::min(content.find(',', behind), content.size());
  std::string_view rest = content.substr(behind, end - behind);
  if (rest.find_first_not_of(" \t") != std::string_view::npos && record.problem.empty())
    record.problem = fmt::format(
        "cell {} goes on behind its closing quote; a quote inside a quoted cell is written twice",
        record.cells.size());
  return end;
}

}  // namespace tillrace::client
