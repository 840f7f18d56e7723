// `tillrace doctor`: whether this machine and this configuration can run tillrace, and what to do
// where not.
#include <sys/resource.h>

#include "app/commands.h"
#include "app/run_info.h"
#include "app/sessions.h"
#include "base/files.h"
#include "http/server.h"
#include "log/kafka_topics.h"
#include "model/invoice_date.h"
#include "warehouse/postgres_install.h"

namespace tillrace::app {
namespace {

struct Finding {
  std::string check;
  Exit verdict = Exit::ok;
  std::string detail;
};

Finding good(std::string check, std::string detail) {
  return {std::move(check), Exit::ok, std::move(detail)};
}
Finding bad(std::string check, const Error& error) {
  return {std::move(check), exit_of(error), error.message};
}

Finding check_data_dir(const Config& config) {
  if (Status made = make_folders(config.data_dir); !made) return bad("data folder", made.error());
  auto probe = config.data_dir / "doctor.probe";
  if (Status written = write_file_atomically(probe, "x"); !written)
    return bad("data folder", written.error());
  std::error_code ignored;
  std::filesystem::remove(probe, ignored);
  return good("data folder",
              std::filesystem::absolute(config.data_dir).string() + " can be written");
}

Finding check_space(const Config& config) {
  constexpr std::uint64_t kLeast = 1ull << 30;
  auto free = free_bytes(config.data_dir);
  if (!free) return bad("disk space", free.error());
  std::string detail = fmt::format("{:.1f} GB are free", static_cast<double>(*free) / 1e9);
  if (*free < kLeast)
    return bad("disk space", {Code::exhausted, detail + "; at least 1 GB is wanted"});
  return good("disk space", detail);
}

// The price of a durable answer on this disk.
Finding check_sync(const Config& config, Clock& clock) {
  constexpr int kRounds = 20;
  auto probe = config.data_dir / "doctor.probe";
  auto began = clock.monotonic();
  for (int i = 0; i < kRounds; ++i)
    if (Status written = write_file_atomically(probe, "x"); !written)
      return bad("disk sync", written.error());
  double ms =
      std::chrono::duration<double, std::milli>(clock.monotonic() - began).count() / kRounds;
  std::error_code ignored;
  std::filesystem::remove(probe, ignored);
  return good("disk sync", fmt::format("{:.2f} ms to make a small file durable", ms));
}

Finding check_postgres(const Config& config) {
  if (!config.warehouse.url.empty()) {
    auto connection = open_warehouse(config);
    if (!connection) return bad("PostgreSQL", connection.error());
    return good("PostgreSQL",
                fmt::format("server version {} answers", connection->server_version() / 10000));
  }
  SystemClock clock;
  auto install = warehouse::choose_postgres_install(
      warehouse::find_postgres_installs({}, search_path(), clock), std::nullopt, config.data_dir);
  if (!install) return {"PostgreSQL", Exit::dependency, install.error().message};
  return good("PostgreSQL",
              fmt::format("version {} in {}", install->version, install->bin_folder.string()));
}

Finding check_port(const Config& config) {
  if (auto info = read_run_info(config.data_dir))
    return good("listen", fmt::format("tillrace runs here, at {}", info->http_url));
  auto listen = parse_listen(config.http.listen);
  if (!listen) return bad("listen", listen.error());
  Metrics metrics;
  http::ServerOptions options;
  options.address = listen->address;
  options.port = listen->port;
  auto server = http::Server::listen(options, http::Router{}, metrics);
  if (!server) return bad("listen", server.error());
  return good("listen", config.http.listen + " is free");
}

Finding check_time_zone() {
  auto zone = TimeZone::find("Europe/London");
  if (!zone)
    return {"time zones", Exit::dependency, "the IANA database is missing; install tzdata"};
  return good("time zones", "the IANA database is there");
}

Finding check_open_files(const Config& config) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  auto wanted = static_cast<rlim_t>(config.http.max_connections) + 512;
  std::string detail = fmt::format("{} may be open at once", limit.rlim_max);
  if (limit.rlim_max < wanted)  // a server raises the soft limit to it
    return {"open files", Exit::not_so,
            fmt::format("{}; http.max_connections needs {}: raise it with `ulimit -Hn {}`", detail,
                        wanted, wanted)};
  return good("open files", detail);
}

Finding check_broker(const Config& config, Result<log::KafkaTopicSettings>& topic) {
  if (!topic) return bad("Kafka", topic.error());
  return good("Kafka",
              fmt::format("{} has topic {} with {} partitions, id {}", config.kafka.brokers,
                          topic->info.name, topic->info.partitions, topic->info.id));
}

// A sink may be away for so long as the log keeps what it has not seen.
Finding check_topic_retention(const Config& config, const log::KafkaTopicSettings& topic) {
  constexpr std::int64_t kMsPerHour = 3'600'000;
  if (topic.cleanup_policy.find("compact") != std::string::npos)
    return bad("topic retention",
               {Code::invalid,
                "cleanup.policy compacts: of an invoice's events only the last would "
                "stay; set it to delete"});
  std::string limit = topic.retention_bytes < 0
                          ? ""
                          : fmt::format("; at most {} bytes a partition", topic.retention_bytes);
  if (topic.retention_ms < 0) return good("topic retention", "events are kept for ever" + limit);
  std::int64_t hours = topic.retention_ms / kMsPerHour;
  std::string detail = fmt::format("events are kept for {} h{}", hours, limit);
  if (hours >= config.retention.safety_h) return good("topic retention", detail);
  return bad("topic retention",
             {Code::invalid, fmt::format("{}; retention.safety_h wants {}: set the topic's "
                                         "retention.ms, or a warehouse that is away loses events",
                                         detail, config.retention.safety_h)});
}

// acks=all means all replicas that are in sync, which may be one.
Finding check_replication(const log::KafkaTopicSettings& topic) {
  std::string detail = fmt::format("{} replicas, {} in sync, min.insync.replicas {}",
                                   topic.replication, topic.in_sync, topic.min_insync);
  if (topic.in_sync < topic.min_insync)
    return bad("topic copies",
               {Code::unavailable, detail + "; no event is accepted until more are"});
  if (topic.replication > 1 && topic.min_insync < 2)
    return bad("topic copies",
               {Code::invalid, detail + "; an accepted event may lie on one broker alone: set "
                                        "min.insync.replicas to 2"});
  return good("topic copies", topic.replication > 1 ? detail : detail + ": one disk has it all");
}

void add_kafka(const Config& config, std::vector<Finding>& findings) {
  if (!uses_kafka(config)) return;
  auto topic = log::describe_kafka_topic(kafka_connection(config), config.log.topic);
  findings.push_back(check_broker(config, topic));
  if (!topic) return;
  findings.push_back(check_topic_retention(config, *topic));
  findings.push_back(check_replication(*topic));
}

}  // namespace

Exit run_doctor(const Context& context) {
  const Config& config = context.config();
  SystemClock clock;
  std::vector<Finding> findings = {check_data_dir(config),    check_space(config),
                                   check_sync(config, clock), check_postgres(config),
                                   check_port(config),        check_time_zone(),
                                   check_open_files(config)};
  add_kafka(config, findings);
  Table table;
  table.columns = {
      {"check", CellKind::text}, {"result", CellKind::text}, {"detail", CellKind::text}};
  Exit worst = Exit::ok;
  for (const Finding& finding : findings) {
    bool fine = finding.verdict == Exit::ok;
    table.rows.push_back({finding.check, fine ? "ok" : "NOT OK", finding.detail});
    worst = std::max(worst, finding.verdict);
  }
  print_out(print(table, {context.format, false, {}}));
  return worst;
}

}  // namespace tillrace::app
