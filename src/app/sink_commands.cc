// sink detach, sink attach, lake flush: what a person does with the sinks of a data folder.
#include <algorithm>
#include <charconv>
#include <map>

#include "app/commands.h"
#include "app/flush_route.h"
#include "app/lake_choice.h"
#include "app/log_choice.h"
#include "app/sessions.h"
#include "app/sink_switch.h"
#include "client/json_scan.h"
#include "http/client.h"
#include "lake/bronze.h"

namespace tillrace::app {
namespace {

constexpr const char* kLake = "lake";
constexpr std::chrono::milliseconds kAskAgain{100};

Status check_sink(const std::string& sink) {
  if (sink == kLake) return {};
  return fail(Code::invalid, "'{}' cannot be detached; the lake can: `tillrace sink detach lake`",
              sink);
}

Status check_data_dir(const Config& config) {
  std::error_code ignored;
  if (std::filesystem::is_directory(config.data_dir, ignored)) return {};
  return fail(Code::not_found, "there is no data folder {}", config.data_dir.string());
}

// What of the topic the lake will never get: the log has dropped it.
Status warn_of_holes(const Config& config) {
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  auto topics = topics_of(config);
  if (!topics) return fail(topics.error());
  auto lake = OpenLake::open(config, "attach", clock, random, metrics);
  if (!lake) return fail(lake.error());
  auto table = lake::DeltaTable::open((*lake)->ports(), lake::kBronzeTransactions);
  if (!table && table.error().code != Code::not_found) return fail(table.error());
  for (const log::TopicStatus& topic : *topics) {
    if (topic.info.name != config.log.topic) continue;
    for (const log::PartitionRange& range : topic.partitions) {
      Result<std::optional<Offset>> mark = std::optional<Offset>();
      if (table)
        mark =
            lake::bronze_mark(table->snapshot(), {topic.info.name, range.partition, topic.info.id});
      if (!mark) return fail(mark.error());
      Offset wanted = mark->value_or(Offset{0});
      if (wanted >= range.first) continue;
      print_err(
          fmt::format("{}/{}: the log has dropped the offsets {} to {}; the lake goes on "
                      "without them\n",
                      topic.info.name, range.partition.value, wanted.value, range.first.value - 1));
    }
  }
  return {};
}

std::int64_t number_in(std::string_view object, std::string_view key) {
  std::string_view text = client::json_member(object, key).value_or("0");
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// By partition: how far it is, and where the log ends.
struct Flushing {
  std::string state, problem;
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> partitions;
};

Flushing read_answer(const std::string& body) {
  Flushing flushing;
  flushing.state = client::json_text(client::json_member(body, "lake").value_or(""));
  flushing.problem = client::json_text(client::json_member(body, "problem").value_or(""));
  std::string_view rest = client::json_member(body, "partitions").value_or("");
  for (std::size_t at = rest.find('{'); at != std::string_view::npos; at = rest.find('{')) {
    std::size_t end = std::min(rest.find('}', at), rest.size() - 1);
    std::string_view object = rest.substr(at, end + 1 - at);
    flushing.partitions[number_in(object, "partition")] = {number_in(object, "mark"),
                                                           number_in(object, "end")};
    rest.remove_prefix(end + 1);
  }
  return flushing;
}

Result<Flushing> ask(http::Client& client, const std::string& url) {
  http::Call call;
  call.method = http::Method::post;
  call.url = url + kFlushPath;
  call.total_timeout_ms = 5'000;
  auto answer = client.send(call);
  if (!answer) return fail(answer.error());
  if (answer->status == 404)
    return fail(Code::not_found, "what runs at {} writes to no lake (lake.enabled)", url);
  if (answer->status != 202)
    return fail(Code::unavailable, "{} answers with status {}: {}", url, answer->status,
                client::json_text(client::json_member(answer->body, "detail").value_or("")));
  return read_answer(answer->body);
}

constexpr const char* kDetached = "the lake is detached; `tillrace sink attach lake`";

// unavailable: what was to be flushed is in other hands now.
Result<bool> is_done(const Flushing& now, const Flushing& first) {
  for (const auto& [partition, wanted] : first.partitions) {
    auto found = now.partitions.find(partition);
    if (found == now.partitions.end())
      return fail(Code::unavailable,
                  "partition {} went to another process meanwhile; ask that one, or again",
                  partition);
    if (found->second.first < wanted.second) return false;
  }
  return true;
}

Status flush(const Config& config, const FlushArguments& arguments) {
  auto url = gateway_url(config, arguments.url);
  if (!url) return fail(url.error());
  SystemClock clock;
  http::Client client(own_server_options(config));
  auto first = ask(client, *url);
  if (!first) return fail(first.error());
  if (first->state != "detached" && first->partitions.empty())
    return fail(Code::unavailable, "the process at {} holds no partition just now", *url);
  auto deadline = clock.monotonic() + std::chrono::seconds(arguments.timeout_s);
  for (auto now = *first;;) {
    if (now.state == "detached") return fail(Code::unavailable, kDetached);
    if (now.state == "stopped") return fail(Code::corrupt, "the lake: {}", now.problem);
    auto done = is_done(now, *first);
    if (!done) return fail(done.error());
    if (*done) return {};
    if (clock.monotonic() >= deadline)
      return fail(Code::unavailable, "the lake is not there yet after {} s{}{}",
                  arguments.timeout_s, now.problem.empty() ? "" : ": ", now.problem);
    clock.sleep_for(kAskAgain);
    auto asked = ask(client, *url);
    if (!asked) return fail(asked.error());
    now = std::move(*asked);
  }
}

}  // namespace

Exit run_sink_detach(const Context& context, const std::string& sink) {
  const Config& config = context.config();
  Status done = check_sink(sink);
  if (done) done = check_data_dir(config);
  if (done) done = write_attachment(config.data_dir, sink, Attachment::detached);
  if (!done) return report(done.error());
  if (!context.quiet)
    print_out(
        "the lake is detached: it gets no events from now on, and the log keeps none for it\n");
  return Exit::ok;
}

Exit run_sink_attach(const Context& context, const std::string& sink) {
  const Config& config = context.config();
  Status done = check_sink(sink);
  if (done) done = check_data_dir(config);
  if (!done) return report(done.error());
  if (Status told = warn_of_holes(config); !told)
    print_err(fmt::format("whether something is missing in the lake cannot be told: {}\n",
                          told.error().message));
  done = write_attachment(config.data_dir, sink, Attachment::reattached);
  if (!done) return report(done.error());
  if (!context.quiet)
    print_out(
        "the lake is attached and goes on with what the log has; one that had stopped does so at "
        "the next start\n");
  return Exit::ok;
}

Exit run_lake_flush(const Context& context, const FlushArguments& arguments) {
  if (Status done = flush(context.config(), arguments); !done) return report(done.error());
  if (context.quiet) return Exit::ok;
  print_out(uses_kafka(context.config())
                ? "the lake has all that had been accepted in the partitions of that process\n"
                : "the lake has all that had been accepted\n");
  return Exit::ok;
}

}  // namespace tillrace::app
