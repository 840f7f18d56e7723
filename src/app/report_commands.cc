// The user's and the analyst's views: customer, invoice, report.
#include "app/commands.h"
#include "app/sessions.h"
#include "base/nearest.h"
#include "warehouse/reports.h"

namespace tillrace::app {
namespace {

using warehouse::Connection;
using warehouse::Range;
using warehouse::Rows;

struct Report {
  std::string_view name;
  bool single;
  std::optional<std::string> bar_column;
  Result<Rows> (*run)(Connection&, const ReportArguments&);
};

Range range_of(const ReportArguments& arguments) { return {arguments.from, arguments.to}; }

constexpr int kTop = 10;

const std::vector<Report>& reports() {
  static const std::vector<Report> all = {
      {"total-sales",
       true,
       {},
       [](Connection& c, const ReportArguments& a) {
         return warehouse::total_sales(c, range_of(a));
       }},
      {"sales-over-time", false, "net_sales",
       [](Connection& c, const ReportArguments& a) {
         return warehouse::sales_over_time(c, a.grain, range_of(a));
       }},
      {"top-products", false, "amount",
       [](Connection& c, const ReportArguments& a) {
         return warehouse::top_products(c, a.top.value_or(kTop), range_of(a), a.services);
       }},
      {"customer-summary",
       false,
       {},
       [](Connection& c, const ReportArguments& a) {
         return warehouse::customer_summary(c, a.segment, a.top);
       }},
      {"cancelled-orders",
       false,
       {},
       [](Connection& c, const ReportArguments& a) {
         return warehouse::cancelled_orders(c, range_of(a), a.top);
       }},
  };
  return all;
}

Error unknown_report(const std::string& name) {
  std::vector<std::string_view> known;
  for (const Report& report : reports()) known.push_back(report.name);
  auto like = nearest(name, known);
  return {Code::invalid, fmt::format("there is no report '{}'; {}", name,
                                     like ? fmt::format("did you mean '{}'?", *like)
                                          : fmt::format("{}", fmt::join(known, ", ")))};
}

void print_section(const Context& context, std::string_view title, const Rows& rows) {
  print_out(fmt::format("\n{} ({})\n", title, rows.row_count()));
  if (rows.row_count() > 0) print_out(print(table_of(rows), {context.format, false, {}}));
}

// One document with all three parts, so that a program reads it in one go.
std::string customer_json(const Rows& spend, const Rows& orders, const Rows& returns) {
  auto part = [](const Rows& rows, bool single) {
    std::string text = print(table_of(rows), {Format::json, single, {}});
    text.pop_back();  // the line end
    return text;
  };
  return fmt::format("{{\"spend\":{},\"orders\":{},\"returns\":{}}}\n", part(spend, true),
                     part(orders, false), part(returns, false));
}

}  // namespace

Exit run_customer(const Context& context, const std::string& id) {
  auto connection = open_warehouse(context.config());
  if (!connection) return report(connection.error());
  auto spend = warehouse::customer_spend(*connection, id);
  if (!spend) return report(spend.error());
  if (spend->row_count() == 0)
    return report({Code::not_found, fmt::format("there is no customer '{}'", id)});
  auto orders = warehouse::customer_orders(*connection, id);
  if (!orders) return report(orders.error());
  if (context.format == Format::csv) {
    print_out(print(table_of(*orders), {Format::csv, false, {}}));
    return Exit::ok;
  }
  auto returns = warehouse::customer_returns(*connection, id);
  if (!returns) return report(returns.error());
  if (context.format == Format::json) {
    print_out(customer_json(*spend, *orders, *returns));
    return Exit::ok;
  }
  print_out(print(table_of(*spend), {Format::table, true, {}}));
  print_section(context, "Orders", *orders);
  print_section(context, "Returned items", *returns);
  return Exit::ok;
}

Exit run_invoice(const Context& context, const std::string& invoice_no) {
  auto connection = open_warehouse(context.config());
  if (!connection) return report(connection.error());
  auto lines = warehouse::invoice(*connection, invoice_no);
  if (!lines) return report(lines.error());
  if (lines->row_count() == 0)
    return report({Code::not_found, fmt::format("there is no invoice '{}'", invoice_no)});
  print_out(print(table_of(*lines), {context.format, false, {}}));
  return Exit::ok;
}

Exit run_report(const Context& context, const ReportArguments& arguments) {
  const auto& all = reports();
  auto found = std::find_if(all.begin(), all.end(),
                            [&](const Report& known) { return known.name == arguments.name; });
  if (found == all.end()) return report(unknown_report(arguments.name));
  auto connection = open_warehouse(context.config());
  if (!connection) return report(connection.error());
  auto rows = found->run(*connection, arguments);
  if (!rows) return report(rows.error());
  print_out(print(table_of(*rows), {context.format, found->single, found->bar_column}));
  return Exit::ok;
}

}  // namespace tillrace::app
