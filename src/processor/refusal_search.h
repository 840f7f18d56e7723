// Finds the records that PostgreSQL refuses, by halving the batches they are in. No I/O.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "warehouse/batch_writer.h"

namespace tillrace::processor {

// It only says where batches end: each half is a batch of its own, with its own mark, so a process
// that dies in between has lost nothing and searches anew. Of n lines k bad ones cost about
// k log2(n / k) refused batches, and never more than n. Not thread-safe.
class RefusalSearch {
 public:
  // `most_in_a_row`: so many refused lines, with none taken between, are no longer the lines' fault
  // but a rule's that nothing can meet.
  explicit RefusalSearch(std::int64_t most_in_a_row) : most_in_a_row_(most_in_a_row) {}

  // Where the batch that starts at `from` ends at the latest; nothing: anywhere.
  std::optional<Offset> end_for(Offset from);
  // Of the refused `batch`, which has more than one line, the first half of the lines comes next.
  void halve(const warehouse::Batch& batch);

  // Whether a line that stands alone and is refused is to blame for it.
  bool may_blame() const { return in_a_row_ < most_in_a_row_; }
  std::int64_t in_a_row() const { return in_a_row_; }
  void blamed() { ++in_a_row_; }
  // PostgreSQL took `batch`.
  void taken(const warehouse::Batch& batch);

 private:
  std::int64_t most_in_a_row_;
  std::int64_t in_a_row_ = 0;
  std::vector<Offset> ends_;  // of refused batches, the nearest last
};

}  // namespace tillrace::processor
