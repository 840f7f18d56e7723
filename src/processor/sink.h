// Where the batches of a partition go: one store, seen by one loop; and what a loop is.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
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

// One partition's way from the log into a sink, as PartitionWorker drives it. Not thread-safe.
class Loop {
 public:
  virtual ~Loop() = default;

  // Takes what the log has, as much as belongs together, and writes it with the new mark; waits up
  // to `patience` when there is nothing to do. After any failure the next call starts from the
  // sink's own mark. corrupt: log and mark contradict each other.
  virtual Status run_once(std::chrono::milliseconds patience, const std::stop_token& stop) = 0;
  // The next offset the sink wants; nothing while it has to be asked.
  virtual std::optional<Offset> mark() const = 0;
  // Another process has the partition now, and tells its lag.
  virtual void leave() = 0;
  // After unavailable.
  virtual Status recover_sink() { return {}; }
};

// A sink by name, for all partitions.
struct SinkKind {
  std::string name;  // in metrics, in /readyz, and of the group that shares the partitions
  // Whether the group's offsets are for people to look at, and not the sink's own marks.
  bool reports_marks = true;
  std::function<std::unique_ptr<Sink>(Partition)> open = {};

  // What follows is for sinks that have a pace of their own (lake_sink.h), and may be empty. The
  // loop instead of PartitionLoop, and `open`:
  std::function<std::unique_ptr<Loop>(Partition)> open_loop = {};
  // What waits in the log is to be written now, rather than when it is worth it.
  std::function<void()> hurry = {};
  // Work under way in the store is broken off, and no other will succeed.
  std::function<void()> abandon = {};
  // A person has taken the sink out; its loops do nothing.
  std::function<bool()> is_detached = {};
  // Called now and then, while the mark of each partition held is known.
  std::function<void()> has_begun = {};
};

}  // namespace tillrace::processor
