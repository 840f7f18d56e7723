// config check, config show.
#include "app/commands.h"
#include "warehouse/connection_url.h"

namespace tillrace::app {

// Loading the configuration, which every command does, is the check.
Exit run_config_check(const Context& context) {
  if (!context.quiet) print_out("the configuration is valid\n");
  return Exit::ok;
}

Exit run_config_show(const Context& context) {
  Table table;
  table.columns = {{"setting", CellKind::text},
                   {"value", CellKind::text},
                   {"from", CellKind::text},
                   {"meaning", CellKind::text}};
  for (const Setting& setting : settings()) {
    std::string value = setting.get(context.config());
    if (setting.secret == Secret::password) value = warehouse::redacted(value);
    if (setting.secret == Secret::whole && !value.empty()) value = "***";
    auto source = context.loaded.sources.find(std::string(setting.key));
    std::string from = source == context.loaded.sources.end() ? "default" : source->second;
    table.rows.push_back({std::string(setting.key), value, from, std::string(setting.help)});
  }
  print_out(print(table, {context.format, false, {}}));
  return Exit::ok;
}

}  // namespace tillrace::app
