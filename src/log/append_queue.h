// Internal to the room. Batches on their way to the appender, bounded by bytes.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "log/log.h"

namespace tillrace::log {

// A batch, encoded as far as it can be before its offsets are known.
struct WaitingBatch {
  struct Part {
    Partition partition;
    std::uint32_t count = 0;
    std::string records;  // as batch_format.h has them, without a header
  };
  std::vector<Part> parts;       // by partition
  std::vector<Appended> places;  // one per record, with offsets from its part's start
  std::size_t bytes = 0;
  std::optional<Receipt> receipt;
  // What the appender finds out about the receipt's key:
  bool is_repeat = false;                 // it is taken
  std::optional<std::uint64_t> replaces;  // number of the receipt that had it and is too old
  AppendDone done;
};

// invalid unless the receipt is within its limits.
Status check_receipt(const Receipt& receipt);

// Splits `batch` by partition and encodes it. invalid when it is empty, larger than `max_bytes`, or
// a key is too long, or the receipt is beyond its limits. `done` stays empty.
Result<WaitingBatch> encode_waiting(const std::vector<Record>& batch,
                                    std::optional<Receipt> receipt, std::int32_t partitions,
                                    std::size_t max_bytes);

// Thread-safe; one thread takes.
class AppendQueue {
 public:
  explicit AppendQueue(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // Moves from `batch`, or leaves it as it is: exhausted, shutting_down.
  Status push(WaitingBatch& batch);
  // Waits for batches and takes all, up to `max_bytes` but at least one; none once the queue is
  // closed and empty. They count as waiting until answered().
  std::vector<WaitingBatch> take(std::size_t max_bytes);
  void answered(std::size_t bytes);
  void close();

 private:
  const std::size_t max_bytes_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::deque<WaitingBatch> batches_ GUARDED_BY(mutex_);
  std::size_t waiting_bytes_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace tillrace::log
