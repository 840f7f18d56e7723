// /healthz, /readyz and /metrics.
#pragma once
#include <atomic>

#include "base/metrics.h"
#include "http/router.h"
#include "log/log.h"
#include "processor/processor.h"

namespace tillrace::app {

// Thread-safe. What it borrows outlives it, and it outlives the server.
class Health {
 public:
  Health(log::Log& log, const processor::Processor& processor, Metrics& metrics);

  // /healthz: the process answers. /readyz: it takes events, 200, or drains, 503; the body tells
  // how the warehouse fares, which holds up nobody's events. /metrics: Prometheus' text format.
  void mount(http::Router& router);
  void start_draining() { draining_ = true; }

 private:
  http::Response ready() const;
  http::Response metrics();

  log::Log& log_;
  const processor::Processor& processor_;
  Metrics& metrics_;
  Gauge resident_bytes_;
  std::atomic<bool> draining_ = false;
};

}  // namespace tillrace::app
