// The commands of the program. Each prints its result on stdout and returns the exit code; cli.cc
// calls them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/log_choice.h"
#include "app/output.h"
#include "base/result.h"
#include "http/client.h"

namespace tillrace::app {

// Exit codes (design: the command line).
enum class Exit : int { ok = 0, not_so = 1, usage = 2, dependency = 3, internal = 4 };
Exit exit_of(const Error& error);
// Prints "tillrace: message" on stderr.
Exit report(const Error& error);
// On stdout. Once something could not be written the rest is dropped; long loops look for it. For
// one thread.
void print_out(const std::string& text);
bool is_output_lost();
// At a command's end: its exit code, or that of a dependency, told on stderr, where stdout took not
// all of print_out(). A reader who has had enough (`| head`) is no failure.
Exit close_output(Exit exit);
void print_err(const std::string& text);

// PATH, for finding PostgreSQL's programs.
std::string search_path();
// How this program's own requests show who they are, and whom they trust: the settings client.*.
http::ClientOptions http_client_options(const Config& config);
// The same to the server on the same settings, whose own certificate is trusted too.
http::ClientOptions own_server_options(const Config& config);

struct Context {
  LoadedConfig loaded;
  Format format = Format::table;
  bool quiet = false;

  const Config& config() const { return loaded.config; }
};

// Of what a command has done: for people on stderr, for programs on stdout.
void print_summary(const Context& context, const Table& table);

// up.cc
Exit run_up(const Context& context);
Exit run_gateway(const Context& context);
Exit run_processor(const Context& context);

// status.cc, doctor.cc, config_command.cc
Exit run_status(const Context& context);
Exit run_doctor(const Context& context);
Exit run_config_check(const Context& context);
Exit run_config_show(const Context& context);

// client_commands.cc
struct ConvertArguments {
  std::filesystem::path input;
  std::filesystem::path output;
  std::filesystem::path rejected;
  std::optional<std::filesystem::path> lines_from;
  std::string date_order = "mdy";
};
Exit run_convert(const Context& context, const ConvertArguments& arguments);

struct GenerateArguments {
  std::uint64_t rows = 10'000;
  std::uint64_t seed = 1;
  std::uint64_t rate = 0;
  std::string start = "2010-12-01";
  std::filesystem::path output;
};
Exit run_generate(const Context& context, const GenerateArguments& arguments);

struct PostArguments {
  std::filesystem::path input;
  std::string url;  // empty: of what runs on the data folder
  bool each = false;
  std::uint64_t rate = 0;
  std::optional<int> concurrency;
  int batch = 1'000;
  int retry_for_s = 300;
};
Exit run_post(const Context& context, const PostArguments& arguments);

// topic_commands.cc
Exit run_topics_list(const Context& context);
Exit run_topics_create(const Context& context, const NewTopic& topic);
struct TailArguments {
  std::string topic;
  bool from_beginning = false;
  std::optional<std::int64_t> count;  // then end
};
Exit run_tail(const Context& context, const TailArguments& arguments);

// report_commands.cc
Exit run_customer(const Context& context, const std::string& id);
Exit run_invoice(const Context& context, const std::string& invoice_no);
struct ReportArguments {
  std::string name;
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::string grain = "month";
  std::string segment = "all";
  std::optional<int> top;
  bool services = false;
};
Exit run_report(const Context& context, const ReportArguments& arguments);

// rejected_commands.cc, resend_command.cc
struct RejectedArguments {
  // Which: these PARTITION:OFFSET, or all that the conditions leave.
  std::vector<std::string> records;
  std::optional<std::string> topic;
  std::optional<int> partition;
  std::optional<std::string> kind;
  std::optional<std::string> field;
  std::optional<std::string> since;
  bool not_resent = false;
  std::optional<std::int64_t> count;

  bool summary = false;          // list
  std::filesystem::path output;  // export
  // resend
  bool all = false;
  bool edit = false;
  bool dry_run = false;
  std::optional<std::filesystem::path> from;
  std::string url;
  int retry_for_s = 30;
};
Exit run_rejected_list(const Context& context, const RejectedArguments& arguments);
Exit run_rejected_show(const Context& context, const RejectedArguments& arguments);
Exit run_rejected_export(const Context& context, const RejectedArguments& arguments);
Exit run_rejected_resend(const Context& context, const RejectedArguments& arguments);

// sink_commands.cc
Exit run_sink_detach(const Context& context, const std::string& sink);
Exit run_sink_attach(const Context& context, const std::string& sink);
struct FlushArguments {
  std::string url;  // empty: of what runs on the data folder
  int timeout_s = 60;
};
Exit run_lake_flush(const Context& context, const FlushArguments& arguments);

// keys_command.cc
struct KeyArguments {
  std::string name;
  std::string scopes = "ingest";
  std::optional<int> expires_days;
  std::string id;
};
Exit run_keys_create(const Context& context, const KeyArguments& arguments);
Exit run_keys_list(const Context& context);
Exit run_keys_revoke(const Context& context, const KeyArguments& arguments);

}  // namespace tillrace::app
