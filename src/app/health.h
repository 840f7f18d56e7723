// /healthz, /readyz and /metrics.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "base/json_writer.h"
#include "base/metrics.h"
#include "gateway/intake.h"
#include "http/router.h"
#include "log/log.h"
#include "processor/processor.h"

namespace tillrace::app {

// "writing", "waiting", "stopped", "detached".
std::string_view state_of(const processor::Health& sink);

// Thread-safe. What it borrows outlives it, and it outlives the server.
class Health {
 public:
  using Processors = std::vector<std::unique_ptr<processor::Processor>>;

  // None: a gateway alone. nullptr: a processor without a gateway's intake.
  Health(log::Log& log, const Processors& processors, gateway::Intake* intake, Metrics& metrics);

  // /healthz: the process answers. /readyz, 200 or 503: with an intake, whether it takes events or
  // drains or has no room; how the sinks fare holds up nobody's events as long as the log has room,
  // and is told in the body, a store's own words only to whom `guard` lets pass. A processor alone
  // is ready while it can write, but to the lake, which may be away for long. /metrics, behind
  // `guard`: Prometheus' text format.
  void mount(http::Router& router, http::Admit guard = {});
  void start_draining() { draining_ = true; }

 private:
  http::Response ready(bool tells_problem);
  std::string_view status();
  void write_sinks(JsonWriter& out, bool tells_problem) const;
  http::Response metrics();

  log::Log& log_;
  const Processors& processors_;
  gateway::Intake* intake_;
  Metrics& metrics_;
  Gauge resident_bytes_;
  std::atomic<bool> draining_ = false;
};

}  // namespace tillrace::app
