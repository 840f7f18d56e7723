// The local consumer: topics and tail.
#include "app/commands.h"
#include "app/signals.h"
#include "base/json_writer.h"
#include "base/utf8.h"
#include "log/log_reader.h"
#include "model/event_json.h"

namespace tillrace::app {
namespace {

constexpr int kLookAgainMs = 100;  // nothing wakes a reader in another process

// A topic in Kafka as LogReader is one in the embedded log.
class KafkaTail {
 public:
  static Result<std::unique_ptr<KafkaTail>> open(const Config& config, const std::string& topic) {
    auto tail = std::make_unique<KafkaTail>();
    auto log = open_kafka_to_read(config, topic, tail->clock_, tail->metrics_);
    if (!log) return fail(log.error());
    tail->log_ = std::move(*log);
    tail->info_.partitions = tail->log_->partitions();
    return tail;
  }
  const log::TopicInfo& info() const { return info_; }
  Result<Offset> first(Partition partition) { return log_->first(partition); }
  Result<Offset> end(Partition partition) { return log_->end(partition); }
  Result<log::Fetched> read(Partition partition, Offset from, const log::ReadLimits& limits) {
    return log_->read(partition, from, limits);
  }
  Status refresh() { return {}; }

 private:
  SystemClock clock_;
  Metrics metrics_;
  log::TopicInfo info_;
  std::unique_ptr<log::Log> log_;
};

// What is no JSON, from whoever wrote it to Kafka, is shown as a text.
void write_value(JsonWriter& json, const std::string& value, EventParser& parser) {
  auto event = parser.parse(value);
  if (event || !event.error().malformed) {
    json.key("value").raw(value);
    return;
  }
  std::string text;
  for (std::string_view rest = value; !rest.empty();) {
    std::size_t length = utf8_length(rest);
    text += length == 0 ? "\ufffd" : rest.substr(0, length);
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  json.field("value", text);
}

std::string as_line(const StoredRecord& stored, Partition partition, Format format,
                    EventParser& parser) {
  const Record& record = stored.record;
  if (format != Format::json) return record.value + "\n";
  JsonWriter json;
  json.begin_object()
      .field("partition", std::int64_t{partition.value})
      .field("offset", stored.offset.value);
  json.field("key", record.key).field("event_id", to_string(record.event_id));
  json.field("received_at", to_string(record.received_at));
  write_value(json, record.value, parser);
  json.end_object();
  return json.take() + "\n";
}

// Prints what is there and moves `next` on; at most `rest` records.
template <class Reader>
Status print_new(Reader& reader, Partition partition, Offset& next, std::int64_t& rest,
                 Format format) {
  EventParser parser{TimeZone{}};
  while (rest > 0 && !is_output_lost()) {
    log::ReadLimits limits;
    limits.max_records = static_cast<std::size_t>(std::min<std::int64_t>(rest, 1'000));
    auto fetched = reader.read(partition, next, limits);
    if (!fetched) return fail(fetched.error());
    next = fetched->next;
    if (fetched->records.empty()) return {};
    std::string lines;
    for (const StoredRecord& stored : fetched->records)
      lines += as_line(stored, partition, format, parser);
    print_out(lines);
    rest -= static_cast<std::int64_t>(fetched->records.size());
  }
  return {};
}

template <class Reader>
Result<std::vector<Offset>> starts(Reader& reader, bool from_beginning) {
  std::vector<Offset> offsets;
  for (std::int32_t i = 0; i < reader.info().partitions; ++i) {
    auto offset = from_beginning ? reader.first(Partition{i}) : reader.end(Partition{i});
    if (!offset) return fail(offset.error());
    offsets.push_back(*offset);
  }
  return offsets;
}

template <class Reader>
Exit follow(Reader& reader, const TailArguments& arguments, Format format) {
  StopSignals signals;
  auto next = starts(reader, arguments.from_beginning);
  if (!next) return report(next.error());
  std::int64_t rest = arguments.count.value_or(INT64_MAX);
  while (true) {
    for (std::size_t i = 0; i < next->size(); ++i) {
      Partition partition{static_cast<std::int32_t>(i)};
      if (Status printed = print_new(reader, partition, (*next)[i], rest, format); !printed)
        return report(printed.error());
    }
    if (rest <= 0 || is_output_lost() || signals.wait_for(kLookAgainMs)) return Exit::ok;
    if (Status fresh = reader.refresh(); !fresh) return report(fresh.error());
  }
}

}  // namespace

Exit run_topics_list(const Context& context) {
  auto topics = topics_of(context.config());
  if (!topics) return report(topics.error());
  Table table;
  table.columns = {{"topic", CellKind::text},         {"partition", CellKind::number},
                   {"first", CellKind::number},       {"end", CellKind::number},
                   {"topic_bytes", CellKind::number}, {"log_id", CellKind::text}};
  for (const log::TopicStatus& topic : *topics)
    for (const log::PartitionRange& range : topic.partitions)
      table.rows.push_back({topic.info.name, std::to_string(range.partition.value),
                            std::to_string(range.first.value), std::to_string(range.end.value),
                            std::to_string(topic.bytes_on_disk), topic.info.id});
  print_out(print(table, {context.format, false, {}}));
  return Exit::ok;
}

Exit run_topics_create(const Context& context, const NewTopic& topic) {
  auto made = create_topic(context.config(), topic);
  if (!made) return report(made.error());
  Table table;
  table.columns = {
      {"topic", CellKind::text}, {"partitions", CellKind::number}, {"log_id", CellKind::text}};
  table.rows.push_back({made->name, std::to_string(made->partitions), made->id});
  print_out(print(table, {context.format, true, {}}));
  return Exit::ok;
}

Exit run_tail(const Context& context, const TailArguments& arguments) {
  const Config& config = context.config();
  if (uses_kafka(config)) {
    auto tail = KafkaTail::open(config, arguments.topic);
    if (!tail) return report(tail.error());
    return follow(**tail, arguments, context.format);
  }
  auto reader = log::LogReader::open(log_folder(config), arguments.topic);
  if (!reader) return report(reader.error());
  return follow(**reader, arguments, context.format);
}

}  // namespace tillrace::app
