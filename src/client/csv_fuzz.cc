// The CSV reader on any bytes: it ends, every byte of the file is in exactly one record (or is a
// byte order mark, a blank line, or behind a record's limit), each record knows its line, and what
// is read does not depend on how the bytes arrive. A record's cells, written again, read the same.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "client/csv.h"

namespace {

using tillrace::Result;
using tillrace::client::CsvOptions;
using tillrace::client::CsvReader;
using tillrace::client::CsvRecord;

struct Kept {
  std::vector<std::string> cells;
  std::string raw;
  std::string problem;
  std::uint64_t line;
  std::uint64_t begin;  // where it stands in the file
  bool operator==(const Kept&) const = default;
};

std::vector<Kept> read_all(std::string_view data, CsvOptions options) {
  CsvReader reader(
      [data](std::span<char> room) mutable -> Result<std::size_t> {
        std::size_t count = std::min(room.size(), data.size());
        std::memcpy(room.data(), data.data(), count);
        data.remove_prefix(count);
        return count;
      },
      options);
  std::vector<Kept> kept;
  CsvRecord record;
  while (true) {
    Result<bool> found = reader.next(record);
    CHECK(found.has_value());
    if (!*found) break;
    CHECK(!record.raw.empty());
    CHECK(record.raw.size() <= options.max_record_bytes + 1);  // a CRLF at the limit
    CHECK(record.problem.empty() == !record.cells.empty());
    kept.push_back({{record.cells.begin(), record.cells.end()},
                    std::string(record.raw),
                    record.problem,
                    record.line,
                    reader.bytes_taken() - record.raw.size()});
  }
  CHECK(reader.bytes_taken() == data.size());
  return kept;
}

// Counts lines once over the file, for places that only go on.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  std::uint64_t line_at(std::size_t place) {
    for (; at_ < place; ++at_) {
      bool pair = text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n';
      if ((text_[at_] == '\r' || text_[at_] == '\n') && !pair) ++line_;
    }
    return line_;
  }

 private:
  const std::string_view text_;
  std::size_t at_ = 0;
  std::uint64_t line_ = 1;
};

bool is_blank(std::string_view gap) { return gap.find_first_not_of("\r\n") == gap.npos; }

// Between records stand blank lines only, or what is left of a line that was too long.
void check_gap(std::string_view text, const Kept* before, std::size_t begin, std::size_t limit) {
  std::size_t end = before ? before->begin + before->raw.size() : 0;
  CHECK(end <= begin && begin <= text.size());
  std::string_view gap = text.substr(end, begin - end);
  if (!before && gap.starts_with("\xef\xbb\xbf")) gap.remove_prefix(3);
  bool overlong = before && !before->problem.empty() && before->raw.size() == limit;
  if (overlong) gap.remove_prefix(std::min(gap.size(), gap.find_first_of("\r\n")));
  CHECK(is_blank(gap));
}

void check_places(std::string_view text, const std::vector<Kept>& records, std::size_t limit) {
  Lines lines(text);
  const Kept* before = nullptr;
  for (const Kept& record : records) {
    check_gap(text, before, record.begin, limit);
    CHECK(text.substr(record.begin, record.raw.size()) == record.raw);
    CHECK(record.line == lines.line_at(record.begin));
    before = &record;
  }
  check_gap(text, before, text.size(), limit);
}

void check_written_again(const Kept& record) {
  if (!record.problem.empty()) return;
  std::string written;
  for (const std::string& cell : record.cells) {
    written += written.empty() ? "\"" : ",\"";
    for (char c : cell) written.append(c == '"' ? 2 : 1, c);
    written += '"';
  }
  auto again = read_all(written, {std::size_t{1} << 20, 4096});
  CHECK(again.size() == 1 && again[0].cells == record.cells);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t small_chunk = size % 2 == 0 ? 1 : 3;
  for (std::size_t limit : {std::size_t{7}, std::size_t{64}, std::size_t{1} << 20}) {
    auto at_once = read_all(text, {limit, 4096});
    CHECK(at_once == read_all(text, {limit, small_chunk}));
    check_places(text, at_once, limit);
    if (limit > size)
      for (const Kept& record : at_once) check_written_again(record);
  }
  return 0;
}
