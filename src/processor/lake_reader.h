// A partition's records as the lake's writer takes them: read and decoded a chunk ahead.
#pragma once
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "lake/bronze_writer.h"
#include "log/log.h"
#include "model/event_json.h"

namespace tillrace::processor {

struct LakeReaderLimits {
  // Of keys and values: behind them a reading without an end ends, at the next chunk.
  std::size_t commit_bytes = 64 << 20;
  // One chunk; two are in memory.
  std::size_t chunk_records = 8'192;
  std::size_t chunk_bytes = 4 << 20;
};

// Not thread-safe; owns a thread "decode" while it reads. The log outlives it.
class LakeReader final : public lake::BronzeReader {
 public:
  LakeReader(log::Log& log, Partition partition, TimeZone shop, LakeReaderLimits limits);

  // Without `end` a reading ends where the log ended when it began, or at commit_bytes, or soon
  // after `stop` is requested.
  void begin(Offset from, std::optional<Offset> end) override;
  void set_stop(std::stop_token stop);  // before begin()
  Result<const Item*> next() override;
  Offset position() const override { return position_; }
  // When the first record came in; nothing before it was read.
  std::optional<UtcMicros> oldest_received_at() const { return oldest_; }

 private:
  struct Chunk {
    std::vector<Item> items;
    std::size_t bytes = 0;
    Offset next;
  };

  Result<log::Fetched> fetch(Offset from);
  Result<Chunk> read_chunk(Offset from, Offset end);
  Result<Chunk> next_chunk(Offset end);
  bool ends_here(Offset end) const;
  Result<Offset> end();
  void drop_ahead();

  log::Log& log_;
  const Partition partition_;
  const LakeReaderLimits limits_;
  EventParser parser_;  // of the thread that reads ahead, while there is one
  std::stop_token stop_;

  Offset position_;  // behind the chunk in hand
  std::optional<Offset> given_end_, end_;
  std::size_t bytes_ = 0;  // since begin()
  std::vector<Item> chunk_;
  std::size_t at_ = 0;
  std::optional<UtcMicros> oldest_;
  std::optional<Result<Chunk>> ahead_;  // written by the thread, read after a join
  std::jthread ahead_thread_;
};

}  // namespace tillrace::processor
