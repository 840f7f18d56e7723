// `tillrace lake ...` and `tillrace query`: looking into the lake and keeping it tidy. They go to
// the lake itself, whether a server runs or not, and while others write.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "app/commands.h"

namespace CLI {  // NOLINT(readability-identifier-naming): that is its name
class App;
}

namespace tillrace::app {

struct LakeArguments {
  std::string table;
  std::string sql;
  std::uint64_t versions = 50;  // history
  std::optional<std::int64_t> version;
  std::optional<std::string> at;
  std::optional<std::uint64_t> limit;
  std::filesystem::path parquet;  // empty: to standard output
  std::optional<int> target_mb;   // compact
  std::optional<int> retain_h;    // vacuum
  bool force = false;
  bool dry_run = false;
};

Exit run_lake_ls(const Context& context);
Exit run_lake_history(const Context& context, const LakeArguments& arguments);
Exit run_lake_files(const Context& context, const LakeArguments& arguments);
Exit run_lake_compact(const Context& context, const LakeArguments& arguments);
Exit run_lake_vacuum(const Context& context, const LakeArguments& arguments);
Exit run_lake_checkpoint(const Context& context, const LakeArguments& arguments);
Exit run_lake_read(const Context& context, const LakeArguments& arguments);
Exit run_query(const Context& context, const LakeArguments& arguments);

// lake_cli.cc: these commands and their flags, below `lake` and beside it. `named` is told which of
// them the command line names; `arguments` and `csv` are then filled. Both outlive the apps.
using Named = std::function<void(std::function<Exit(const Context&)>)>;
void add_lake_table_commands(CLI::App& lake, LakeArguments& arguments, bool& csv,
                             const Named& named);
void add_query_command(CLI::App& app, LakeArguments& arguments, bool& csv, const Named& named);

}  // namespace tillrace::app
