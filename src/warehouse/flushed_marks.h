// The marks that no crash takes back. What the log may drop goes by them (promise 3).
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "model/record.h"

namespace tillrace::warehouse {

// The next offset that the warehouse wants of a partition.
struct FlushedMark {
  Partition partition;
  Offset next;
};

// The topic's marks, by partition, of those that the warehouse has seen; all of them are on disk
// when this returns. Opens a session of its own, writes a few bytes, waits for no batch and makes
// none wait; meant to be called once a minute. Thread-safe.
//
// unavailable when the server is away, is a standby, or does not confirm in time: at most about
// eight seconds in all. corrupt when a mark belongs to another log. A failure tells nothing of the
// marks.
Result<std::vector<FlushedMark>> flushed_marks(const std::string& url, const std::string& topic,
                                               const std::string& log_id);

}  // namespace tillrace::warehouse
