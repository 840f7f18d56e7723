#include "app/running.h"

#include "app/api_docs.h"
#include "app/commands.h"
#include "app/flush_route.h"
#include "app/lake_choice.h"
#include "app/log_choice.h"
#include "base/files.h"
#include "log/kafka_topics.h"
#include "processor/output_sink.h"
#include "processor/warehouse_sink.h"

namespace tillrace::app {
namespace {

constexpr std::uint64_t kMegabyte = 1 << 20;

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

// Puts a look at who asks before a route.
http::Admit guard(const Running& running, auth::Scope needed) {
  if (!running.authenticator) return {};
  return [&who = *running.authenticator, needed](http::Request& head) {
    return who.check(head, needed);
  };
}

// The partitions share the bytes. 0 is no limit, so a limit never becomes 0.
log::Retention retention_of(const Config::Retention& config, std::int32_t partitions) {
  std::uint64_t share = config.max_bytes / static_cast<std::uint64_t>(partitions);
  return {config.max_bytes == 0 ? 0 : std::max<std::uint64_t>(share, 1), config.max_age_h,
          config.safety_h};
}

http::ServerOptions server_options(const Config& config, const ListenAddress& listen) {
  http::ServerOptions options;
  options.address = listen.address;
  options.port = listen.port;
  options.threads = static_cast<unsigned>(config.http.threads);
  options.max_connections = static_cast<std::size_t>(config.http.max_connections);
  options.header_timeout_ms = config.http.header_timeout_ms;
  options.body_timeout_ms = config.http.body_timeout_ms;
  options.max_in_flight_bytes =
      static_cast<std::size_t>(config.http.max_in_flight_mb) * std::size_t{kMegabyte};
  options.tls = {config.http.tls_certificate, config.http.tls_key, config.http.tls_client_ca};
  options.cors_origins = config.http.cors_origins;
  return options;
}

Status start_sink(Running& running, const Config& config, processor::SinkKind sink) {
  auto shop = TimeZone::find(config.shop.time_zone);
  if (!shop) return fail(shop.error());
  auto membership = running.log->join(sink.name);
  if (!membership) return fail(membership.error(), "the group of processors");
  processor::ProcessorOptions processing;
  processing.shop = *shop;
  processing.batch.max_refused_in_a_row = config.warehouse.max_refused_in_a_row;
  running.processors.push_back(std::make_unique<processor::Processor>(
      processing, std::move(sink), *running.log, std::move(*membership), running.clock,
      running.metrics));
  return {};
}

}  // namespace

// Beyond this machine, whoever reaches the port could send events, and whoever listens in could
// read keys.
Status check_exposure(Running&, const Config& config) {
  auto listen = parse_listen(config.http.listen);
  if (!listen) return fail(listen.error());
  if (is_loopback(listen->address) || config.http.insecure) return {};
  bool has_tls = !config.http.tls_certificate.empty();
  if (has_tls && config.auth.required) return {};
  std::string_view lacking = has_tls ? "keys" : config.auth.required ? "TLS" : "keys and TLS";
  return fail(Code::invalid,
              "{} is reachable from other machines, and without {} anybody there could {}; set {}"
              "{}{}, listen on 127.0.0.1, or say --insecure if something in front of it does that",
              config.http.listen, lacking,
              config.auth.required ? "read the keys and events that pass" : "send events",
              config.auth.required ? "" : "auth.required",
              config.auth.required || has_tls ? "" : " and ",
              has_tls ? "" : "http.tls_certificate and http.tls_key");
}

// Whatever the membership: what several processes share must not belong to one of them.
Status check_sharing(Running&, const Config& config) {
  if (!uses_kafka(config))
    return fail(Code::invalid,
                "the embedded log has one owner, the process that runs `tillrace up`; a processor "
                "by itself reads Kafka: set log.kind = \"kafka\" and kafka.brokers");
  if (config.warehouse.url.empty())
    return fail(Code::invalid,
                "a private PostgreSQL belongs to the process that runs `tillrace up`; processors "
                "share a server: set warehouse.url (--warehouse-url)");
  return {};
}

Status start_reading_log(Running& running, const Config& config) {
  auto opened = open_kafka_to_read(config, config.log.topic, running.clock, running.metrics);
  if (!opened) return fail(opened.error(), "the log");
  running.log = std::move(*opened);
  return {};
}

Status start_log(Running& running, const Config& config) {
  auto opened = open_log(config, running.clock, running.random, running.metrics);
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

Status start_processor(Running& running, const Config& config) {
  auto late = uses_kafka(config) ? processor::LateStart::allowed : processor::LateStart::refused;
  return start_sink(running, config,
                    processor::warehouse_sink(*running.log, *running.warehouse, late));
}

Status start_output(Running& running, const Config& config) {
  if (!config.output.enabled) return {};
  if (!uses_kafka(config))
    return fail(Code::invalid,
                "output.enabled: the output topic is one of Kafka's, and the log is embedded; set "
                "log.kind = \"kafka\" and kafka.brokers");
  log::OutputOptions options = output_options(config);
  auto there = log::describe_kafka_topic(options.connection, options.topic);
  if (!there) return fail(there.error(), "the output topic");
  return start_sink(running, config, processor::output_sink(*running.log, std::move(options)));
}

// A limit on what waits in the log must not be one that the lake waits for, in all partitions.
std::size_t commit_bytes(const Config& config, const log::Log& log) {
  std::uint64_t bytes = static_cast<std::uint64_t>(config.lake.commit_mb) * kMegabyte;
  auto partitions = static_cast<std::uint64_t>(std::max(1, log.partitions()));
  return static_cast<std::size_t>(
      std::min(bytes, config.retention.hold_log_max_bytes / 4 / partitions));
}

Status start_lake(Running& running, const Config& config) {
  if (!writes_lake(config)) {
    if (config.lake.enabled)
      logging::info(
          "no lake is written: lake.root is empty, and processes that share Kafka's "
          "partitions share a lake too");
    return {};
  }
  auto store = open_lake_store(config, running.clock, running.random, running.metrics,
                               running.lake_abandoned.get_token());
  if (!store) return fail(store.error(), "the lake");
  running.lake_store = std::move(*store);
  running.lake_switch = std::make_unique<SinkSwitch>(config.data_dir, "lake", running.clock);
  auto shop = TimeZone::find(config.shop.time_zone);
  if (!shop) return fail(shop.error());
  processor::LakeSinkOptions options;
  options.shop = *shop;
  options.reader.commit_bytes = commit_bytes(config, *running.log);
  options.commit_interval_ms = config.lake.commit_interval_s * 1'000;
  options.spool_folder = config.data_dir / "lake-spool" / "sink";
  options.engine = lake_engine(config, options.spool_folder);
  options.engine.keeps_order = false;  // rows say their offsets
  if (uses_kafka(config)) options.late = processor::LateStart::allowed;
  options.attachment = [&running] { return running.lake_switch->look(); };
  options.has_begun = [&running] { running.lake_switch->begun(); };
  options.abandon = [&running] { running.lake_abandoned.request_stop(); };
  auto sink = processor::LakeSink::open(std::move(options), *running.lake_store, *running.log,
                                        running.clock, running.random, running.metrics);
  if (!sink) return fail(sink.error(), "the lake");
  running.lake = std::move(*sink);
  return start_sink(running, config, running.lake->kind());
}

// By partition, the least that all sinks have for good: what lies below may go.
Result<std::vector<Offset>> least_marks(const Running& running) {
  std::vector<Offset> marks(static_cast<std::size_t>(running.log->partitions()));
  if (running.warehouse) {
    auto told = processor::flushed_marks(*running.log, *running.warehouse);
    if (!told) return told;
    marks = std::move(*told);
  }
  for (const auto& processor : running.processors) {
    if (processor->sink() != "lake") continue;  // a commit to the lake is durable
    auto known = processor->marks();
    if (!known) return fail(known.error());
    for (std::size_t i = 0; *known && i < marks.size(); ++i)
      marks[i] = std::min(marks[i], (**known)[i]);
  }
  return marks;
}

// Before the first request is taken, so that the backlog is known then. A gateway alone has no sink
// to ask: one that starts later may want all of the log.
Status start_housekeeping(Running& running, const Config& config) {
  HousekeepingOptions options;
  options.marks_file = config.data_dir / "sinks" / "marks";
  options.retention = retention_of(config.retention, running.log->partitions());
  options.large_backlog_bytes = config.retention.hold_log_max_bytes / 4;
  options.check_interval_ms = config.retention.check_interval_s * 1'000;
  FlushedMarks marks = [&running] { return least_marks(running); };
  running.housekeeping =
      std::make_unique<Housekeeping>(options, *running.log, marks, running.clock, running.metrics);
  return {};
}

// Several processes may share a lake: the conflict rules tell who was first.
Status start_lake_keeper(Running& running, const Config& config) {
  if (!running.lake) return {};
  LakeKeeperOptions options;
  options.compact_interval = std::chrono::seconds(config.lake.compact_interval_s);
  options.vacuum_interval = std::chrono::seconds(config.lake.vacuum_interval_s);
  options.vacuum_retain_h = config.lake.vacuum_retain_h;
  options.target_bytes = static_cast<std::uint64_t>(config.lake.target_file_mb) * kMegabyte;
  LakeKeeper::Open open = [&running, &config](const std::stop_token& stop) {
    constexpr unsigned kThreads = 1;  // it is in no hurry, and each has rows in memory
    return OpenLake::open(config, "keeper", running.clock, running.random, running.metrics, stop,
                          kThreads);
  };
  running.lake_keeper =
      std::make_unique<LakeKeeper>(options, std::move(open), running.clock, running.metrics);
  return {};
}

Status start_authenticator(Running& running, const Config& config) {
  if (!config.auth.required) return {};
  auth::AuthOptions options;
  options.mode = auth::AuthOptions::Mode::required;
  options.keys_file = config.data_dir / "keys.json";
  options.jwks = config.auth.jwks;
  options.issuer = config.auth.issuer;
  options.audience = config.auth.audience;
  options.scopes_from_roles = config.auth.scopes_from_roles;
  auto opened = auth::Authenticator::open(options, running.clock, running.metrics);
  if (!opened) return fail(opened.error(), "keys and tokens");
  running.authenticator = std::move(*opened);
  return {};
}

Status start_gateway(Running& running, const Config& config) {
  auto shop = TimeZone::find(config.shop.time_zone);
  if (!shop) return fail(shop.error());
  gateway::IntakeOptions intake;
  // What waits in Kafka is the brokers' to hold.
  intake.hold_log_max_bytes = uses_kafka(config) ? std::numeric_limits<std::uint64_t>::max()
                                                 : config.retention.hold_log_max_bytes;
  intake.min_free_disk_bytes = static_cast<std::uint64_t>(config.http.min_free_disk_mb) * kMegabyte;
  gateway::IntakeSources sources;
  sources.backlog_bytes = [&keeper = *running.housekeeping] { return keeper.backlog_bytes(); };
  sources.free_disk_bytes = [folder = config.data_dir] { return free_bytes(folder); };
  running.intake = std::make_unique<gateway::Intake>(intake, sources, running.clock);
  gateway::GatewayOptions taking;
  taking.shop = *shop;
  taking.limits.max_batch_bytes = static_cast<std::size_t>(config.http.max_batch_bytes);
  taking.limits.max_batch_records = static_cast<std::size_t>(config.http.max_batch_records);
  taking.client_limits.events_per_second = config.limits.events_per_second;
  taking.client_limits.bytes_per_second = config.limits.bytes_per_second;
  taking.tells_clients_apart = config.auth.required;
  running.gateway = std::make_unique<gateway::Gateway>(
      taking, *running.log, *running.intake, running.clock, running.random, running.metrics);
  return {};
}

Status start_listening(Running& running, const Config& config) {
  auto listen = parse_listen(config.http.listen);
  if (!listen) return fail(listen.error());
  http::Router router;
  if (running.gateway) {
    running.gateway->mount(router, guard(running, auth::Scope::ingest));
    mount_api_docs(router);
  }
  running.health = std::make_unique<Health>(*running.log, running.processors, running.intake.get(),
                                            running.metrics);
  running.health->mount(router, guard(running, auth::Scope::read));
  if (running.lake) mount_flush(router, running.processors, guard(running, auth::Scope::admin));
  auto server =
      http::Server::listen(server_options(config, *listen), std::move(router), running.metrics);
  if (!server) return fail(server.error());
  running.server = std::move(*server);
  return {};
}

}  // namespace tillrace::app
