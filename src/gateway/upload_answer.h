// The answer to a partial upload, line by line, as docs at /openapi.json describe it. No I/O.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/answers.h"

namespace tillrace::gateway {

// Of one record on its way to the log: its partition. In the order of the records.
using PlacedKey = Partition;
std::vector<PlacedKey> places_to_be(const std::vector<Record>& records, std::int32_t partitions);
// Whether the ranges hold as many records in each partition as there are.
bool fits(const std::vector<log::AppendedRange>& ranges, const std::vector<PlacedKey>& placed);

// Lines in the order of the records: runs of neighbours that were stored, the refused ones between
// them, where it stopped, and the sums. Not thread-safe.
class UploadAnswer {
 public:
  explicit UploadAnswer(std::uint64_t first_index) : first_index_(first_index) {}

  // A chunk of `count` records from `first_index` on: `refused` are by index within it, the others
  // went to `placed`, and lie at `ranges`: within a partition one behind the other.
  void add(std::uint64_t first_index, std::size_t count, const std::vector<BadRecord>& refused,
           const std::vector<PlacedKey>& placed, const std::vector<log::AppendedRange>& ranges,
           bool replayed);
  // Why nothing from the next record on was stored.
  void stop(const http::Response& problem);
  void end(bool is_complete);

  // False until something was told, or the first take(): a refusal may still be a plain answer.
  bool has_begun() const { return has_begun_ || !lines_.empty(); }
  // Whether any record was told of.
  bool has_told() const { return accepted_ + refused_ > 0; }
  // The lines since the last time.
  std::string take();

 private:
  struct Run;
  void write_run(const Run& run, bool replayed);
  std::size_t write_refused(std::uint64_t base, const std::vector<BadRecord>& refused,
                            std::size_t at);
  void end_line(JsonWriter& json);

  const std::uint64_t first_index_;
  std::string lines_;
  bool has_begun_ = false;
  std::uint64_t accepted_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace tillrace::gateway
