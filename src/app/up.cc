// `tillrace up`: all stages and stores in one process. Stores start before the stages that use
// them, and stop after.
#include <unistd.h>

#include "app/commands.h"
#include "app/health.h"
#include "app/run_info.h"
#include "app/signals.h"
#include "base/files.h"
#include "gateway/gateway.h"
#include "http/server.h"
#include "log/embedded_log.h"

namespace tillrace::app {
namespace {

using std::chrono::milliseconds;

// Members in the order they start; the reverse is the order they go.
struct Running {
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  std::unique_ptr<log::Log> log;
  std::unique_ptr<warehouse::Warehouse> warehouse;
  std::unique_ptr<processor::Processor> processor;
  std::unique_ptr<gateway::Gateway> gateway;
  std::unique_ptr<Health> health;
  std::unique_ptr<http::Server> server;

  // The log's last answers go through the gateway, so they come before it goes.
  ~Running() {
    if (log) log->stop();
  }
};

Status start_log(Running& running, const Config& config) {
  log::EmbeddedLogOptions options;
  options.folder = config.data_dir / "log";
  if (Status made = make_private_folder(options.folder); !made) return made;
  options.topic = config.log.topic;
  options.partitions = config.log.partitions;
  auto opened = log::open_embedded_log(options, running.clock, running.random, running.metrics);
  if (!opened) return fail(opened.error(), "the log");
  running.log = std::move(*opened);
  return {};
}

Status start_warehouse(Running& running, const Config& config) {
  warehouse::WarehouseOptions options;
  options.url = config.warehouse.url;
  options.time_zone = config.shop.time_zone;
  options.cluster.folder = config.data_dir / "postgres";
  options.cluster.search_path = search_path();
  options.cluster.port = static_cast<std::uint16_t>(config.warehouse.port);
  options.cluster.shared_buffers_mb = config.warehouse.shared_buffers_mb;
  auto opened = warehouse::Warehouse::open(options, running.clock, running.random);
  if (!opened) return fail(opened.error(), "the warehouse");
  running.warehouse = std::move(*opened);
  return {};
}

Status start_stages(Running& running, const Config& config) {
  auto shop = TimeZone::find(config.shop.time_zone);
  if (!shop) return fail(shop.error());
  processor::ProcessorOptions processing;
  processing.shop = *shop;
  running.processor = std::make_unique<processor::Processor>(
      processing, *running.log, *running.warehouse, running.clock, running.metrics);
  gateway::GatewayOptions taking;
  taking.shop = *shop;
  taking.limits.max_batch_bytes = static_cast<std::size_t>(config.http.max_batch_bytes);
  taking.limits.max_batch_records = static_cast<std::size_t>(config.http.max_batch_records);
  running.gateway = std::make_unique<gateway::Gateway>(taking, *running.log, running.clock,
                                                       running.random, running.metrics);
  running.health = std::make_unique<Health>(*running.log, *running.processor, running.metrics);
  return {};
}

Status start_listening(Running& running, const Config& config) {
  auto listen = parse_listen(config.http.listen);
  if (!listen) return fail(listen.error());
  http::Router router;
  running.gateway->mount(router);
  running.health->mount(router);
  http::ServerOptions options;
  options.address = listen->address;
  options.port = listen->port;
  options.threads = static_cast<unsigned>(config.http.threads);
  options.max_connections = static_cast<std::size_t>(config.http.max_connections);
  options.header_timeout_ms = config.http.header_timeout_ms;
  options.body_timeout_ms = config.http.body_timeout_ms;
  auto server = http::Server::listen(options, std::move(router), running.metrics);
  if (!server) return fail(server.error());
  running.server = std::move(*server);
  return {};
}

RunInfo info_of(const Running& running, const Config& config, UtcMicros started_at) {
  return {::getpid(), started_at, "http://" + running.server->address(),
          running.warehouse->public_url(),
          std::filesystem::absolute(config.data_dir / "log").string()};
}

// What is in flight is finished, what is in the log is brought to the warehouse, all within
// shutdown_timeout_s. What does not fit in is in the log, and the next start goes on with it.
void drain(Running& running, const Config& config) {
  auto deadline = running.clock.monotonic() + std::chrono::seconds(config.shutdown_timeout_s);
  auto rest = [&] {
    return std::max(milliseconds(0),
                    std::chrono::duration_cast<milliseconds>(deadline - running.clock.monotonic()));
  };
  logging::info("stopping: no new requests; finishing what is in flight");
  running.health->start_draining();
  if (!running.server->drain(rest())) logging::warning("some requests were not finished in time");
  running.log->stop();
  if (!running.processor->catch_up(rest()))
    logging::warning("the warehouse will catch up at the next start");
  running.server.reset();
  running.processor->stop();
}

Exit serve(const Context& context, StopSignals& signals) {
  const Config& config = context.config();
  Running running;
  UtcMicros started_at = running.clock.now();
  auto began = running.clock.monotonic();
  for (auto start : {start_log, start_warehouse, start_stages, start_listening})
    if (Status started = start(running, config); !started) return report(started.error());
  RunInfo info = info_of(running, config, started_at);
  if (Status written = write_run_info(config.data_dir, info); !written)
    return report(written.error());
  auto took = std::chrono::duration<double>(running.clock.monotonic() - began).count();
  logging::info("ready after {:.2f} s: {}", took, info.http_url);
  logging::info("`tillrace status --data-dir {}` shows addresses; Ctrl-C stops",
                config.data_dir.string());

  signals.wait();
  drain(running, config);
  remove_run_info(config.data_dir);
  return Exit::ok;
}

}  // namespace

Exit run_up(const Context& context) {
  StopSignals signals;
  const Config& config = context.config();
  if (Status made = make_folders(config.data_dir); !made) return report(made.error());
  auto lock = FolderLock::acquire(config.data_dir);
  if (!lock) return report(lock.error());
  remove_run_info(config.data_dir);  // of a process that was killed: nobody must take it for ours
  Exit exit = serve(context, signals);
  logging::info("stopped");
  return exit;
}

}  // namespace tillrace::app
