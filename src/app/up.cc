// `tillrace up`, all stages and stores in one process, and `tillrace gateway` and `tillrace
// processor`, a stage with its stores each: how a server starts, goes on and stops.
#include <unistd.h>

#include <span>

#include "app/commands.h"
#include "app/lake_choice.h"
#include "app/log_choice.h"
#include "app/run_info.h"
#include "app/running.h"
#include "app/signals.h"
#include "base/files.h"

namespace tillrace::app {
namespace {

using std::chrono::milliseconds;

RunInfo info_of(const Running& running, const Config& config, UtcMicros started_at) {
  std::string_view scheme = config.http.tls_certificate.empty() ? "http" : "https";
  return {::getpid(),
          started_at,
          fmt::format("{}://{}", scheme, running.server->address()),
          running.warehouse ? running.warehouse->public_url() : "",
          std::filesystem::absolute(config.data_dir / "log").string(),
          running.lake ? lake_root(config) : ""};
}

// What a log of our own has is brought to every sink. Where the log is shared its end never rests,
// and others go on: only the lake, which may have waited for a while, is asked for what it can do.
bool catches_up(const Config& config, const processor::Processor& processor) {
  return !uses_kafka(config) || processor.sink() == "lake";
}

// What is in flight is finished, what is in a log of our own is brought to the sinks, all within
// shutdown_timeout_s. What does not fit in is in the log, and the next start goes on with it; so do
// others where the log is shared.
void drain(Running& running, const Config& config) {
  auto deadline = running.clock.monotonic() + std::chrono::seconds(config.shutdown_timeout_s);
  auto rest = [&] {
    return std::max(milliseconds(0),
                    std::chrono::duration_cast<milliseconds>(deadline - running.clock.monotonic()));
  };
  if (running.intake) running.intake->start_draining();
  if (!running.server->drain(rest())) logging::warning("some requests were not finished in time");
  running.log->stop();
  for (auto& processor : running.processors) processor->hurry();
  for (auto& processor : running.processors)
    if (catches_up(config, *processor) && !processor->catch_up(rest()))
      logging::warning("the {} will catch up at the next start", processor->sink());
  running.server.reset();
  running.lake_keeper.reset();
  running.housekeeping.reset();
  for (auto& processor : running.processors) processor->stop();
}

void reload(Running& running) {
  Status loaded = running.server->reload_tls();
  if (loaded) return logging::info("the certificate was read anew");
  logging::error("the certificate stays as it was: {}", loaded.error().message);
}

// Until it is told to stop. Who watches readiness, a load balancer, is given time to see that it is
// off before connections are refused; who pressed Ctrl-C need not wait for that.
void serve_until_stopped(Running& running, const Config& config, ServerSignals& signals) {
  ServerSignals::Kind kind = signals.wait();
  bool can_reload = !config.http.tls_certificate.empty();  // else SIGHUP is a terminal that closes
  for (; kind == ServerSignals::Kind::reload && can_reload; kind = signals.wait()) reload(running);
  running.health->start_draining();
  logging::info("stopping: finishing what is in flight");
  if (kind != ServerSignals::Kind::interrupt)
    running.clock.sleep_for(milliseconds(config.http.drain_delay_ms));
}

Exit serve(const Context& context, std::span<const Start> starts, ServerSignals& signals) {
  const Config& config = context.config();
  Running running;
  UtcMicros started_at = running.clock.now();
  auto began = running.clock.monotonic();
  for (Start start : starts)
    if (Status started = start(running, config); !started) return report(started.error());
  RunInfo info = info_of(running, config, started_at);
  if (Status written = write_run_info(config.data_dir, info); !written)
    return report(written.error());
  auto took = std::chrono::duration<double>(running.clock.monotonic() - began).count();
  logging::info("ready after {:.2f} s: {}", took, info.http_url);
  logging::info("`tillrace status --data-dir {}` shows addresses; Ctrl-C stops",
                config.data_dir.string());
  serve_until_stopped(running, config, signals);
  drain(running, config);
  remove_run_info(config.data_dir);
  return Exit::ok;
}

Exit run(const Context& context, std::span<const Start> starts) {
  ServerSignals signals;
  const Config& config = context.config();
  if (Status made = make_folders(config.data_dir); !made) return report(made.error());
  auto lock = FolderLock::acquire(config.data_dir);
  if (!lock) return report(lock.error());
  remove_run_info(config.data_dir);  // of a process that was killed: nobody must take it for ours
  Exit exit = serve(context, starts, signals);
  logging::info("stopped");
  return exit;
}

}  // namespace

Exit run_up(const Context& context) { return run(context, kUp); }
Exit run_gateway(const Context& context) { return run(context, kGateway); }
Exit run_processor(const Context& context) { return run(context, kProcessor); }

}  // namespace tillrace::app
