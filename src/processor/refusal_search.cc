#include "processor/refusal_search.h"

#include "base/check.h"

namespace tillrace::processor {

std::optional<Offset> RefusalSearch::end_for(Offset from) {
  while (!ends_.empty() && ends_.back() <= from) ends_.pop_back();
  return ends_.empty() ? std::nullopt : std::optional(ends_.back());
}

void RefusalSearch::halve(const warehouse::Batch& batch) {
  CHECK(batch.lines.size() > 1);
  if (ends_.empty() || batch.to < ends_.back()) ends_.push_back(batch.to);
  ends_.push_back(batch.lines[batch.lines.size() / 2].offset);
}

void RefusalSearch::taken(const warehouse::Batch& batch) {
  if (!batch.lines.empty()) in_a_row_ = 0;
}

}  // namespace tillrace::processor
