#include "app/health.h"

#include <unistd.h>

#include <charconv>

#include "base/files.h"

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

constexpr std::string_view kReady = "ready";

}  // namespace

std::string_view state_of(const processor::Health& sink) {
  if (sink.is_detached) return "detached";
  return sink.has_stopped ? "stopped" : sink.is_writing ? "writing" : "waiting";
}

Health::Health(log::Log& log, const Processors& processors, gateway::Intake* intake,
               Metrics& metrics)
    : log_(log),
      processors_(processors),
      intake_(intake),
      metrics_(metrics),
      resident_bytes_(
          metrics.gauge("process_resident_memory_bytes", "Resident memory of this process")) {}

void Health::mount(http::Router& router, http::Admit guard) {
  using http::Method;
  router.add(Method::get, "/healthz", [](http::Request&&, const http::Reply& reply) {
    reply(json(200, R"({"status":"alive"})"));
  });
  router.add(Method::get, "/readyz",
             [this, guard](http::Request&& request, const http::Reply& reply) {
               reply(ready(!guard || !guard(request)));
             });
  router.add(Method::get, "/metrics",
             [this](http::Request&&, const http::Reply& reply) { reply(metrics()); },
             {.admit = std::move(guard)});
}

std::string_view Health::status() {
  if (draining_) return "draining";
  if (intake_ == nullptr) {
    for (const auto& processor : processors_) {
      processor::Health sink = processor->health();
      if (processor->sink() != "lake" && !sink.is_writing) return state_of(sink);
    }
    return kReady;
  }
  if (!log_.last_write()) return "log-failed";
  gateway::Intake::State state = intake_->state();
  return state == gateway::Intake::State::open ? kReady : name(state);
}

http::Response Health::ready(bool tells_problem) {
  std::string_view told = status();
  JsonWriter out;
  out.begin_object().field("status", told);
  if (!processors_.empty()) write_sinks(out, tells_problem);
  out.end_object();
  return json(told == kReady ? 200 : 503, out.take());
}

void Health::write_sinks(JsonWriter& out, bool tells_problem) const {
  std::string problem;
  for (const auto& processor : processors_) {
    processor::Health sink = processor->health();
    out.field(processor->sink(), state_of(sink));
    if (problem.empty()) problem = sink.problem;
  }
  if (tells_problem && !problem.empty()) out.field("problem", problem);
  out.key("lag").begin_array();
  for (const auto& processor : processors_) {
    for (const processor::Lag& lag : processor->lags()) {
      out.begin_object().field("sink", processor->sink());
      out.field("partition", std::int64_t{lag.partition.value});
      out.field("records", lag.records).end_object();
    }
  }
  out.end_array();
}

http::Response Health::metrics() {
  resident_bytes_.set(resident_bytes());
  return {200, {}, "text/plain; version=0.0.4; charset=utf-8", metrics_.text()};
}

}  // namespace tillrace::app
