// A partition's records as the lake's writer takes them: read from the log and decoded.
#pragma once
#include <optional>
#include <stop_token>
#include <vector>

#include "base/mutex.h"
#include "lake/bronze_writer.h"
#include "log/log.h"
#include "model/event_json.h"

namespace tillrace::processor {

struct LakeReaderLimits {
  // Of keys and values: behind them a reading without an end ends, at the next chunk.
  std::size_t commit_bytes = 64 << 20;
  // One chunk, of which each thread that reads holds one.
  std::size_t chunk_records = 8'192;
  std::size_t chunk_bytes = 4 << 20;
};

// Threads take turns at the log, and decode side by side. The log outlives it.
class LakeReader final : public lake::BronzeReader {
 public:
  LakeReader(log::Log& log, Partition partition, TimeZone shop, LakeReaderLimits limits);

  // Before begin().
  void set_stop(std::stop_token stop);

  // Without `end` a reading ends where the log ended when it began, or at commit_bytes, or soon
  // after the stop is requested. Errors as of the log; unavailable, too, when it gives nothing
  // where it should have something.
  Result<std::optional<UtcMicros>> begin(Offset from, std::optional<Offset> end) override;
  Result<std::vector<lake::BronzeItem>> next() override;
  Offset position() const override;
  // When the first record of the last reading without an end came in.
  std::optional<UtcMicros> oldest_received_at() const;

 private:
  // What lies before end_ in the log, not decoded; no records at the end.
  Result<std::vector<StoredRecord>> take() REQUIRES(mutex_);
  Result<std::vector<StoredRecord>> read_chunk() REQUIRES(mutex_);
  Result<log::Fetched> fetch(Offset from) REQUIRES(mutex_);

  log::Log& log_;
  const Partition partition_;
  const TimeZone shop_;
  const LakeReaderLimits limits_;

  mutable Mutex mutex_;
  std::stop_token stop_ GUARDED_BY(mutex_);
  Offset position_ GUARDED_BY(mutex_);
  Offset end_ GUARDED_BY(mutex_);
  bool has_end_ GUARDED_BY(mutex_) = false;
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;  // that were taken
  std::optional<UtcMicros> oldest_ GUARDED_BY(mutex_);
  std::vector<StoredRecord> first_ GUARDED_BY(mutex_);  // read by begin()
};

}  // namespace tillrace::processor
