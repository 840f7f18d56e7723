// The lake as a sink: its bronze tables.
#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/random.h"
#include "lake/duck.h"
#include "lake/store.h"
#include "log/log.h"
#include "processor/lake_reader.h"
#include "processor/sink.h"
#include "processor/warehouse_sink.h"

namespace tillrace::processor {

// What a person has made of a sink. reattached: it was detached, or has stopped, and shall go on
// with what the log still has.
enum class Attachment : std::uint8_t { attached, detached, reattached };

struct LakeSinkOptions {
  TimeZone shop;
  LakeReaderLimits reader;          // reader.commit_bytes in the log are worth a commit,
  int commit_interval_ms = 60'000;  // and so are fewer that have waited so long
  lake::DuckOptions engine;
  std::filesystem::path spool_folder;  // of this process alone; emptied at the start and the end
  LateStart late = LateStart::refused;
  // Asked often, from any thread; empty: attached.
  std::function<Attachment()> attachment = {};
  std::function<void()> has_begun = {};  // see SinkKind
  std::function<void()> abandon = {};    // see SinkKind
};

// What the loops of all partitions share. The log is the buffer: a loop (lake_loop.h) holds nothing
// while it waits, and takes its turn when it writes, so that memory is that of one writer. Their
// threads stand behind others.
//
// Thread-safe. What it borrows outlives it, and it outlives the loops of its kind().
class LakeSink {
 public:
  // unavailable: the engine does not start.
  static Result<std::unique_ptr<LakeSink>> open(LakeSinkOptions options, lake::Store& store,
                                                log::Log& log, Clock& clock, Random& random,
                                                Metrics& metrics);
  ~LakeSink();

  SinkKind kind();

  // For the loops.
  Attachment attachment() const;
  std::uint64_t hurries() const { return hurries_; }  // how often it was asked for haste
  Result<lake::DuckSession> open_session() { return lake::DuckSession::open(duck_); }
  lake::LakePorts ports(lake::DuckSession& session) {
    return {store, session, clock, random, options.spool_folder};
  }
  bool take_turn();  // false: another has it
  void end_turn();

  const LakeSinkOptions options;
  lake::Store& store;
  log::Log& log;
  Clock& clock;
  Random& random;
  Metrics& metrics;

  LakeSink(LakeSinkOptions options, lake::Store& store, log::Log& log, Clock& clock, Random& random,
           Metrics& metrics, lake::Duck duck);  // for open()

 private:
  lake::Duck duck_;
  std::atomic<std::uint64_t> hurries_ = 0;
  std::atomic<bool> is_taken_ = false;
};

}  // namespace tillrace::processor
