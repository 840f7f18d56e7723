// What the server tells about itself.
#pragma once
#include <array>
#include <chrono>
#include <optional>
#include <string>

#include "base/metrics.h"

namespace tillrace::http {

// Why the server itself, or a route's Admit, did not let a request or a connection through.
enum class Refusal {
  malformed,     // not HTTP, or a body that is not what its head says
  too_large,     // head or body
  timeout,       // did not arrive in time
  no_route,      // unknown path or method
  not_admitted,  // by Admit
  coding,        // unknown Content-Encoding
  busy,          // max_in_flight_bytes
  connections,   // max_connections, and nobody to give way
  displaced,     // an idle or unfinished one gave way to a new connection
  unread,        // a large answer that nobody read gave way to a new body
  tls,           // plain HTTP where TLS was wanted, a failed handshake, a forged record
};

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
  void refused(Refusal why) {
    static constexpr std::array<const char*, 11> kReasons = {
        "malformed", "too_large",   "timeout",   "no_route", "not_admitted", "coding",
        "busy",      "connections", "displaced", "unread",   "tls"};
    auto at = static_cast<std::size_t>(why);
    auto& counter = refused_.at(at);
    if (!counter)
      counter = metrics_->counter("tillrace_http_refused_total",
                                  "Requests and connections that no handler saw, by reason",
                                  {{"reason", kReasons.at(at)}});
    counter->add();
  }

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
  std::array<std::optional<Counter>, 11> refused_;
};

}  // namespace tillrace::http
