#include "log/metrics.h"

#include <algorithm>

namespace tillrace::log {
namespace {

std::string label(Code code) {
  std::string text(name(code));
  std::replace(text.begin(), text.end(), ' ', '_');
  return text;
}

}  // namespace

LogMetrics::LogMetrics(Metrics& metrics)
    : appended_records(
          metrics.counter("tillrace_log_appended_records_total", "Records made durable.")),
      appended_bytes(metrics.counter("tillrace_log_appended_bytes_total",
                                     "Bytes made durable, as encoded, before compression.")),
      sync_seconds(metrics.histogram(
          "tillrace_log_sync_seconds",
          "Time until a group was durable: written and synced, or acknowledged by the brokers.",
          {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5})),
      waiting_bytes(
          metrics.gauge("tillrace_log_waiting_bytes", "Bytes appended and not yet answered.")) {
  for (Code code : {Code::invalid, Code::conflict, Code::exhausted, Code::unavailable,
                    Code::corrupt, Code::shutting_down})
    failed_[code] = metrics.counter("tillrace_log_failed_total",
                                    "Batches that were not acknowledged.", {{"code", label(code)}});
}

}  // namespace tillrace::log
