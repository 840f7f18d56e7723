// What the gateway tells about itself.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"

namespace tillrace::gateway {

// Thread-safe. Reasons and codes come from small fixed sets.
struct GatewayMetrics {
  explicit GatewayMetrics(Metrics& from)
      : metrics(from),
        received(
            from.counter("tillrace_gateway_received_total", "Events in requests that were read")),
        bytes(from.counter("tillrace_gateway_received_bytes_total", "Bytes of request bodies")),
        written(from.counter("tillrace_gateway_written_total", "Events answered with 201")),
        replayed(from.counter("tillrace_gateway_replayed_total",
                              "Answers given again for the same Idempotency-Key")),
        refused_records(from.counter("tillrace_gateway_refused_records_total",
                                     "Records of partial bodies that were no valid events")),
        durable_seconds(from.histogram(
            "tillrace_gateway_durable_seconds", "From a batch's hand-over to the log to its answer",
            {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10})) {}

  void rejected(std::string_view reason) {
    metrics
        .counter("tillrace_gateway_rejected_total", "Requests refused, by reason",
                 {{"reason", std::string(reason)}})
        .add();
  }
  void failed(Code code) {
    metrics
        .counter("tillrace_gateway_failed_total", "Requests the log did not take, by code",
                 {{"code", std::string(name(code))}})
        .add();
  }
  void durable_after(std::chrono::nanoseconds duration) {
    durable_seconds.observe(std::chrono::duration<double>(duration).count());
  }

  Metrics& metrics;
  Counter received;
  Counter bytes;
  Counter written;
  Counter replayed;
  Counter refused_records;
  Histogram durable_seconds;
};

}  // namespace tillrace::gateway
