#include "app/cli.h"

#include <CLI/CLI.hpp>

#include "app/commands.h"
#include "app/lake_commands.h"
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
  RejectedArguments rejected;
  KeyArguments keys;
  FlushArguments flush;
  std::string sink;
  LakeArguments lake;
  std::string id;
  NewTopic topic;
};

void setting_flag(CLI::App& app, Parsed& parsed, const char* flag, const std::string& key,
                  const char* help) {
  app.add_option_function<std::string>(
      flag, [&parsed, key](const std::string& value) { parsed.inputs.flags[key] = value; }, help);
}

// A setting that is either true or false.
void switch_flag(CLI::App& app, Parsed& parsed, const char* flag, const std::string& key,
                 const char* help) {
  app.add_flag_callback(
      flag, [&parsed, key] { parsed.inputs.flags[key] = "true"; }, help);
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

void add_service_flags(CLI::App& service, Parsed& parsed) {
  setting_flag(service, parsed, "--listen", "http.listen",
               "ADDRESS:PORT (default 127.0.0.1:8080); port 0 takes a free one");
  setting_flag(service, parsed, "--tls-certificate", "http.tls_certificate",
               "PEM file; with it, HTTPS is spoken");
  setting_flag(service, parsed, "--tls-key", "http.tls_key", "PEM file of its private key");
  switch_flag(service, parsed, "--require-keys", "auth.required",
              "every request needs a key (`tillrace keys`) or a token");
  switch_flag(service, parsed, "--insecure", "http.insecure",
              "listen beyond this machine without keys or without TLS");
  setting_flag(service, parsed, "--partitions", "log.partitions", "of a new topic");
  setting_flag(service, parsed, "--time-zone", "shop.time_zone",
               "the shop's, such as Europe/London");
}

void add_processor(CLI::App& app, Parsed& parsed) {
  CLI::App* processor = command(
      app, parsed, "processor",
      "Bring Kafka's events into PostgreSQL; any number of them share the work", run_processor);
  add_service_flags(*processor, parsed);
  setting_flag(*processor, parsed, "--warehouse-url", "warehouse.url",
               "the PostgreSQL server that all processors write to");
  processor->footer(
      "Example:\n  tillrace processor --config shop.toml --data-dir /srv/processor-1 "
      "--warehouse-url postgresql:///shop");
}

void add_services(CLI::App& app, Parsed& parsed) {
  CLI::App* up =
      command(app, parsed, "up",
              "Run everything in one process: gateway, log, processor, warehouse", run_up);
  add_service_flags(*up, parsed);
  setting_flag(*up, parsed, "--warehouse-url", "warehouse.url",
               "a PostgreSQL server instead of a private one");
  up->footer("Example:\n  tillrace up --data-dir /srv/shop --listen 127.0.0.1:8080");
  CLI::App* gateway = command(
      app, parsed, "gateway",
      "Run gateway and log alone; a later `up` brings the warehouse up to them", run_gateway);
  add_service_flags(*gateway, parsed);
  gateway->footer("Example:\n  tillrace gateway --data-dir /srv/shop --listen 127.0.0.1:8080");
  add_processor(app, parsed);
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
  setting_flag(*post, parsed, "--key", "client.key",
               "the key to show, from `tillrace keys create`");
  setting_flag(*post, parsed, "--ca-file", "client.ca_file",
               "PEM file of whom to trust as a server");
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
                   [](const Context& c, const Parsed& p) { return run_topics_create(c, p.topic); });
  create->add_option("TOPIC", parsed.topic.name, "1 to 249 of A-Z, a-z, 0-9, . _ -")->required();
  create->add_option("--partitions", parsed.topic.partitions, "default 1")
      ->check(CLI::Range(1, 256));
  create
      ->add_option("--replication", parsed.topic.replication,
                   "Kafka: copies of each partition; from 3 on, 2 must have an event")
      ->check(CLI::Range(1, 32));
  create->add_option("--retention-h", parsed.topic.retention_h,
                     "Kafka: hours that events are kept; -1: for ever");

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

void add_rejected_filters(CLI::App& sub, Parsed& parsed) {
  RejectedArguments& rejected = parsed.rejected;
  sub.add_option("--topic", rejected.topic, "of this topic");
  sub.add_option("--partition", rejected.partition, "of this partition")
      ->check(CLI::NonNegativeNumber);
  sub.add_option("--reason", rejected.kind, "not_json, too_large, field or refused");
  sub.add_option("--field", rejected.field, "where this field is the first that breaks its rule");
  sub.add_option("--since", rejected.since,
                 "rejected then or later, such as 2026-11-25 08:00 (UTC)");
  sub.add_flag("--not-resent", rejected.not_resent, "those that were not sent again yet");
  sub.add_option("-n", rejected.count, "the newest so many")->check(CLI::NonNegativeNumber);
}

void add_resend(CLI::App& rejected, Parsed& parsed) {
  CLI::App* resend = command_with(
      rejected, parsed, "resend", "Send records to a gateway again, repaired or as they are",
      [](const Context& c, const Parsed& p) { return run_rejected_resend(c, p.rejected); });
  resend->add_option("RECORD", parsed.rejected.records,
                     "PARTITION:OFFSET, or TOPIC/PARTITION:OFFSET");
  add_rejected_filters(*resend, parsed);
  resend->add_flag("--all", parsed.rejected.all, "all that were not sent again yet");
  resend->add_flag("--edit", parsed.rejected.edit, "repair them in $VISUAL or $EDITOR first");
  resend->add_option("--from", parsed.rejected.from, "an edited export instead");
  resend->add_flag("--dry-run", parsed.rejected.dry_run,
                   "print the events and what is still wrong; send nothing");
  resend->add_option("--url", parsed.rejected.url,
                     "the server (default: the one that runs on --data-dir)");
  setting_flag(*resend, parsed, "--key", "client.key",
               "the key to show, from `tillrace keys create`");
  setting_flag(*resend, parsed, "--ca-file", "client.ca_file",
               "PEM file of whom to trust as a server");
  resend->add_option("--retry-for", parsed.rejected.retry_for_s,
                     "seconds to go on trying a request (default 30)");
  resend->footer(
      "Sending a record twice is safe: it gets an EventId of its own where it names no line.\n"
      "Examples:\n  tillrace rejected resend 0:17 --edit\n"
      "  tillrace rejected resend --reason refused --dry-run\n"
      "  tillrace rejected resend --from repaired.ndjson");
}

void add_rejected_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* rejected =
      app.add_subcommand("rejected", "Records of the log that are not in the shop, and why");
  rejected->fallthrough()->require_subcommand(1);
  CLI::App* list = command_with(
      *rejected, parsed, "list", "Rejected records, the newest first",
      [](const Context& c, const Parsed& p) { return run_rejected_list(c, p.rejected); });
  add_rejected_filters(*list, parsed);
  list->add_flag("--summary", parsed.rejected.summary, "how many, by reason and field");
  add_csv(*list, parsed);
  list->footer(
      "Reasons: not_json (no JSON object), too_large (beyond 256 KB), field (a field breaks its\n"
      "rule), refused (an event, but PostgreSQL did not take it).\n"
      "Examples:\n  tillrace rejected list --not-resent -n 20\n"
      "  tillrace rejected list --summary --json");
  CLI::App* show = command_with(
      *rejected, parsed, "show", "A record as it came, with what is wrong",
      [](const Context& c, const Parsed& p) { return run_rejected_show(c, p.rejected); });
  show->add_option("RECORD", parsed.rejected.records, "PARTITION:OFFSET, or TOPIC/PARTITION:OFFSET")
      ->required()
      ->expected(1);
  show->footer("Example:\n  tillrace rejected show 0:17");
  CLI::App* out = command_with(
      *rejected, parsed, "export", "Records with all their bytes as NDJSON, to be repaired",
      [](const Context& c, const Parsed& p) { return run_rejected_export(c, p.rejected); });
  out->add_option("RECORD", parsed.rejected.records, "PARTITION:OFFSET, or TOPIC/PARTITION:OFFSET");
  add_rejected_filters(*out, parsed);
  out->add_option("-o,--output", parsed.rejected.output, "the file (default: standard output)");
  out->footer(
      "The record's bytes are in `value` where they are UTF-8, else in `base64`.\n"
      "Example:\n  tillrace rejected export --reason field --not-resent -o bad.ndjson");
  add_resend(*rejected, parsed);
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

void add_sink_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* sink = app.add_subcommand("sink", "Take a sink out, and put it in again");
  sink->fallthrough()->require_subcommand(1);
  CLI::App* detach =
      command_with(*sink, parsed, "detach", "Give a sink no more events; the log keeps none for it",
                   [](const Context& c, const Parsed& p) { return run_sink_detach(c, p.sink); });
  CLI::App* attach =
      command_with(*sink, parsed, "attach", "Go on with what the log still has",
                   [](const Context& c, const Parsed& p) { return run_sink_attach(c, p.sink); });
  for (CLI::App* sub : {detach, attach})
    sub->add_option("NAME", parsed.sink, "the sink: lake")->required();
  detach->footer("It stays so over restarts.\nExample:\n  tillrace sink detach lake");
  attach->footer(
      "What the log has dropped meanwhile is missing in the sink, and is told.\n"
      "Example:\n  tillrace sink attach lake");
}

void add_lake_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* lake = app.add_subcommand("lake", "The lake's tables");
  lake->fallthrough()->require_subcommand(1);
  CLI::App* flush =
      command_with(*lake, parsed, "flush", "Write what waits for the lake now, and wait for it",
                   [](const Context& c, const Parsed& p) { return run_lake_flush(c, p.flush); });
  flush->add_option("--url", parsed.flush.url,
                    "the server (default: the one that runs on --data-dir)");
  setting_flag(*flush, parsed, "--key", "client.key",
               "the key to show, from `tillrace keys create`; of scope admin");
  setting_flag(*flush, parsed, "--ca-file", "client.ca_file",
               "PEM file of whom to trust as a server");
  flush->add_option("--timeout", parsed.flush.timeout_s, "seconds to wait for it (default 60)")
      ->check(CLI::Range(1, 86'400));
  flush->footer("Example:\n  tillrace lake flush");
  Named named = [&parsed](std::function<Exit(const Context&)> run) { parsed.run = std::move(run); };
  add_lake_table_commands(*lake, parsed.lake, parsed.csv, named);
  add_query_command(app, parsed.lake, parsed.csv, named);
}

void add_key_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* keys = app.add_subcommand("keys", "API keys: who may send events and read metrics");
  keys->fallthrough()->require_subcommand(1);
  CLI::App* create =
      command_with(*keys, parsed, "create", "Make a key and print it, this once",
                   [](const Context& c, const Parsed& p) { return run_keys_create(c, p.keys); });
  create->add_option("NAME", parsed.keys.name, "what it is for; for people only")->required();
  create->add_option("--scope", parsed.keys.scopes,
                     "ingest (send events), read (metrics), admin (all), or several with commas "
                     "(default ingest)");
  create
      ->add_option("--expires", parsed.keys.expires_days,
                   "days from now after which it is refused (default: never)")
      ->check(CLI::Range(1, 36'500));
  create->footer(
      "Examples:\n  tillrace keys create till-7\n"
      "  tillrace keys create prometheus --scope read --expires 365\n"
      "  curl -H \"Authorization: Bearer $(tillrace keys create me --quiet)\" ...");
  CLI::App* list = command(*keys, parsed, "list", "All keys and their state; never their secrets",
                           run_keys_list);
  add_csv(*list, parsed);
  list->footer("Example:\n  tillrace keys list --json");
  CLI::App* revoke =
      command_with(*keys, parsed, "revoke", "Refuse a key from now on, for good",
                   [](const Context& c, const Parsed& p) { return run_keys_revoke(c, p.keys); });
  revoke->add_option("ID", parsed.keys.id, "the key's id, as `tillrace keys list` shows it")
      ->required();
  revoke->footer("Example:\n  tillrace keys revoke ab3cd5ef7g");
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

Exit usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& at = deepest(app);
  std::string message = error.what();
  std::vector<std::string> extras = app.remaining(true);
  if (!extras.empty())
    message =
        fmt::format("'{}' is not known here{}", extras.front(), nearest_to(extras.front(), at));
  print_err(fmt::format("tillrace: {}\n", message));
  return Exit::usage;
}

Exit run_parsed(Parsed& parsed) {
  auto loaded = load_config(parsed.inputs);
  if (!loaded) return report(loaded.error());
  logging::configure({loaded->config.log_level, loaded->config.log_json});
  Context context{std::move(*loaded),
                  parsed.json  ? Format::json
                  : parsed.csv ? Format::csv
                               : Format::table,
                  parsed.quiet};
  return parsed.run(context);
}

Exit run_arguments(const std::vector<std::string>& arguments,
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
  add_services(app, parsed);
  add_client_commands(app, parsed);
  add_log_commands(app, parsed);
  add_report_commands(app, parsed);
  add_rejected_commands(app, parsed);
  add_operator_commands(app, parsed);
  add_lake_commands(app, parsed);
  add_sink_commands(app, parsed);
  add_key_commands(app, parsed);
  if (arguments.empty()) {
    print_out(app.help());
    return Exit::usage;
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(),
                                       arguments.rend()));  // CLI11 takes them last first
  } catch (const CLI::CallForHelp&) {
    print_out(deepest(app).help());
    return Exit::ok;
  } catch (const CLI::CallForVersion&) {
    print_out(fmt::format("tillrace {}\n", kVersion));
    return Exit::ok;
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  return run_parsed(parsed);
}

}  // namespace

int run_cli(const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment) {
  return static_cast<int>(close_output(run_arguments(arguments, environment)));
}

}  // namespace tillrace::app
