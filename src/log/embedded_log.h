// The embedded log: one topic in a RocksDB database on the local disk.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "log/log.h"

namespace rocksdb {
class Env;
}

namespace tillrace::log {

struct EmbeddedLogOptions {
  std::filesystem::path folder;  // of all topics; the topic's own is <folder>/<topic>
  std::string topic = "ingestion-topic";
  std::int32_t partitions = 0;                // 0: as the topic was made, 1 for a new one
  std::size_t max_batch_bytes = 16 << 20;     // of one append, encoded
  std::size_t max_group_bytes = 2 << 20;      // written with one sync; one larger batch goes alone
  std::size_t max_waiting_bytes = 32 << 20;   // appended and not yet answered
  std::size_t write_buffer_bytes = 16 << 20;  // unsorted in memory per partition
  std::size_t all_write_buffers_bytes = 32 << 20;  // and for all partitions together
  std::size_t block_cache_bytes = 8 << 20;
  int max_open_files = 256;
  std::size_t max_receipts = 100'000;  // kept at once; the oldest go first
  std::int64_t receipt_max_age_h = 24;
  rocksdb::Env* env = nullptr;  // a test's faulty disk; nullptr is the real one; outlives the log
};

// The embedded log, opened; made first where the topic does not exist. One owner: a second open,
// from whatever process, is refused with unavailable and the owner's pid. invalid when the topic
// has another number of partitions. corrupt when what the disk holds has a hole, or damage anywhere
// but in an unfinished last write.
//
// Group commit: one thread, "log-append", takes all batches that wait (up to max_group_bytes),
// writes them atomically with one sync and answers them. A crash at any moment leaves every
// answered batch, at its offsets, and of the unanswered ones whole groups or nothing. The next
// group gathers while one is written, so it is the larger the slower the disk is; small batches of
// a group are stored as one.
//
// Receipts lie in the same write as their batch, and the same thread decides whether a key is free:
// by a look at the database, which keeps them, and at the group. A new receipt removes up to two
// that are too many or too old; one that is too old counts as absent at once.
//
// A failed write is treated as a crash: its batches are answered with unavailable, nothing is
// written to that database handle any more, and before the next write the database is closed and
// recovered from disk, once the disk has room again. Reads go on meanwhile. Recovery decides
// whether the failed batches are stored; until then they are not readable and their offsets are not
// given to others.
//
// `clock` and `metrics` outlive the log. The destructor answers what waits.
Result<std::unique_ptr<Log>> open_embedded_log(const EmbeddedLogOptions& options, Clock& clock,
                                               Random& random, Metrics& metrics);

}  // namespace tillrace::log
