#include "app/health.h"

#include <unistd.h>

#include <charconv>

#include "base/files.h"
#include "base/json_writer.h"

namespace tillrace::app {
namespace {

http::Response json(int status, std::string body) {
  return {status, {}, "application/json", std::move(body)};
}

// The second number of /proc/self/statm: resident pages (proc(5)).
double resident_bytes() {
  auto text = read_file("/proc/self/statm");
  if (!text) return 0;
  std::size_t at = std::min(text->find(' ') + 1, text->size());
  std::int64_t pages = 0;
  std::from_chars(text->data() + at, text->data() + text->size(), pages);
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

Health::Health(log::Log& log, const processor::Processor& processor, Metrics& metrics)
    : log_(log),
      processor_(processor),
      metrics_(metrics),
      resident_bytes_(
          metrics.gauge("process_resident_memory_bytes", "Resident memory of this process")) {}

void Health::mount(http::Router& router) {
  using http::Method;
  router.add(Method::get, "/healthz", [](http::Request&&, const http::Reply& reply) {
    reply(json(200, R"({"status":"alive"})"));
  });
  router.add(Method::get, "/readyz",
             [this](http::Request&&, const http::Reply& reply) { reply(ready()); });
  router.add(Method::get, "/metrics",
             [this](http::Request&&, const http::Reply& reply) { reply(metrics()); });
}

http::Response Health::ready() const {
  processor::Health sink = processor_.health();
  std::string_view warehouse = sink.has_stopped  ? "stopped"
                               : sink.is_writing ? "writing"
                                                 : "waiting";
  JsonWriter out;
  out.begin_object()
      .field("status", draining_ ? "draining" : "ready")
      .field("warehouse", warehouse);
  if (!sink.problem.empty()) out.field("problem", sink.problem);
  out.key("lag_records").begin_array();
  for (std::int64_t lag : processor_.lag_records()) out.number(lag);
  out.end_array().end_object();
  return json(draining_ ? 503 : 200, out.take());
}

http::Response Health::metrics() {
  resident_bytes_.set(resident_bytes());
  return {200, {}, "text/plain; version=0.0.4; charset=utf-8", metrics_.text()};
}

}  // namespace tillrace::app
