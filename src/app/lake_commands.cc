#include "app/lake_commands.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <stop_token>
#include <system_error>
#include <utility>

#include "app/lake_choice.h"
#include "app/screen.h"
#include "app/signals.h"
#include "lake/delta_compaction.h"
#include "lake/delta_inspect.h"
#include "lake/delta_vacuum.h"
#include "lake/lake_query.h"
#include "model/invoice_date.h"

namespace tillrace::app {
namespace {

namespace fs = std::filesystem;

using lake::DeltaTable;
using lake::LakeQuery;

constexpr std::uint64_t kMegabyte = 1 << 20;

// The lake of one command. A signal ends what its engine does.
struct CommandLake {
  StopOnSignal stop;  // before all other threads
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  std::unique_ptr<OpenLake> lake;

  static Result<std::unique_ptr<CommandLake>> open(const Config& config);
  Result<DeltaTable> table(const std::string& name) {
    return lake::find_table(lake->ports(), name);
  }
  bool is_stopped() const { return stop.token().stop_requested(); }
};

// Looking must not make a lake where none is.
Status check_there(const Config& config) {
  std::error_code error;
  if (is_lake_on_azure(config) || fs::is_directory(lake_root(config), error)) return {};
  return fail(Code::not_found,
              "there is no lake at {}; `tillrace up` makes one, --data-dir and lake.root say where",
              lake_root(config));
}

Result<std::unique_ptr<CommandLake>> CommandLake::open(const Config& config) {
  if (auto there = check_there(config); !there) return fail(there.error());
  std::signal(SIGPIPE, SIG_IGN);  // `| head` must not leave spool folders behind
  auto opened = std::make_unique<CommandLake>();
  auto lake = OpenLake::open(config, "command", opened->clock, opened->random, opened->metrics,
                             opened->stop.token());
  if (!lake) return fail(lake.error());
  opened->lake = std::move(*lake);
  return opened;
}

Error interrupted() { return {Code::shutting_down, "interrupted"}; }

std::string text(std::uint64_t number) { return std::to_string(number); }

std::optional<std::string> text(std::optional<std::int64_t> number) {
  return number ? std::optional(std::to_string(*number)) : std::nullopt;
}

std::optional<std::string> text_or_null(const std::string& words) {
  return words.empty() ? std::nullopt : std::optional(words);
}

// country=France/day=2026-11-25; a null has no text.
std::string partition_text(const lake::PartitionValues& values) {
  std::string out;
  for (const auto& [column, value] : values)
    out += fmt::format("{}{}={}", out.empty() ? "" : "/", column, value.value_or("NULL"));
  return out;
}

Result<std::vector<std::optional<std::string>>> row_of(const lake::LakePorts& ports,
                                                       const std::string& path) {
  auto table = DeltaTable::open(ports, path);
  if (!table) return fail(table.error(), path);
  auto written = lake::written_at(*table);
  if (!written) return fail(written.error(), path);
  auto size = lake::size_of(table->snapshot());
  const auto& partitions = table->snapshot().metadata().partition_columns;
  return std::vector<std::optional<std::string>>{
      path,
      std::to_string(table->snapshot().version()),
      *written ? std::optional(to_string(**written)) : std::nullopt,
      text(size.rows),
      text(size.files),
      text(size.bytes),
      text_or_null(fmt::format("{}", fmt::join(partitions, ", ")))};
}

CellKind cell_of(lake::QueryColumn::Kind kind) {
  switch (kind) {
    case lake::QueryColumn::Kind::number: return CellKind::number;
    case lake::QueryColumn::Kind::boolean: return CellKind::boolean;
    case lake::QueryColumn::Kind::nested: return CellKind::json;
    case lake::QueryColumn::Kind::text: break;
  }
  return CellKind::text;
}

Status stream_rows(CommandLake& open, LakeQuery& query, lake::DuckRows& rows, std::size_t columns,
                   RowStream& stream) {
  while (true) {
    auto more = rows.next();
    if (!more) return fail(query.meant(more.error()));
    if (!*more || open.is_stopped() || is_output_lost()) return {};
    std::vector<std::optional<std::string>> cells(columns);
    for (std::size_t i = 0; i < columns; ++i)
      if (!rows.is_null(i)) cells[i] = rows.text(i);
    stream.row(std::move(cells));
    if (stream.is_cut()) return {};
  }
}

Status print_rows(const Context& context, CommandLake& open, LakeQuery& query,
                  const LakeArguments& arguments) {
  auto columns = query.columns(arguments.sql);
  if (!columns) return fail(columns.error());
  auto texts = context.format == Format::json ? LakeQuery::Texts::json : LakeQuery::Texts::plain;
  auto rows = query.rows(arguments.sql, *columns, texts, arguments.limit);
  if (!rows) return fail(rows.error());
  std::vector<Table::Column> head;
  for (const auto& column : *columns) head.push_back({column.name, cell_of(column.kind)});
  RowStream stream(std::move(head), context.format, print_out);
  Status all = stream_rows(open, query, *rows, columns->size(), stream);
  if (!all || open.is_stopped()) return all;
  stream.end();
  if (stream.is_cut())
    print_err(
        fmt::format("tillrace: these are the first {} rows; --csv, --json and --parquet give "
                    "all\n",
                    RowStream::kMostTableRows));
  return {};
}

Status write_parquet(const Context& context, LakeQuery& query, const LakeArguments& arguments) {
  auto rows = query.write_parquet(arguments.sql, arguments.parquet, arguments.limit);
  if (!rows) return fail(rows.error());
  print_summary(context, {{{"file", CellKind::text}, {"rows", CellKind::number}},
                          {{arguments.parquet.string(), text(*rows)}}});
  return {};
}

// Opens tables by `prepare`, then runs the SQL.
template <class Prepare>
Status run_sql(const Context& context, CommandLake& open, const LakeArguments& arguments,
               const Prepare& prepare) {
  const Config& config = context.config();
  Screen screen("fetch", context.quiet, open.clock, "MB");
  std::unique_ptr<lake::FileCache> cache;
  if (is_lake_on_azure(config)) {
    std::string lake = config.lake.endpoint + ' ' + lake_root(config);
    auto opened = lake::FileCache::open({lake_cache_folder(config), lake, config.lake.cache_bytes},
                                        open.clock, open.random);
    if (!opened) return fail(opened.error());
    cache = std::move(*opened);
  }
  LakeQuery query(open.lake->ports(), cache.get(), [&](std::uint64_t done, std::uint64_t total) {
    screen.update({done, total, done / kMegabyte});
  });
  std::stop_callback interrupt(open.stop.token(),
                               [&duck = open.lake->ports().duck] { duck.interrupt(); });
  Status done = prepare(query);
  screen.bar.clear();
  if (done && !open.is_stopped())
    done = arguments.parquet.empty() ? print_rows(context, open, query, arguments)
                                     : write_parquet(context, query, arguments);
  if (open.is_stopped()) return fail(interrupted());
  return done;
}

// A day alone is its beginning.
Result<UtcMicros> time_of(const std::string& text) {
  auto time = parse_invoice_date(text, TimeZone{});
  if (!time) time = parse_invoice_date(text + " 00:00", TimeZone{});
  if (!time)
    return fail(Code::invalid, "--at '{}' is not a time such as 2026-11-25 08:00 (UTC)", text);
  return time;
}

Result<lake::Snapshot> snapshot_of(DeltaTable& table, const LakeArguments& arguments) {
  if (arguments.version) return table.at_version(*arguments.version);
  if (!arguments.at) return table.snapshot();
  auto time = time_of(*arguments.at);
  if (!time) return fail(time.error());
  return table.at_time(*time);
}

Result<std::string> all_of_stdin() {
  constexpr std::size_t kMostBytes = 1 << 20;
  std::string all;
  std::array<char, 65'536> bytes{};
  while (true) {
    ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got < 0) return fail(Code::unavailable, "standard input cannot be read");
    if (got == 0) return all;
    all.append(bytes.data(), static_cast<std::size_t>(got));
    if (all.size() > kMostBytes) return fail(Code::invalid, "the SQL is longer than 1 MB");
  }
}

}  // namespace

Exit run_lake_ls(const Context& context) {
  auto open = CommandLake::open(context.config());
  if (!open) return report(open.error());
  auto ports = (*open)->lake->ports();
  auto paths = lake::list_tables(ports.store);
  if (!paths) return report(paths.error());
  Table table;
  table.columns = {{"table", CellKind::text},         {"version", CellKind::number},
                   {"written", CellKind::text},       {"rows", CellKind::number},
                   {"files", CellKind::number},       {"bytes", CellKind::number},
                   {"partitioned_by", CellKind::text}};
  Exit exit = Exit::ok;
  for (const auto& path : *paths) {
    auto row = row_of(ports, path);
    if (!row) exit = report(row.error());  // the others are told all the same
    if (row) table.rows.push_back(std::move(*row));
  }
  print_out(print(table, {context.format, false, {}}));
  return exit;
}

Exit run_lake_history(const Context& context, const LakeArguments& arguments) {
  auto open = CommandLake::open(context.config());
  if (!open) return report(open.error());
  auto found = (*open)->table(arguments.table);
  if (!found) return report(found.error());
  auto history = lake::history_of(*found, arguments.versions);
  if (!history) return report(history.error());
  Table table;
  table.columns = {{"version", CellKind::number},       {"written", CellKind::text},
                   {"operation", CellKind::text},       {"rows_added", CellKind::number},
                   {"rows_removed", CellKind::number},  {"files_added", CellKind::number},
                   {"files_removed", CellKind::number}, {"bytes_added", CellKind::number},
                   {"engine", CellKind::text}};
  for (const auto& each : *history)
    table.rows.push_back({std::to_string(each.version), to_string(each.written),
                          text_or_null(each.operation), text(each.rows_added),
                          text(each.rows_removed), text(each.files_added), text(each.files_removed),
                          text(each.bytes_added), text_or_null(each.engine)});
  print_out(print(table, {context.format, false, {}}));
  return Exit::ok;
}

Exit run_lake_files(const Context& context, const LakeArguments& arguments) {
  auto open = CommandLake::open(context.config());
  if (!open) return report(open.error());
  auto found = (*open)->table(arguments.table);
  if (!found) return report(found.error());
  RowStream stream({{"file", CellKind::text},
                    {"rows", CellKind::number},
                    {"bytes", CellKind::number},
                    {"written", CellKind::text},
                    {"partition", CellKind::text}},
                   context.format, print_out);
  for (const auto& [path, file] : found->snapshot().files())
    stream.row({path, text(lake::rows_in_stats(file.stats)), std::to_string(file.size),
                to_string(UtcMicros{file.modification_time_ms * 1'000}),
                text_or_null(partition_text(file.partition_values))});
  stream.end();
  if (stream.is_cut())
    print_err(
        fmt::format("tillrace: these are the first {} of {} files; --csv and --json give "
                    "all\n",
                    RowStream::kMostTableRows, found->snapshot().files().size()));
  return Exit::ok;
}

Exit run_lake_compact(const Context& context, const LakeArguments& arguments) {
  auto open = CommandLake::open(context.config());
  if (!open) return report(open.error());
  auto found = (*open)->table(arguments.table);
  if (!found) return report(found.error());
  lake::CompactionOptions options;
  int target_mb = arguments.target_mb.value_or(context.config().lake.target_file_mb);
  options.target_bytes = static_cast<std::uint64_t>(target_mb) * kMegabyte;
  options.stop = (*open)->stop.token();
  std::stop_callback interrupt(options.stop, [&duck = found->ports().duck] { duck.interrupt(); });
  lake::CompactionReport did;
  Status done = lake::compact(*found, options, did);
  if (!done && (*open)->is_stopped()) done = fail(interrupted());
  if (!done && did.files_before == 0) return report(done.error());
  Table table;
  table.columns = {{"table", CellKind::text},          {"version", CellKind::number},
                   {"files_before", CellKind::number}, {"files_after", CellKind::number},
                   {"bytes_before", CellKind::number}, {"bytes_after", CellKind::number},
                   {"conflicts", CellKind::number}};
  table.rows.push_back({found->path(), std::to_string(found->snapshot().version()),
                        text(did.files_before), text(did.files_after), text(did.bytes_before),
                        text(did.bytes_after), text(did.conflicts)});
  print_out(print(table, {context.format, true, {}}));
  if (!done) return report(done.error());
  return (*open)->is_stopped() ? report(interrupted()) : Exit::ok;
}

Exit run_lake_vacuum(const Context& context, const LakeArguments& arguments) {
  auto open = CommandLake::open(context.config());
  if (!open) return report(open.error());
  auto found = (*open)->table(arguments.table);
  if (!found) return report(found.error());
  lake::VacuumOptions options;
  options.force = arguments.force;
  options.dry_run = arguments.dry_run;
  options.least = std::chrono::hours(context.config().lake.vacuum_retain_h);
  options.stop = (*open)->stop.token();
  if (arguments.retain_h) options.retention = std::chrono::hours(*arguments.retain_h);
  lake::VacuumReport did;
  Status done = lake::vacuum(*found, options, did);
  bool is_too_short =
      !done && done.error().code == Code::invalid && !options.force && found->check_upkeep();
  if (is_too_short) return report({Code::invalid, done.error().message + ": --force"});
  if ((*open)->is_stopped()) done = fail(interrupted());
  if (!done && did.files.empty()) return report(done.error());
  RowStream stream({{arguments.dry_run ? "would_be_deleted" : "deleted", CellKind::text}},
                   context.format, print_out);
  for (const auto& file : did.files) stream.row({file});
  stream.end();
  if (stream.is_cut())
    print_err(
        fmt::format("tillrace: these are the first {} of {} files; --csv and --json give all\n",
                    RowStream::kMostTableRows, did.files.size()));
  if (!context.quiet)
    print_err(fmt::format("{} files, {} bytes{}\n", grouped_digits(text(did.files.size())),
                          grouped_digits(text(did.bytes)),
                          arguments.dry_run ? "; nothing was deleted" : " deleted"));
  return done ? Exit::ok : report(done.error());
}

Exit run_lake_checkpoint(const Context& context, const LakeArguments& arguments) {
  auto open = CommandLake::open(context.config());
  if (!open) return report(open.error());
  auto found = (*open)->table(arguments.table);
  if (!found) return report(found.error());
  if (Status written = found->checkpoint(); !written) return report(written.error());
  Table table;
  table.columns = {{"table", CellKind::text}, {"version", CellKind::number}};
  table.rows.push_back({found->path(), std::to_string(found->snapshot().version())});
  print_out(print(table, {context.format, true, {}}));
  return Exit::ok;
}

Exit run_lake_read(const Context& context, const LakeArguments& arguments) {
  auto open = CommandLake::open(context.config());
  if (!open) return report(open.error());
  auto found = (*open)->table(arguments.table);
  if (!found) return report(found.error());
  auto snapshot = snapshot_of(*found, arguments);
  if (!snapshot) return report(snapshot.error());
  LakeArguments with_sql = arguments;
  if (with_sql.sql.empty()) with_sql.sql = "FROM t";
  Status done = run_sql(context, **open, with_sql, [&](LakeQuery& query) {
    return query.open_table(found->path(), *snapshot);
  });
  return done ? Exit::ok : report(done.error());
}

Exit run_query(const Context& context, const LakeArguments& arguments) {
  LakeArguments given = arguments;
  if (given.sql == "-") {
    auto sql = all_of_stdin();
    if (!sql) return report(sql.error());
    given.sql = std::move(*sql);
  }
  auto open = CommandLake::open(context.config());
  if (!open) return report(open.error());
  Status done = run_sql(context, **open, given,
                        [&](LakeQuery& query) { return query.open_tables(given.sql); });
  return done ? Exit::ok : report(done.error());
}

}  // namespace tillrace::app
