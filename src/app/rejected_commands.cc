// rejected list, show, export: what the processor put aside.
#include "app/bytes_view.h"
#include "app/commands.h"
#include "app/rejected_selection.h"
#include "app/sessions.h"
#include "client/bytes.h"

namespace tillrace::app {
namespace {

using warehouse::RejectedRow;

std::string printable_key(const std::string& key) {
  std::string view = bytes_view(key, Rejection{true, {}});
  return view.empty() ? "" : view.substr(2, view.size() - 3);
}

std::string as_text(const RejectedRow& row, const TimeZone& shop) {
  Table table;
  table.columns = {{"record"},   {"received_at"}, {"rejected_at"}, {"kind"},      {"field"},
                   {"event_id"}, {"key"},         {"bytes"},       {"resent_at"}, {"resent_as"}};
  table.rows.push_back({row.topic + "/" + to_string(place_of(row)), row.received_at,
                        row.rejected_at, row.kind, row.field, to_string(row.event_id),
                        row.key ? std::optional(printable_key(*row.key)) : std::nullopt,
                        std::to_string(row.value.size()), row.resent_at, row.resent_as});
  auto event = EventParser(shop).parse(row.value);
  std::optional<Rejection> why;
  if (!event) why = event.error();
  return fmt::format("{}\n{}\n\n{}", print(table, {Format::table, true, {}}), row.reason,
                     bytes_view(row.value, why));
}

}  // namespace

Exit run_rejected_list(const Context& context, const RejectedArguments& arguments) {
  auto filters = selected(context.config(), arguments);
  if (!filters) return report(filters.error());
  auto connection = open_warehouse(context.config());
  if (!connection) return report(connection.error());
  const warehouse::RejectedFilter& filter = filters->front();
  auto rows = arguments.summary
                  ? warehouse::count_rejected(*connection, filter)
                  : warehouse::list_rejected(*connection, filter, context.format == Format::table);
  if (!rows) return report(rows.error());
  print_out(print(table_of(*rows), {context.format, false, {}}));
  return Exit::ok;
}

Exit run_rejected_show(const Context& context, const RejectedArguments& arguments) {
  auto shop = TimeZone::find(context.config().shop.time_zone);
  if (!shop) return report(shop.error());
  auto filters = selected(context.config(), arguments);
  if (!filters) return report(filters.error());
  auto connection = open_warehouse(context.config());
  if (!connection) return report(connection.error());
  Status shown = for_each_selected(*connection, *filters, [&](const RejectedRow& row) {
    print_out(context.format == Format::json ? export_line(row) + "\n" : as_text(row, *shop));
    return Status();
  });
  return shown ? Exit::ok : report(shown.error());
}

Exit run_rejected_export(const Context& context, const RejectedArguments& arguments) {
  auto filters = selected(context.config(), arguments);
  if (!filters) return report(filters.error());
  auto connection = open_warehouse(context.config());
  if (!connection) return report(connection.error());
  auto output = client::Output::open(arguments.output);
  if (!output) return report(output.error());
  Status written = for_each_selected(*connection, *filters, [&](const RejectedRow& row) {
    return output->write(export_line(row) + "\n");
  });
  if (written) written = output->commit();
  return written ? Exit::ok : report(written.error());
}

}  // namespace tillrace::app
