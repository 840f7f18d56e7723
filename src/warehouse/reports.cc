#include "warehouse/reports.h"

namespace tillrace::warehouse {
namespace {

using Param = std::optional<std::string>;

// select * from function($1, $2, ...)
Result<Rows> call(Connection& connection, std::string_view function, const Params& params) {
  std::string sql = fmt::format("select * from {}(", function);
  for (std::size_t i = 1; i <= params.size(); ++i)
    sql += fmt::format("{}${}", i == 1 ? "" : ", ", i);
  return connection.query(sql + ")", params);
}

Param as_param(std::optional<int> value) {
  return value ? Param(std::to_string(*value)) : std::nullopt;
}

}  // namespace

Result<Rows> invoice(Connection& connection, const std::string& invoice_no) {
  return call(connection, "shop.invoice", {invoice_no});
}

Result<Rows> customer_spend(Connection& connection, const std::string& customer_id) {
  return call(connection, "shop.customer_spend", {customer_id});
}

Result<Rows> customer_orders(Connection& connection, const std::string& customer_id) {
  return call(connection, "shop.customer_orders", {customer_id});
}

Result<Rows> customer_returns(Connection& connection, const std::string& customer_id) {
  return call(connection, "shop.customer_returns", {customer_id});
}

Result<Rows> total_sales(Connection& connection, const Range& range) {
  return call(connection, "report.total_sales", {range.from, range.to});
}

Result<Rows> sales_over_time(Connection& connection, const std::string& grain, const Range& range) {
  return call(connection, "report.sales_over_time", {grain, range.from, range.to});
}

Result<Rows> top_products(Connection& connection, int count, const Range& range, bool services) {
  return call(connection, "report.top_products",
              {std::to_string(count), range.from, range.to, services ? "true" : "false"});
}

Result<Rows> customer_summary(Connection& connection, const std::string& segment,
                              std::optional<int> count) {
  return call(connection, "report.customer_summary", {segment, as_param(count)});
}

Result<Rows> cancelled_orders(Connection& connection, const Range& range,
                              std::optional<int> count) {
  return call(connection, "report.cancelled_orders", {range.from, range.to, as_param(count)});
}

Result<Rows> checkpoints(Connection& connection) { return call(connection, "stream.progress", {}); }

// Oids of PostgreSQL's catalogue, pg_type.dat; they never change.
CellKind kind_of_type(std::uint32_t oid) {
  switch (oid) {
    case 16: return CellKind::boolean;
    case 20:
    case 21:
    case 23:
    case 700:
    case 701:
    case 1700: return CellKind::number;
    default: return CellKind::text;
  }
}

}  // namespace tillrace::warehouse
