// Any bytes as a partial body. The first bytes of the input choose how it is cut, and the limits.
// However a body comes in, it falls into the same chunks; every record is either an event for the
// log or told to the client, in its order, and the answer is lines of JSON.
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "gateway/line_chunks.h"
#include "gateway/upload_answer.h"

namespace {

using tillrace::EventParser;
using tillrace::Partition;
using tillrace::gateway::EventLimits;
using tillrace::gateway::LineChunks;
using tillrace::gateway::SortedLines;
using tillrace::gateway::UploadAnswer;

struct Cut {
  std::size_t chunk_bytes;
  std::size_t max_line_bytes;
  std::size_t part_bytes;
};

std::vector<std::string> chunks_of(std::string_view body, const Cut& cut) {
  LineChunks chunks(cut.chunk_bytes, cut.max_line_bytes);
  std::vector<std::string> found;
  for (; !body.empty(); body.remove_prefix(std::min(cut.part_bytes, body.size()))) {
    chunks.add(body.substr(0, cut.part_bytes));
    while (auto chunk = chunks.next()) {
      CHECK(chunk->size() >= cut.chunk_bytes && chunk->back() == '\n');
      found.push_back(std::move(*chunk));
    }
  }
  found.push_back(chunks.rest());
  return found;
}

void check_lines(const SortedLines& sorted, const EventLimits& limits, EventParser& parser) {
  CHECK(sorted.count == sorted.records.size() + sorted.refused.size());
  for (std::size_t i = 0; i < sorted.refused.size(); ++i) {
    CHECK(sorted.refused[i].index < sorted.count);
    CHECK(i == 0 || sorted.refused[i - 1].index < sorted.refused[i].index);
  }
  for (const tillrace::Record& record : sorted.records) {
    CHECK(record.value.size() <= limits.max_record_bytes);
    auto line = parser.parse(record.value);
    CHECK(line && line->invoice_no == record.key);
  }
}

// The places that a log would give: each partition's next ones.
std::vector<tillrace::log::AppendedRange> append(const std::vector<Partition>& placed,
                                                 std::vector<std::int64_t>& ends) {
  std::vector<tillrace::log::Appended> places;
  for (Partition partition : placed)
    places.push_back({partition, {ends[static_cast<std::size_t>(partition.value)]++}});
  return tillrace::gateway::ranges_of(places);
}

// The number behind `name`, which stands first in `line`; `line` goes on behind it.
std::optional<std::uint64_t> take_number(std::string_view& line, std::string_view name) {
  if (!line.starts_with(name)) return std::nullopt;
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(line.data() + name.size(), line.data() + line.size(), value);
  CHECK(error == std::errc{});
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return value;
}

// Each line is JSON; the lines cover the records one after the other.
void check_answer(std::string_view answer, std::uint64_t records, EventParser& parser) {
  std::uint64_t next = 0;
  while (!answer.empty()) {
    std::size_t end = answer.find('\n');
    CHECK(end != std::string_view::npos);
    std::string_view line = answer.substr(0, end);
    answer.remove_prefix(end + 1);
    auto as_event = parser.parse(line);
    CHECK(!as_event && !as_event.error().malformed);
    if (auto sum = take_number(line, R"({"records":)")) {
      CHECK(*sum == records && answer.empty());
    } else if (auto index = take_number(line, R"({"index":)")) {
      CHECK(*index == next++);
    } else {
      CHECK(take_number(line, R"({"first_index":)") == next);
      auto last = take_number(line, R"(,"last_index":)");
      CHECK(last && *last >= next);
      next = *last + 1;
    }
  }
  CHECK(next == records);
}

void check_body(std::string_view body, const Cut& cut) {
  static EventParser parser{tillrace::TimeZone{}};
  tillrace::FakeClock clock(tillrace::UtcMicros{1'600'000'000'000'000});
  tillrace::SeededRandom random(7);
  tillrace::gateway::KeyedNames names{"", "k", 0};
  EventLimits limits;
  limits.max_record_bytes = cut.max_line_bytes;
  UploadAnswer answer(0);
  std::vector<std::int64_t> ends(3);
  for (const std::string& chunk : chunks_of(body, cut)) {
    SortedLines sorted =
        tillrace::gateway::sort_lines(chunk, limits, parser, clock, random, &names);
    check_lines(sorted, limits, parser);
    auto placed = tillrace::gateway::places_to_be(sorted.records, 3);
    answer.add(names.first_index, sorted.count, sorted.refused, placed, append(placed, ends),
               false);
    names.first_index += sorted.count;
  }
  answer.end(true);
  check_answer(answer.take(), names.first_index, parser);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  Cut cut{std::size_t{data[0]} * 2 + 1, std::size_t{data[1]} * 4 + 1, std::size_t{data[2]} + 1};
  std::string_view body(reinterpret_cast<const char*>(data + 3), size - 3);
  Cut whole{cut.chunk_bytes, cut.max_line_bytes, body.size() + 1};
  if (!body.empty()) CHECK(chunks_of(body, cut) == chunks_of(body, whole));
  check_body(body, cut);
  return 0;
}
