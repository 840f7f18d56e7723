#include "app/sessions.h"

#include "app/run_info.h"
#include "warehouse/cluster.h"
#include "warehouse/reports.h"

namespace tillrace::app {

Result<std::string> warehouse_url(const Config& config) {
  if (!config.warehouse.url.empty()) return config.warehouse.url;
  auto cluster = warehouse::Cluster::find(config.data_dir / "postgres");
  if (cluster) return cluster->url;
  if (cluster.error().code != Code::not_found) return fail(cluster.error());
  return fail(
      Code::unavailable,
      "no warehouse runs on {}; start it with `tillrace up --data-dir {}`, or set warehouse.url",
      config.data_dir.string(), config.data_dir.string());
}

Result<warehouse::Connection> open_warehouse(const Config& config) {
  auto url = warehouse_url(config);
  if (!url) return fail(url.error());
  warehouse::ConnectionOptions options;
  options.application_name = "tillrace cli";
  auto connection = warehouse::Connection::open(*url, options);
  // A database that is not there is a dependency that is not there, not a thing that was asked for.
  if (!connection && connection.error().code == Code::not_found)
    return fail(Code::unavailable, "{}", connection.error().message);
  return connection;
}

Result<std::string> gateway_url(const Config& config, const std::string& given) {
  if (!given.empty()) return given;
  auto info = read_run_info(config.data_dir);
  if (!info)
    return fail(Code::unavailable, "{}; or name the server with --url", info.error().message);
  return info->http_url;
}

Table table_of(const warehouse::Rows& rows) {
  Table table;
  for (int i = 0; i < rows.column_count(); ++i) {
    warehouse::CellKind kind = warehouse::kind_of_type(rows.column_type(i));
    table.columns.push_back({std::string(rows.column_name(i)),
                             kind == warehouse::CellKind::number    ? CellKind::number
                             : kind == warehouse::CellKind::boolean ? CellKind::boolean
                                                                    : CellKind::text});
  }
  for (int row = 0; row < rows.row_count(); ++row) {
    auto& cells = table.rows.emplace_back();
    for (int i = 0; i < rows.column_count(); ++i) {
      auto cell = rows.cell(row, i);
      cells.push_back(cell ? std::optional<std::string>(*cell) : std::nullopt);
    }
  }
  return table;
}

}  // namespace tillrace::app
