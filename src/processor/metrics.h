// What the processor reports of each partition and sink.
#pragma once
#include "base/metrics.h"
#include "model/record.h"
#include "warehouse/batch_writer.h"

namespace tillrace::processor {

class PartitionMetrics {
 public:
  PartitionMetrics(Metrics& metrics, const std::string& sink, Partition partition);

  // `rejected` are the batch's.
  void applied(const warehouse::BatchCounts& counts,
               const std::vector<warehouse::RejectedRecord>& rejected, double batch_seconds);
  void applied(const warehouse::BatchCounts& counts, double batch_seconds);
  void rejected(warehouse::RejectedKind kind, std::int64_t records) {
    rejected_[static_cast<std::size_t>(kind)].add(static_cast<double>(records));
  }
  void failed(Code code);
  // Seconds from a request's arrival to its rows being visible to everybody.
  void visible_after(double seconds) { visible_seconds_.observe(seconds); }
  // Records in the log that the sink has not.
  void lag(std::int64_t records) { lag_.set(static_cast<double>(records)); }

 private:
  Metrics& metrics_;
  Labels labels_;
  Counter received_, inserted_, replaced_, repeated_;
  std::array<Counter, warehouse::kRejectedKinds.size()> rejected_;
  Histogram batch_seconds_, visible_seconds_;
  Gauge lag_;
};

}  // namespace tillrace::processor
