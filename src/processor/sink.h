// Where the batches of a partition go: one store, seen by one loop.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "warehouse/batch_writer.h"

namespace tillrace::processor {

// It keeps its own mark, compares and sets it together with what it writes, and so has each record
// once (promise 2). Not thread-safe.
class Sink {
 public:
  virtual ~Sink() = default;

  // The next offset that the sink wants. corrupt: its mark belongs to another log. unavailable: the
  // store cannot be asked.
  virtual Result<Offset> mark() = 0;
  // Batch and new mark, or nothing. conflict: the mark is not batch.from, or another writer has the
  // partition; unavailable: it may have been written. After a failure mark() comes first.
  virtual Result<warehouse::BatchCounts> apply(const warehouse::Batch& batch) = 0;
  // In the store's own words, when the last apply() failed for what the lines say.
  virtual std::optional<std::string> refusal() const { return std::nullopt; }
  // False when what was written last may be gone, and the mark with it. Asks nobody.
  virtual bool has_session() const = 0;
  // After unavailable: brings the store back, where that is in this process's hands.
  virtual Status recover() { return {}; }
};

// A sink by name, for all partitions.
struct SinkKind {
  std::string name;  // in metrics, in /readyz, and of the group that shares the partitions
  // Whether the group's offsets are for people to look at, and not the sink's own marks.
  bool reports_marks = true;
  std::function<std::unique_ptr<Sink>(Partition)> open;
};

}  // namespace tillrace::processor
