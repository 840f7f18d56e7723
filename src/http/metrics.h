// What the server tells about itself.
#pragma once
#include <array>
#include <chrono>
#include <optional>
#include <string>

#include "base/metrics.h"

namespace tillrace::http {

// Not thread-safe; each worker has its own, all counting into the same Metrics.
class ServerMetrics {
 public:
  explicit ServerMetrics(Metrics& metrics)
      : metrics_(&metrics),
        connections_(metrics.gauge("tillrace_http_connections", "Open HTTP connections")),
        seconds_(metrics.histogram(
            "tillrace_http_request_seconds", "From a request's last byte to its answer's last byte",
            {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10})) {}

  void connected() { connections_.add(1); }
  void disconnected() { connections_.add(-1); }
  void handled_in(std::chrono::nanoseconds duration) {
    seconds_.observe(std::chrono::duration<double>(duration).count());
  }
  void answered(int status) { code(status).add(); }

 private:
  Counter& code(int status) {
    auto& counter = codes_.at(static_cast<std::size_t>(status));
    if (!counter)
      counter = metrics_->counter("tillrace_http_requests_total", "Answers sent, by status code",
                                  {{"code", std::to_string(status)}});
    return *counter;
  }

  Metrics* metrics_;
  Gauge connections_;
  Histogram seconds_;
  std::array<std::optional<Counter>, 600> codes_;
};

}  // namespace tillrace::http
