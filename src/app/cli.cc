#include "app/cli.h"

#include <CLI/CLI.hpp>

#include "app/commands.h"
#include "base/nearest.h"

namespace tillrace::app {
namespace {

constexpr const char* kVersion = TILLRACE_VERSION;

// What the flags say; `run` is the command that was named.
struct Parsed {
  ConfigInputs inputs;
  bool json = false;
  bool csv = false;
  bool quiet = false;
  std::function<Exit(const Context&)> run;

  ConvertArguments convert;
  GenerateArguments generate;
  PostArguments post;
  TailArguments tail;
  ReportArguments report;
  std::string id;
  std::string topic;
  int partitions = 1;
};

void setting_flag(CLI::App& app, Parsed& parsed, const char* flag, const std::string& key,
                  const char* help) {
  app.add_option_function<std::string>(
      flag, [&parsed, key](const std::string& value) { parsed.inputs.flags[key] = value; }, help);
}

void add_common(CLI::App& app, Parsed& parsed) {
  app.add_option("--config", parsed.inputs.file,
                 "settings, a TOML file; `tillrace config show` lists them all");
  setting_flag(app, parsed, "--data-dir", "data_dir",
               "folder of log and private server (default ./tillrace-data)");
  setting_flag(app, parsed, "--log-level", "log_level", "debug, info, warning, error or off");
  app.add_flag("--json", parsed.json, "the result as JSON");
  app.add_flag("--quiet", parsed.quiet, "no progress and no summary");
}

// For commands whose result is one table.
void add_csv(CLI::App& app, Parsed& parsed) {
  app.add_flag("--csv", parsed.csv, "the result as CSV");
}

CLI::App* command(CLI::App& app, Parsed& parsed, const char* name, const char* help,
                  Exit (*run)(const Context&)) {
  CLI::App* sub = app.add_subcommand(name, help);
  sub->fallthrough();
  sub->callback([&parsed, run] { parsed.run = run; });
  return sub;
}

// A command whose arguments lie in `parsed`.
template <class Run>
CLI::App* command_with(CLI::App& app, Parsed& parsed, const char* name, const char* help, Run run) {
  CLI::App* sub = app.add_subcommand(name, help);
  sub->fallthrough();
  sub->callback([&parsed, run] {
    parsed.run = [&parsed, run](const Context& context) { return run(context, parsed); };
  });
  return sub;
}

void add_up(CLI::App& app, Parsed& parsed) {
  CLI::App* up =
      command(app, parsed, "up",
              "Run everything in one process: gateway, log, processor, warehouse", run_up);
  setting_flag(*up, parsed, "--listen", "http.listen",
               "ADDRESS:PORT (default 127.0.0.1:8080); port 0 takes a free one");
  setting_flag(*up, parsed, "--partitions", "log.partitions", "of a new topic");
  setting_flag(*up, parsed, "--warehouse-url", "warehouse.url",
               "a PostgreSQL server instead of a private one");
  setting_flag(*up, parsed, "--time-zone", "shop.time_zone", "the shop's, such as Europe/London");
  up->footer("Example:\n  tillrace up --data-dir /srv/shop --listen 127.0.0.1:8080");
}

void add_client_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* convert =
      command_with(app, parsed, "convert", "A shop's CSV to NDJSON, one event a line",
                   [](const Context& c, const Parsed& p) { return run_convert(c, p.convert); });
  convert->add_option("FILE", parsed.convert.input, "the CSV file; - for standard input")
      ->required();
  convert->add_option("-o,--output", parsed.convert.output,
                      "the NDJSON file (default: standard output)");
  convert->add_option("--rejected", parsed.convert.rejected,
                      "where bad rows go (default FILE.rejected.csv)");
  convert->add_option("--lines-from", parsed.convert.lines_from,
                      "a state file: go on numbering lines where it ended");
  convert->add_option("--date-order", parsed.convert.date_order,
                      "mdy or dmy, for dates with slashes");
  convert->footer(
      "Examples:\n  tillrace convert online-retail.csv -o online-retail.ndjson\n"
      "  tillrace convert - < shop.csv | tillrace post - --url http://127.0.0.1:8080");

  CLI::App* generate = command_with(
      app, parsed, "generate", "Made-up transactions; the same seed gives the same bytes",
      [](const Context& c, const Parsed& p) { return run_generate(c, p.generate); });
  generate->add_option("--rows", parsed.generate.rows, "how many events (default 10000)");
  generate->add_option("--seed", parsed.generate.seed, "default 1");
  generate->add_option("--rate", parsed.generate.rate, "events a second; 0: as fast as possible");
  generate->add_option("--start", parsed.generate.start, "the first day (default 2010-12-01)");
  generate->add_option("-o,--output", parsed.generate.output,
                       "the NDJSON file (default: standard output)");
  generate->footer("Example:\n  tillrace generate --rows 100000 --seed 7 -o events.ndjson");

  CLI::App* post =
      command_with(app, parsed, "post", "Send events to a gateway, each stored exactly once",
                   [](const Context& c, const Parsed& p) { return run_post(c, p.post); });
  post->add_option("FILE", parsed.post.input, "NDJSON or a JSON array; - for standard input")
      ->required();
  post->add_option("--url", parsed.post.url,
                   "the server (default: the one that runs on --data-dir)");
  post->add_flag("--each", parsed.post.each,
                 "one event a request; prints `Status code: 201` for each");
  post->add_option("--rate", parsed.post.rate, "events a second; 0: no limit");
  post->add_option("--concurrency", parsed.post.concurrency,
                   "connections (default 4, with --each 1)")
      ->check(CLI::Range(1, 256));
  post->add_option("--batch", parsed.post.batch, "events a request (default 1000)")
      ->check(CLI::Range(1, 1'000'000));
  post->add_option("--retry-for", parsed.post.retry_for_s,
                   "seconds to go on trying a request (default 300)");
  post->footer("Example:\n  tillrace post events.ndjson --url http://127.0.0.1:8080");
}

void add_log_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* topics = app.add_subcommand("topics", "The log's topics");
  topics->fallthrough()->require_subcommand(1);
  CLI::App* list =
      command(*topics, parsed, "list", "Topics, their partitions and offsets", run_topics_list);
  add_csv(*list, parsed);
  CLI::App* create =
      command_with(*topics, parsed, "create", "Make a topic; its number of partitions is fixed",
                   [](const Context& c, const Parsed& p) {
                     return run_topics_create(c, p.topic, p.partitions);
                   });
  create->add_option("TOPIC", parsed.topic, "1 to 249 of A-Z, a-z, 0-9, . _ -")->required();
  create->add_option("--partitions", parsed.partitions, "default 1")->check(CLI::Range(1, 256));

  CLI::App* tail =
      command_with(app, parsed, "tail", "Print a topic's events as they come",
                   [](const Context& c, const Parsed& p) { return run_tail(c, p.tail); });
  tail->add_option("TOPIC", parsed.tail.topic, "default ingestion-topic")
      ->default_val("ingestion-topic");
  tail->add_flag("--from-beginning", parsed.tail.from_beginning,
                 "from the first event that is kept");
  tail->add_option("-n", parsed.tail.count, "end after so many events")
      ->check(CLI::NonNegativeNumber);
  tail->footer("Example:\n  tillrace tail ingestion-topic --from-beginning -n 10 --json");
}

void add_report_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* customer =
      command_with(app, parsed, "customer", "A customer's spend, orders and returned items",
                   [](const Context& c, const Parsed& p) { return run_customer(c, p.id); });
  customer->add_option("ID", parsed.id, "CustomerID, such as 14646")->required();
  CLI::App* invoice =
      command_with(app, parsed, "invoice", "Every transaction of an invoice",
                   [](const Context& c, const Parsed& p) { return run_invoice(c, p.id); });
  invoice->add_option("NO", parsed.id, "InvoiceNo, such as 536365")->required();
  CLI::App* report =
      command_with(app, parsed, "report",
                   "total-sales, sales-over-time, top-products, customer-summary, cancelled-orders",
                   [](const Context& c, const Parsed& p) { return run_report(c, p.report); });
  report->add_option("NAME", parsed.report.name, "the report")->required();
  report->add_option("--from", parsed.report.from, "from this time on, on the shop's clock");
  report->add_option("--to", parsed.report.to, "before this time");
  report->add_option("--grain", parsed.report.grain,
                     "sales-over-time: hour, day, week, month, quarter, year");
  report->add_option("--segment", parsed.report.segment,
                     "customer-summary: all, loyal, new, guests");
  report->add_option("--top", parsed.report.top, "this many rows (top-products: 10)")
      ->check(CLI::Range(1, 1'000'000'000));
  report->add_flag("--services", parsed.report.services,
                   "top-products: postage, fees and vouchers too");
  report->footer(
      "Examples:\n  tillrace report total-sales --from 2011-01-01 --to 2011-02-01\n"
      "  tillrace report top-products --top 20 --json");
  for (CLI::App* sub : {customer, invoice, report}) add_csv(*sub, parsed);
}

void add_operator_commands(CLI::App& app, Parsed& parsed) {
  command(app, parsed, "status", "What runs on a data folder, where, and how far it has come",
          run_status);
  CLI::App* doctor =
      command(app, parsed, "doctor",
              "Whether this machine can run tillrace, and what to do where not", run_doctor);
  add_csv(*doctor, parsed);
  CLI::App* config = app.add_subcommand("config", "The settings");
  config->fallthrough()->require_subcommand(1);
  command(*config, parsed, "check", "Exit 0 when all settings are valid", run_config_check);
  CLI::App* show =
      command(*config, parsed, "show", "All settings, their values, and where those come from",
              run_config_show);
  add_csv(*show, parsed);
}

// "tillrace config show"
std::string full_name(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

// The flags or commands that could have been meant.
std::string nearest_to(const std::string& word, const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent())
    for (const CLI::Option* option : level->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  for (const CLI::App* sub : app.get_subcommands({})) names.push_back(sub->get_name());
  std::vector<std::string_view> views(names.begin(), names.end());
  auto like = nearest(word.substr(0, word.find('=')), views);
  return like ? fmt::format("; did you mean '{}'?", *like)
              : fmt::format("; see `{} --help`", full_name(app));
}

const CLI::App& deepest(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& at = deepest(app);
  std::string message = error.what();
  std::vector<std::string> extras = app.remaining(true);
  if (!extras.empty())
    message =
        fmt::format("'{}' is not known here{}", extras.front(), nearest_to(extras.front(), at));
  print_err(fmt::format("tillrace: {}\n", message));
  return static_cast<int>(Exit::usage);
}

int run_parsed(Parsed& parsed) {
  auto loaded = load_config(parsed.inputs);
  if (!loaded) return static_cast<int>(report(loaded.error()));
  logging::configure({loaded->config.log_level, loaded->config.log_json});
  Context context{std::move(*loaded),
                  parsed.json  ? Format::json
                  : parsed.csv ? Format::csv
                               : Format::table,
                  parsed.quiet};
  return static_cast<int>(parsed.run(context));
}

}  // namespace

int run_cli(const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment) {
  CLI::App app(
      "Tillrace takes a shop's transactions in over HTTP and makes them, exactly once, rows and "
      "reports in PostgreSQL.",
      "tillrace");
  Parsed parsed;
  parsed.inputs.environment = environment;
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  add_common(app, parsed);
  add_up(app, parsed);
  add_client_commands(app, parsed);
  add_log_commands(app, parsed);
  add_report_commands(app, parsed);
  add_operator_commands(app, parsed);
  if (arguments.empty()) {
    print_out(app.help());
    return static_cast<int>(Exit::usage);
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(),
                                       arguments.rend()));  // CLI11 takes them last first
  } catch (const CLI::CallForHelp&) {
    print_out(deepest(app).help());
    return 0;
  } catch (const CLI::CallForVersion&) {
    print_out(fmt::format("tillrace {}\n", kVersion));
    return 0;
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  return run_parsed(parsed);
}

}  // namespace tillrace::app
