// A partition's records as the lake's writer takes them: read and decoded ahead.
#pragma once
#include <condition_variable>
#include <deque>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "lake/bronze_writer.h"
#include "log/log.h"
#include "model/event_json.h"

namespace tillrace::processor {

struct LakeReaderLimits {
  // Of keys and values: behind them a reading without an end ends, at the next chunk.
  std::size_t commit_bytes = 64 << 20;
  // One chunk.
  std::size_t chunk_records = 8'192;
  std::size_t chunk_bytes = 4 << 20;
  // So many are read ahead: while a row group is encoded, which takes as long as to read half of
  // it.
  std::size_t chunks_ahead = 4;
};

// Not thread-safe; owns a thread "decode" while it reads. The log outlives it.
class LakeReader final : public lake::BronzeReader {
 public:
  LakeReader(log::Log& log, Partition partition, TimeZone shop, LakeReaderLimits limits);
  ~LakeReader() override;

  // Without `end` a reading ends where the log ended when it began, or at commit_bytes, or soon
  // after `stop` is requested.
  void begin(Offset from, std::optional<Offset> end) override;
  void set_stop(std::stop_token stop);  // before begin()
  Result<const Item*> next() override;
  Offset position() const override { return position_; }
  // When the first record of a reading without an end came in.
  std::optional<UtcMicros> oldest_received_at() const { return oldest_; }

 private:
  struct Chunk {
    std::vector<Item> items;
    std::size_t bytes = 0;
    Offset next;
  };

  // Of the thread.
  void read(Offset from, std::optional<Offset> given_end);
  Result<log::Fetched> fetch(Offset from);
  Result<Chunk> read_chunk(Offset from, Offset end);
  // False when nobody wants more.
  bool put(Result<Chunk> chunk);

  void free_spent();

  // nullopt at the end.
  std::optional<Result<Chunk>> take();
  void end_reading();
  void note_oldest();

  log::Log& log_;
  const Partition partition_;
  const LakeReaderLimits limits_;
  EventParser parser_;  // the thread's, while there is one
  std::stop_token stop_;

  Offset position_;  // behind the chunk in hand
  std::vector<Item> chunk_;
  std::size_t at_ = 0;
  bool has_end_ = false;
  std::optional<UtcMicros> oldest_;

  Mutex mutex_;
  std::condition_variable changed_;
  std::deque<Result<Chunk>> ahead_ GUARDED_BY(mutex_);
  // Chunks that were read, for the thread to free: the writer has enough to do.
  std::vector<std::vector<Item>> spent_ GUARDED_BY(mutex_);
  bool is_over_ GUARDED_BY(mutex_) = true;       // the thread puts no more
  bool is_unwanted_ GUARDED_BY(mutex_) = false;  // what it puts
  std::jthread thread_;
};

}  // namespace tillrace::processor
