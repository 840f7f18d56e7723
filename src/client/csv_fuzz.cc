// The CSV reader on any bytes: it ends, every byte of the file is in exactly one record (or is a
// byte order mark, a blank line, or behind a record's limit), and what it reads does not depend on
// how the bytes arrive.
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
    if (!*found) return kept;
    CHECK(!record.raw.empty());
    CHECK(record.raw.size() <= options.max_record_bytes + 1);  // a CRLF at the limit
    CHECK(record.problem.empty() == !record.cells.empty());
    kept.push_back({{record.cells.begin(), record.cells.end()},
                    std::string(record.raw),
                    record.problem,
                    record.line});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (std::size_t limit : {std::size_t{7}, std::size_t{64}, std::size_t{1} << 20}) {
    auto at_once = read_all(text, {limit, 4096});
    CHECK(at_once == read_all(text, {limit, 1}));
    CHECK(at_once == read_all(text, {limit, 3}));
    std::size_t bytes = 0;
    std::uint64_t line = 0;
    for (const Kept& record : at_once) {
      bytes += record.raw.size();
      CHECK(record.line > line);
      line = record.line;
    }
    CHECK(bytes <= size);
  }
  return 0;
}
