// The stored functions that people and programs ask: named here once, with their parameters.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "warehouse/connection.h"

namespace tillrace::warehouse {

// A half-open range on the shop's clock, as text that PostgreSQL reads as a timestamp; nullopt
// leaves an end open.
struct Range {
  std::optional<std::string> from;
  std::optional<std::string> to;
};

// Each answers one row, or several; columns as in sql/functions. invalid when an argument is wrong.
Result<Rows> invoice(Connection& connection, const std::string& invoice_no);
Result<Rows> customer_spend(Connection& connection, const std::string& customer_id);
Result<Rows> customer_orders(Connection& connection, const std::string& customer_id);
Result<Rows> customer_returns(Connection& connection, const std::string& customer_id);
Result<Rows> total_sales(Connection& connection, const Range& range);
// `grain`: hour, day, week, month, quarter, year.
Result<Rows> sales_over_time(Connection& connection, const std::string& grain, const Range& range);
Result<Rows> top_products(Connection& connection, int count, const Range& range, bool services);
// `segment`: all, loyal, new, guests; no `count`: all of them.
Result<Rows> customer_summary(Connection& connection, const std::string& segment,
                              std::optional<int> count);
Result<Rows> cancelled_orders(Connection& connection, const Range& range, std::optional<int> count);
// How far the warehouse has come: one row a partition.
Result<Rows> checkpoints(Connection& connection);

enum class CellKind { text, number, boolean };
// By a column's pg_type oid: how its cells are aligned, and written in JSON.
CellKind kind_of_type(std::uint32_t oid);

}  // namespace tillrace::warehouse
