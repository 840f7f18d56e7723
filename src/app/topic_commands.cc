// The local consumer: topics and tail.
#include "app/commands.h"
#include "app/signals.h"
#include "base/json_writer.h"
#include "log/log_reader.h"
#include "log/topics.h"

namespace tillrace::app {
namespace {

constexpr int kLookAgainMs = 100;  // nothing wakes a reader in another process

std::filesystem::path log_folder(const Config& config) { return config.data_dir / "log"; }

std::string as_line(const StoredRecord& stored, Partition partition, Format format) {
  const Record& record = stored.record;
  if (format != Format::json) return record.value + "\n";
  JsonWriter json;
  json.begin_object()
      .field("partition", std::int64_t{partition.value})
      .field("offset", stored.offset.value);
  json.field("key", record.key).field("event_id", to_string(record.event_id));
  json.field("received_at", to_string(record.received_at))
      .key("value")
      .raw(record.value)
      .end_object();
  return json.take() + "\n";
}

// Prints what is there and moves `next` on; at most `rest` records.
Status print_new(log::LogReader& reader, Partition partition, Offset& next, std::int64_t& rest,
                 Format format) {
  while (rest > 0) {
    log::ReadLimits limits;
    limits.max_records = static_cast<std::size_t>(std::min<std::int64_t>(rest, 1'000));
    auto fetched = reader.read(partition, next, limits);
    if (!fetched) return fail(fetched.error());
    if (fetched->records.empty()) return {};
    std::string lines;
    for (const StoredRecord& stored : fetched->records) lines += as_line(stored, partition, format);
    print_out(lines);
    rest -= static_cast<std::int64_t>(fetched->records.size());
    next = fetched->next;
  }
  return {};
}

Result<std::vector<Offset>> starts(log::LogReader& reader, bool from_beginning) {
  std::vector<Offset> offsets;
  for (std::int32_t i = 0; i < reader.info().partitions; ++i) {
    auto offset = from_beginning ? reader.first(Partition{i}) : reader.end(Partition{i});
    if (!offset) return fail(offset.error());
    offsets.push_back(*offset);
  }
  return offsets;
}

}  // namespace

Exit run_topics_list(const Context& context) {
  auto topics = log::list_topics(log_folder(context.config()));
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

Exit run_topics_create(const Context& context, const std::string& name, int partitions) {
  SystemClock clock;
  SystemRandom random;
  auto made = log::create_topic(log_folder(context.config()), name, partitions, clock, random);
  if (!made) return report(made.error());
  Table table;
  table.columns = {
      {"topic", CellKind::text}, {"partitions", CellKind::number}, {"log_id", CellKind::text}};
  table.rows.push_back({made->name, std::to_string(made->partitions), made->id});
  print_out(print(table, {context.format, true, {}}));
  return Exit::ok;
}

Exit run_tail(const Context& context, const TailArguments& arguments) {
  StopSignals signals;
  auto reader = log::LogReader::open(log_folder(context.config()), arguments.topic);
  if (!reader) return report(reader.error());
  auto next = starts(**reader, arguments.from_beginning);
  if (!next) return report(next.error());
  std::int64_t rest = arguments.count.value_or(INT64_MAX);
  while (true) {
    for (std::size_t i = 0; i < next->size(); ++i) {
      Partition partition{static_cast<std::int32_t>(i)};
      if (Status printed = print_new(**reader, partition, (*next)[i], rest, context.format);
          !printed)
        return report(printed.error());
    }
    if (rest <= 0 || signals.wait_for(kLookAgainMs)) return Exit::ok;
    if (Status fresh = (*reader)->refresh(); !fresh) return report(fresh.error());
  }
}

}  // namespace tillrace::app
