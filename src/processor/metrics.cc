#include "processor/metrics.h"

namespace tillrace::processor {
namespace {

const std::vector<double> kSeconds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                      0.2,   0.5,   1,     2,    5,    10,   60};

Labels with_result(Labels labels, const char* result) {
  labels["result"] = result;
  return labels;
}

constexpr const char* kWritten = "tillrace_processor_written_total";
constexpr const char* kWrittenHelp = "Events written to the sink, by what became of them";

}  // namespace

PartitionMetrics::PartitionMetrics(Metrics& metrics, const std::string& sink, Partition partition)
    : metrics_(metrics),
      labels_{{"sink", sink}, {"partition", std::to_string(partition.value)}},
      received_(metrics.counter("tillrace_processor_received_total",
                                "Records read from the log and written", labels_)),
      inserted_(metrics.counter(kWritten, kWrittenHelp, with_result(labels_, "inserted"))),
      replaced_(metrics.counter(kWritten, kWrittenHelp, with_result(labels_, "replaced"))),
      repeated_(metrics.counter(kWritten, kWrittenHelp, with_result(labels_, "repeated"))),
      batch_seconds_(metrics.histogram("tillrace_processor_batch_seconds", "Writing one batch",
                                       kSeconds, labels_)),
      visible_seconds_(metrics.histogram(
          "tillrace_visible_seconds",
          "From a request's arrival to visible rows, the oldest of each batch", kSeconds, labels_)),
      lag_(metrics.gauge("tillrace_processor_lag_records",
                         "Records in the log that the sink has not", labels_)) {
  for (warehouse::RejectedKind kind : warehouse::kRejectedKinds) {
    Labels labels = labels_;
    labels["reason"] = warehouse::name(kind);
    rejected_[static_cast<std::size_t>(kind)] =
        metrics.counter("tillrace_processor_rejected_total",
                        "Records that are no events for the sink, by what is wrong", labels);
  }
}

void PartitionMetrics::applied(const warehouse::BatchCounts& counts,
                               const std::vector<warehouse::RejectedRecord>& rejected,
                               double batch_seconds) {
  applied(counts, batch_seconds);
  for (const warehouse::RejectedRecord& record : rejected) this->rejected(record.kind, 1);
}

void PartitionMetrics::applied(const warehouse::BatchCounts& counts, double batch_seconds) {
  received_.add(
      static_cast<double>(counts.inserted + counts.replaced + counts.repeated + counts.rejected));
  inserted_.add(static_cast<double>(counts.inserted));
  replaced_.add(static_cast<double>(counts.replaced));
  repeated_.add(static_cast<double>(counts.repeated));
  batch_seconds_.observe(batch_seconds);
}

void PartitionMetrics::failed(Code code) {
  Labels labels = labels_;
  labels["code"] = name(code);
  metrics_
      .counter("tillrace_processor_failed_total",
               "Batches that failed and are tried again, by code", labels)
      .add();
}

}  // namespace tillrace::processor
