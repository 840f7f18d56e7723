// `tillrace status`: what runs on a data folder, where, and how far it has come.
#include <algorithm>
#include <charconv>
#include <map>

#include "app/commands.h"
#include "app/log_choice.h"
#include "app/run_info.h"
#include "app/sessions.h"
#include "base/json_writer.h"
#include "client/json_scan.h"
#include "http/client.h"
#include "log/kafka_topics.h"
#include "warehouse/reports.h"

namespace tillrace::app {
namespace {

struct State {
  RunInfo info;
  std::string readiness;  // the body of /readyz, JSON
  bool is_ready = false;
  std::vector<log::TopicStatus> topics;
  Table progress;
  Table lag;
  std::string output_problem;  // why its lag is unknown; empty: it is known
};

using Marks = std::map<std::int32_t, std::int64_t>;  // by partition

// The marks of the warehouse.
Marks marks_of(const Table& progress, const std::string& topic) {
  auto column = [&progress](std::string_view name) {
    auto found = std::find_if(progress.columns.begin(), progress.columns.end(),
                              [name](const Table::Column& each) { return each.name == name; });
    return static_cast<std::size_t>(found - progress.columns.begin());
  };
  auto number = [](const std::string& text) {
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  Marks marks;
  for (const auto& row : progress.rows)
    if (row[column("topic")] == topic)
      marks[static_cast<std::int32_t>(number(row[column("partition")].value_or("")))] =
          number(row[column("next_offset")].value_or(""));
  return marks;
}

Table empty_lag() {
  return {{{"sink"},
           {"topic"},
           {"partition", CellKind::number},
           {"mark", CellKind::number},
           {"end", CellKind::number},
           {"lag_records", CellKind::number}},
          {}};
}

// That a sink is there, though its marks cannot be read.
void add_unknown_lag(Table& lag, const std::string& sink, const log::TopicStatus& topic) {
  for (const log::PartitionRange& range : topic.partitions)
    lag.rows.push_back({sink, topic.info.name, std::to_string(range.partition.value), std::nullopt,
                        std::to_string(range.end.value), std::nullopt});
}

// Of every partition, whoever reads it: what the log has and the sink has not.
void add_lag(Table& lag, const std::string& sink, const log::TopicStatus& topic, Marks marks) {
  for (const log::PartitionRange& range : topic.partitions) {
    std::int64_t mark = std::max(marks[range.partition.value], range.first.value);
    std::int64_t records = std::max<std::int64_t>(range.end.value - mark, 0);
    lag.rows.push_back({sink, topic.info.name, std::to_string(range.partition.value),
                        std::to_string(mark), std::to_string(range.end.value),
                        std::to_string(records)});
  }
}

Result<Marks> output_marks(const Config& config, const log::TopicStatus& topic) {
  log::OutputOptions options = output_options(config);
  auto told =
      log::group_marks(options.connection, options.group, topic.info.name, topic.info.partitions);
  if (!told) return fail(told.error());
  Marks marks;
  for (std::size_t i = 0; i < told->size(); ++i)
    if ((*told)[i]) marks[static_cast<std::int32_t>(i)] = (*told)[i]->value;
  return marks;
}

std::int64_t number_in(std::string_view object, std::string_view key) {
  std::string_view text = client::json_member(object, key).value_or("0");
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// As /readyz tells it, of the partitions that the process holds: the lake itself may be far away.
void add_lake_lag(Table& lag, const log::TopicStatus& topic, std::string_view readiness) {
  std::string_view rest = client::json_member(readiness, "lag").value_or("");
  for (std::size_t at = rest.find('{'); at != std::string_view::npos; at = rest.find('{')) {
    std::size_t end = std::min(rest.find('}', at), rest.size() - 1);
    std::string_view object = rest.substr(at, end + 1 - at);
    rest.remove_prefix(end + 1);
    if (client::json_text(client::json_member(object, "sink").value_or("")) != "lake") continue;
    std::int64_t partition = number_in(object, "partition");
    for (const log::PartitionRange& range : topic.partitions) {
      if (range.partition.value != partition) continue;
      std::int64_t records = number_in(object, "records");
      std::int64_t mark = std::max(range.end.value - records, std::int64_t{0});
      lag.rows.push_back({"lake", topic.info.name, std::to_string(partition), std::to_string(mark),
                          std::to_string(range.end.value), std::to_string(records)});
    }
  }
}

void read_lags(State& state, const Config& config) {
  state.lag = empty_lag();
  for (const log::TopicStatus& topic : state.topics) {
    if (topic.info.name != config.log.topic) continue;
    add_lag(state.lag, "warehouse", topic, marks_of(state.progress, topic.info.name));
    add_lake_lag(state.lag, topic, state.readiness);
    if (!config.output.enabled || !uses_kafka(config)) continue;
    auto marks = output_marks(config, topic);
    if (marks) {
      add_lag(state.lag, "output", topic, std::move(*marks));
    } else {
      add_unknown_lag(state.lag, "output", topic);
      state.output_problem = marks.error().message;
    }
  }
}

Result<State> look(const Config& config) {
  State state;
  auto info = read_run_info(config.data_dir);
  if (!info) return fail(info.error());
  state.info = *info;
  http::Client client(own_server_options(config));
  http::Call call;
  call.url = info->http_url + "/readyz";
  call.total_timeout_ms = 5'000;
  auto answer = client.send(call);
  if (!answer) return fail(answer.error());
  state.is_ready = answer->status == 200;
  state.readiness = answer->body;
  auto topics = topics_of(config);
  if (!topics) return fail(topics.error());
  for (log::TopicStatus& topic : *topics)  // Kafka has others' topics too
    if (!uses_kafka(config) || topic.info.name == config.log.topic)
      state.topics.push_back(std::move(topic));
  if (info->warehouse_url.empty()) return state;  // a gateway alone
  auto connection = open_warehouse(config);
  if (!connection) return state;  // /readyz has said why
  auto rows = warehouse::checkpoints(*connection);
  if (!rows) return state;
  state.progress = table_of(*rows);
  read_lags(state, config);
  return state;
}

std::string as_json(const State& state, const Config& config) {
  JsonWriter json;
  json.begin_object()
      .field("pid", std::int64_t{state.info.pid})
      .field("started_at", to_string(state.info.started_at));
  json.field("data_dir", std::filesystem::absolute(config.data_dir).string());
  json.field("http_url", state.info.http_url).field("warehouse_url", state.info.warehouse_url);
  json.field("lake_root", state.info.lake_root);
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
  std::string lag = print(state.lag, {Format::json, false, {}});
  json.end_array().key("warehouse").raw(progress.substr(0, progress.size() - 1));
  json.key("lag").raw(lag.substr(0, lag.size() - 1)).end_object();
  return json.take() + "\n";
}

std::string as_text(const State& state) {
  std::string out =
      fmt::format("{:<12} {} (process {}, since {})\n", "running", state.info.http_url,
                  state.info.pid, to_string(state.info.started_at));
  out += fmt::format("{:<12} {}\n", "readiness", state.readiness);
  if (!state.info.warehouse_url.empty())
    out += fmt::format("{:<12} {}\n", "warehouse", state.info.warehouse_url);
  if (!state.info.lake_root.empty())
    out += fmt::format("{:<12} {}\n", "lake", state.info.lake_root);
  for (const log::TopicStatus& topic : state.topics)
    for (const log::PartitionRange& range : topic.partitions)
      out += fmt::format("{:<12} {}/{}: {} records, offsets {} to {}\n", "topic", topic.info.name,
                         range.partition.value,
                         grouped_digits(std::to_string(range.end.value - range.first.value)),
                         range.first.value, range.end.value);
  if (!state.output_problem.empty())
    out += fmt::format("{:<12} its lag is unknown: {}\n", "output", state.output_problem);
  if (!state.progress.rows.empty()) out += "\n" + print(state.progress, {Format::table, false, {}});
  if (!state.lag.rows.empty()) out += "\n" + print(state.lag, {Format::table, false, {}});
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
