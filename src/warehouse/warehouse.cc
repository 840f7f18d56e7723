#include "warehouse/warehouse.h"

#include "warehouse/migrate.h"

namespace tillrace::warehouse {
namespace {

constexpr int kProbeTimeoutMs = 2'000;

Status bring_up_to_date(const std::string& url, const std::string& time_zone) {
  ConnectionOptions options;
  options.application_name = "tillrace migrate";
  auto connection = Connection::open(url, options);
  if (!connection && connection.error().code == Code::not_found)
    return fail(Code::unavailable, "{}",
                connection.error().message);  // it can be made, and tried again
  if (!connection) return fail(connection.error());
  if (Status migrated = migrate(*connection); !migrated) return migrated;
  return set_time_zone(*connection, time_zone);
}

}  // namespace

Result<std::unique_ptr<Warehouse>> Warehouse::open(const WarehouseOptions& options, Clock& clock,
                                                   Random& random) {
  std::unique_ptr<Cluster> cluster;
  if (options.url.empty()) {
    auto started = Cluster::start(options.cluster, clock, random);
    if (!started) return fail(started.error());
    cluster = std::move(*started);
  }
  auto warehouse = std::make_unique<Warehouse>(options.url, std::move(cluster));
  if (Status ready = bring_up_to_date(warehouse->url(), options.time_zone); !ready)
    return fail(ready.error());
  return warehouse;
}

Status Warehouse::ensure_running() {
  if (cluster_) return cluster_->ensure_running();
  switch (probe_server(url_, kProbeTimeoutMs)) {
    case ServerState::accepting: return {};
    case ServerState::not_yet:
      return fail(Code::unavailable, "PostgreSQL at {} is starting or stopping", redacted(url_));
    case ServerState::refused:
      return fail(Code::unavailable, "nothing listens at {}", redacted(url_));
    case ServerState::no_answer:
      return fail(Code::unavailable, "PostgreSQL at {} does not answer", redacted(url_));
  }
  return {};
}

std::string Warehouse::url() const { return cluster_ ? cluster_->url() : url_; }

std::string Warehouse::public_url() const { return cluster_ ? cluster_->tcp_url() : url_; }

}  // namespace tillrace::warehouse
