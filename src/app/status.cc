// `tillrace status`: what runs on a data folder, where, and how far it has come.
#include "app/commands.h"
#include "app/run_info.h"
#include "app/sessions.h"
#include "base/json_writer.h"
#include "http/client.h"
#include "log/topics.h"
#include "warehouse/reports.h"

namespace tillrace::app {
namespace {

struct State {
  RunInfo info;
  std::string readiness;  // the body of /readyz, JSON
  bool is_ready = false;
  std::vector<log::TopicStatus> topics;
  Table progress;
};

Result<State> look(const Config& config) {
  State state;
  auto info = read_run_info(config.data_dir);
  if (!info) return fail(info.error());
  state.info = *info;
  http::Client client;
  http::Call call;
  call.url = info->http_url + "/readyz";
  call.total_timeout_ms = 5'000;
  auto answer = client.send(call);
  if (!answer) return fail(answer.error());
  state.is_ready = answer->status == 200;
  state.readiness = answer->body;
  auto topics = log::list_topics(config.data_dir / "log");
  if (!topics) return fail(topics.error());
  state.topics = *topics;
  auto connection = open_warehouse(config);
  if (!connection) return state;  // /readyz has said why
  if (auto rows = warehouse::checkpoints(*connection)) state.progress = table_of(*rows);
  return state;
}

std::string as_json(const State& state, const Config& config) {
  JsonWriter json;
  json.begin_object()
      .field("pid", std::int64_t{state.info.pid})
      .field("started_at", to_string(state.info.started_at));
  json.field("data_dir", std::filesystem::absolute(config.data_dir).string());
  json.field("http_url", state.info.http_url).field("warehouse_url", state.info.warehouse_url);
  json.key("ready").raw(state.readiness).key("topics").begin_array();
  for (const log::TopicStatus& topic : state.topics) {
    for (const log::PartitionRange& range : topic.partitions) {
      json.begin_object()
          .field("topic", topic.info.name)
          .field("partition", std::int64_t{range.partition.value});
      json.field("first", range.first.value).field("end", range.end.value).end_object();
    }
  }
  std::string progress = print(state.progress, {Format::json, false, {}});
  json.end_array().key("warehouse").raw(progress.substr(0, progress.size() - 1)).end_object();
  return json.take() + "\n";
}

std::string as_text(const State& state) {
  std::string out =
      fmt::format("{:<12} {} (process {}, since {})\n", "running", state.info.http_url,
                  state.info.pid, to_string(state.info.started_at));
  out += fmt::format("{:<12} {}\n", "readiness", state.readiness);
  out += fmt::format("{:<12} {}\n", "warehouse", state.info.warehouse_url);
  for (const log::TopicStatus& topic : state.topics)
    for (const log::PartitionRange& range : topic.partitions)
      out += fmt::format("{:<12} {}/{}: {} records, offsets {} to {}\n", "topic", topic.info.name,
                         range.partition.value,
                         grouped_digits(std::to_string(range.end.value - range.first.value)),
                         range.first.value, range.end.value);
  if (!state.progress.rows.empty()) out += "\n" + print(state.progress, {Format::table, false, {}});
  return out;
}

}  // namespace

Exit run_status(const Context& context) {
  auto state = look(context.config());
  if (!state) return report(state.error());
  print_out(context.format == Format::json ? as_json(*state, context.config()) : as_text(*state));
  return state->is_ready ? Exit::ok : Exit::not_so;
}

}  // namespace tillrace::app
