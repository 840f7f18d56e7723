// The command line of the lake's commands.
#include <CLI/CLI.hpp>

#include "app/lake_commands.h"

namespace tillrace::app {
namespace {

constexpr const char* kTableHelp = "the table, such as bronze/transactions or bronze.transactions";

using Run = Exit (*)(const Context&, const LakeArguments&);

CLI::App* command(CLI::App& app, const char* name, const char* help, LakeArguments& arguments,
                  const Named& named, Run run) {
  CLI::App* sub = app.add_subcommand(name, help);
  sub->fallthrough();
  sub->callback([&arguments, named, run] {
    named([&arguments, run](const Context& context) { return run(context, arguments); });
  });
  return sub;
}

void add_parquet(CLI::App& sub, LakeArguments& arguments) {
  sub.add_option("--parquet", arguments.parquet,
                 "write the rows to this file instead; an older one is replaced when all are in");
}

void add_read(CLI::App& lake, LakeArguments& arguments, bool& csv, const Named& named) {
  CLI::App* read = command(lake, "read", "A table's rows, as of now or as of the past", arguments,
                           named, run_lake_read);
  read->add_option("TABLE", arguments.table, kTableHelp)->required();
  CLI::Option* version = read->add_option("--version", arguments.version,
                                          "as of this version, of those that `history` lists");
  version->check(CLI::NonNegativeNumber);
  read->add_option("--at", arguments.at, "as of this time, such as 2026-11-25 08:00 (UTC)")
      ->excludes(version);
  read->add_option("--sql", arguments.sql, "a query; the table is `t` in it");
  read->add_option("--limit", arguments.limit, "this many rows at most");
  add_parquet(*read, arguments);
  read->add_flag("--csv", csv, "the result as CSV");
  read->footer(
      "Examples:\n  tillrace lake read bronze/transactions --limit 10\n"
      "  tillrace lake read bronze/transactions --version 12 --sql \"select count(*) from t\"\n"
      "  tillrace lake read bronze/transactions --at \"2026-11-25 08:00\" --parquet then.parquet");
}

void add_looking(CLI::App& lake, LakeArguments& arguments, bool& csv, const Named& named) {
  CLI::App* ls =
      command(lake, "ls", "The lake's tables, their versions and sizes", arguments, named,
              [](const Context& context, const LakeArguments&) { return run_lake_ls(context); });
  ls->footer("Example:\n  tillrace lake ls --json");
  CLI::App* history =
      command(lake, "history", "A table's versions, the newest first: when, by what, how many rows",
              arguments, named, run_lake_history);
  history->add_option("TABLE", arguments.table, kTableHelp)->required();
  history->add_option("-n", arguments.versions, "the newest so many (default 50)")
      ->check(CLI::Range(1, 1'000'000));
  history->footer("Example:\n  tillrace lake history bronze/transactions -n 10");
  CLI::App* files = command(lake, "files", "A table's data files: rows, bytes, partition",
                            arguments, named, run_lake_files);
  files->add_option("TABLE", arguments.table, kTableHelp)->required();
  files->footer("Example:\n  tillrace lake files bronze/transactions --csv");
  for (CLI::App* sub : {ls, history, files}) sub->add_flag("--csv", csv, "the result as CSV");
}

void add_upkeep(CLI::App& lake, LakeArguments& arguments, bool& csv, const Named& named) {
  CLI::App* compact =
      command(lake, "compact", "Make few large files of many small ones; rows stay as they are",
              arguments, named, run_lake_compact);
  compact->add_option("--target-mb", arguments.target_mb, "of a file (default lake.target_file_mb)")
      ->check(CLI::Range(1, 4'096));
  compact->footer("Example:\n  tillrace lake compact bronze/transactions");
  CLI::App* vacuum = command(lake, "vacuum", "Delete files that no version needs any more",
                             arguments, named, run_lake_vacuum);
  vacuum
      ->add_option(
          "--retain-h", arguments.retain_h,
          "hours that they stay after they were replaced (default: lake.vacuum_retain_h, or "
          "the table's own where that is longer)")
      ->check(CLI::Range(0, 876'000));
  vacuum->add_flag("--dry-run", arguments.dry_run, "list them, delete nothing");
  vacuum->add_flag("--force", arguments.force,
                   "allow less than 168 hours, or than the table's own: readers of older versions, "
                   "and writers at work, may lose files");
  vacuum->footer(
      "Examples:\n  tillrace lake vacuum bronze/transactions --dry-run\n"
      "  tillrace lake vacuum bronze/transactions --retain-h 720");
  CLI::App* checkpoint =
      command(lake, "checkpoint", "Write the table's state in one file, so that it opens faster",
              arguments, named, run_lake_checkpoint);
  checkpoint->footer(
      "Every tenth version gets one by itself.\n"
      "Example:\n  tillrace lake checkpoint bronze/transactions");
  for (CLI::App* sub : {compact, vacuum, checkpoint}) {
    sub->add_option("TABLE", arguments.table, kTableHelp)->required();
    sub->add_flag("--csv", csv, "the result as CSV");
  }
}

}  // namespace

void add_lake_table_commands(CLI::App& lake, LakeArguments& arguments, bool& csv,
                             const Named& named) {
  add_looking(lake, arguments, csv, named);
  add_read(lake, arguments, csv, named);
  add_upkeep(lake, arguments, csv, named);
}

void add_query_command(CLI::App& app, LakeArguments& arguments, bool& csv, const Named& named) {
  CLI::App* query = command(app, "query", "SQL over the lake's tables, in DuckDB's dialect",
                            arguments, named, run_query);
  query->add_option("SQL", arguments.sql, "one query; - reads it from standard input")->required();
  query->add_option("--limit", arguments.limit, "this many rows at most");
  add_parquet(*query, arguments);
  query->add_flag("--csv", csv, "the result as CSV");
  query->footer(
      "A table bronze/transactions is bronze.transactions; `show all tables` lists them. Each is\n"
      "read at one version. Nothing can be changed by SQL; files of this machine can be read.\n"
      "Examples:\n  tillrace query \"select country, sum(quantity) from bronze.transactions "
      "group by all\"\n"
      "  tillrace query \"describe bronze.transactions\"\n"
      "  tillrace query \"from bronze.transactions\" --parquet all.parquet");
}

}  // namespace tillrace::app
