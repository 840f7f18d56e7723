#include "gateway/upload_answer.h"

#include <algorithm>
#include <map>
#include <utility>

namespace tillrace::gateway {
namespace {

// Behind these, refused records are told by their index alone, neighbours together.
constexpr std::uint64_t kMostDetailedRecords = 1'000;

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

// Neighbours that were stored: their first index, how many they are, and where they lie.
struct UploadAnswer::Run {
  std::uint64_t first_index = 0;
  std::uint64_t count = 0;
  std::vector<log::AppendedRange> ranges = {};
};

std::vector<PlacedKey> places_to_be(const std::vector<Record>& records, std::int32_t partitions) {
  std::vector<PlacedKey> placed;
  placed.reserve(records.size());
  for (const Record& record : records) placed.push_back(partition_of(record.key, partitions));
  return placed;
}

bool fits(const std::vector<log::AppendedRange>& ranges, const std::vector<PlacedKey>& placed) {
  std::map<Partition, std::int64_t> counts;
  for (Partition partition : placed) ++counts[partition];
  return counts.size() == ranges.size() &&
         std::all_of(ranges.begin(), ranges.end(), [&](const log::AppendedRange& range) {
           auto found = counts.find(range.partition);
           return found != counts.end() && found->second == range.count;
         });
}

void UploadAnswer::add(std::uint64_t first_index, std::size_t count,
                       const std::vector<BadRecord>& refused, const std::vector<PlacedKey>& placed,
                       const std::vector<log::AppendedRange>& ranges, bool replayed) {
  std::map<Partition, Offset> next;
  for (const log::AppendedRange& range : ranges) next[range.partition] = range.first;
  Run run{first_index};
  std::size_t bad = 0;
  std::size_t good = 0;
  for (std::size_t i = 0; i < count;) {
    if (bad < refused.size() && refused[bad].index == i) {
      write_run(run, replayed);
      std::size_t told = write_refused(first_index, refused, bad);
      bad += told;
      i += told;
      run = {first_index + i};
      continue;
    }
    Partition partition = placed[good++];
    add_place(run.ranges, {partition, {next[partition].value++}});
    ++run.count;
    ++i;
  }
  write_run(run, replayed);
}

void UploadAnswer::write_run(const Run& run, bool replayed) {
  if (run.count == 0) return;
  accepted_ += run.count;
  JsonWriter json;
  json.begin_object().field("first_index", number(run.first_index));
  json.field("last_index", number(run.first_index + run.count - 1));
  json.field("status", std::int64_t{201});
  if (replayed) json.field("replay", true);
  write_ranges(json, run.ranges);
  end_line(json);
}

// Tells of refused[at], and of its neighbours behind it where details are no longer given. Returns
// of how many.
std::size_t UploadAnswer::write_refused(std::uint64_t base, const std::vector<BadRecord>& refused,
                                        std::size_t at) {
  std::size_t told = 1;
  std::uint64_t first = base + refused[at].index;
  JsonWriter json;
  json.begin_object();
  if (refused_ < kMostDetailedRecords) {
    json.field("index", number(first)).field("status", std::int64_t{422});
    write_errors(json, refused[at].rejection);
  } else {
    while (at + told < refused.size() && refused[at + told].index == refused[at].index + told)
      ++told;
    json.field("first_index", number(first)).field("last_index", number(first + told - 1));
    json.field("status", std::int64_t{422});
  }
  refused_ += told;
  end_line(json);
  return told;
}

void UploadAnswer::stop(const http::Response& problem) {
  lines_ += fmt::format(R"({{"next_index":{},)", first_index_ + accepted_ + refused_);
  if (auto seconds = problem.headers.find("Retry-After"))
    lines_ += fmt::format(R"("retry_after_s":{},)", *seconds);
  lines_ += problem.body.substr(1);  // the problem's own members: its status, type, title, detail
  lines_ += '\n';
}

void UploadAnswer::end(bool is_complete) {
  JsonWriter json;
  json.begin_object().field("records", number(accepted_ + refused_));
  json.field("accepted", number(accepted_)).field("refused", number(refused_));
  json.field("complete", is_complete);
  end_line(json);
}

std::string UploadAnswer::take() {
  has_begun_ = true;
  return std::exchange(lines_, {});
}

void UploadAnswer::end_line(JsonWriter& json) {
  json.end_object();
  lines_ += json.take();
  lines_ += '\n';
}

}  // namespace tillrace::gateway
