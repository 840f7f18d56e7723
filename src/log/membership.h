// Which partitions a process reads, where several share a topic.
#pragma once
#include <chrono>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "model/record.h"

namespace tillrace::log {

// A place in a group of readers, given by Log::join(). It says which partitions this process's sink
// shall read now, and spreads the work; it protects nothing. Two members may hold one partition for
// a while, such as when one was paused and learns late that it has lost it: the sink's mark is
// compared and set in the transaction that writes the rows, so of two writers of one batch one
// commits and the other reads its mark again. So nothing is fenced here, and losing a partition
// calls for no haste: the batch in hand may be finished.
//
// One thread calls wait_for_change(); the rest is thread-safe. The log outlives it. The destructor
// leaves the group and may wait some seconds for it; the others then share what was held.
class Membership {
 public:
  virtual ~Membership() = default;

  // The partitions held now, ascending. While the group makes up its mind, those from before; none
  // when this member was silent beyond its session, until it is given some again.
  virtual std::vector<Partition> mine() const = 0;

  // Waits until mine() is another than when this last returned true (at first: than none): true;
  // false when the time was up or `stop` was requested. unavailable, at once, for as long as the
  // group cannot be reached; call again after a pause.
  virtual Result<bool> wait_for_change(std::chrono::nanoseconds timeout,
                                       const std::stop_token& stop) = 0;

  // The sink has everything of the partition below `mark`. For the eyes of the log's own tools, and
  // never read back: a sink keeps its mark itself. Waits for nothing, and may get lost.
  virtual void report(Partition partition, Offset mark) = 0;
};

}  // namespace tillrace::log
