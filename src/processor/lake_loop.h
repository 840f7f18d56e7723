// One partition's way from the log into the lake.
#pragma once
#include <chrono>
#include <memory>
#include <optional>

#include "lake/bronze_writer.h"
#include "processor/lake_reader.h"
#include "processor/lake_sink.h"
#include "processor/metrics.h"
#include "processor/sink.h"

namespace tillrace::processor {

// A partition is due when the log has LakeReaderLimits::commit_bytes behind the mark, or the oldest
// record there has waited for commit_interval_ms (as far as this process has seen), or haste was
// asked for. Only then are records read; they stream into data files, and are committed with the
// mark. A store that is slow or away costs nothing but lag.
class LakeLoop final : public Loop {
 public:
  LakeLoop(LakeSink& sink, Partition partition);
  ~LakeLoop() override;

  // corrupt, beside what the tables say: the mark lies beyond the log's end, or before its
  // beginning and no person said that it may.
  Status run_once(std::chrono::milliseconds patience, const std::stop_token& stop) override;
  std::optional<Offset> mark() const override { return mark_; }
  void leave() override { metrics_.lag(0); }

 private:
  using Nanos = std::chrono::nanoseconds;

  Status step(std::chrono::milliseconds patience, const std::stop_token& stop);
  Status open_writer();
  Status read_mark();
  Status begin_late(std::optional<Offset> mark, Offset first);
  bool may_begin_late(const std::optional<Offset>& mark) const;
  Status idle(std::uint64_t hurries, std::chrono::milliseconds patience,
              const std::stop_token& stop);
  bool is_due(std::uint64_t hurries, Offset end);
  void wait(std::chrono::milliseconds patience, const std::stop_token& stop);
  Status write(std::chrono::milliseconds patience, const std::stop_token& stop);
  Status settle();
  void forget();
  void report(Offset end);

  LakeSink& sink_;
  const Partition partition_;
  PartitionMetrics metrics_;
  LakeReader reader_;
  std::optional<lake::DuckSession> session_;
  std::unique_ptr<lake::BronzeWriter> writer_;  // borrows the session
  std::optional<Offset> mark_;
  std::optional<Nanos> waiting_since_;  // the oldest record behind the mark
  Nanos write_began_{0};
  std::uint64_t seen_hurries_;
  Offset hurry_to_;
};

}  // namespace tillrace::processor
