#include "log/output_topic.h"

#include "base/logging.h"
#include "log/kafka_client.h"

namespace tillrace::log {
namespace {

constexpr int kPollMs = 10;  // while the library has no room for a record

std::vector<KafkaSetting> writer_settings(const OutputOptions& options, Partition source) {
  return {{"transactional.id",
           fmt::format("{}-{}-{}", options.group, options.source_topic, source.value)},
          {"transaction.timeout.ms", std::to_string(options.timeout_ms)},
          {"compression.codec", options.compression},
          {"linger.ms", "0"},
          {"partitioner", "murmur2"}};
}

// Only to ask: it joins nothing and reads nothing.
std::vector<KafkaSetting> asker_settings(const OutputOptions& options) {
  return {{"group.id", options.group},
          {"isolation.level", "read_committed"},  // waits for a transaction that holds offsets
          {"enable.auto.commit", "false"},
          {"allow.auto.create.topics", "false"}};
}

bool has_been_replaced(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__FENCED || error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
         error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

class KafkaOutput final : public OutputTopic {
 public:
  KafkaOutput(const OutputOptions& options, Partition source)
      : options_(options), source_(source) {}

  Result<std::optional<Offset>> mark() override;
  Status write(const std::vector<OutputRecord>& records, Offset mark) override;
  bool is_open() const override { return writer_ != nullptr; }

 private:
  Status open_writer();
  Result<std::optional<Offset>> committed_mark();
  Status produce_all(const std::vector<OutputRecord>& records);
  rd_kafka_resp_err_t produce(const OutputRecord& record);
  Status commit(Offset mark);
  PartitionList source_partition() const;
  // What a step of a transaction led to; the writer is given up when it went wrong.
  Status judge(KafkaError error, std::string_view doing);
  tl::unexpected<Error> give_up(rd_kafka_resp_err_t error, std::string_view text);

  const OutputOptions options_;
  const Partition source_;
  KafkaHandle writer_;
  KafkaHandle asker_;
};

// Makes this the partition's writer: the brokers turn earlier ones away, and abort what they left
// open, before it returns.
Status KafkaOutput::open_writer() {
  writer_.reset();
  auto made = make_kafka_client(RD_KAFKA_PRODUCER, options_.connection,
                                writer_settings(options_, source_), 0);
  if (!made) return fail(made.error());
  writer_ = std::move(*made);
  return judge(KafkaError(rd_kafka_init_transactions(writer_.get(), options_.timeout_ms)),
               "cannot become the writer");
}

Result<std::optional<Offset>> KafkaOutput::mark() {
  if (Status opened = open_writer(); !opened) return fail(opened.error());
  auto mark = committed_mark();
  if (!mark) writer_.reset();
  return mark;
}

Result<std::optional<Offset>> KafkaOutput::committed_mark() {
  if (!asker_) {
    auto made =
        make_kafka_client(RD_KAFKA_CONSUMER, options_.connection, asker_settings(options_), 0);
    if (!made) return fail(made.error());
    asker_ = std::move(*made);
  }
  PartitionList list = source_partition();
  auto error = rd_kafka_committed(asker_.get(), list.get(), options_.timeout_ms);
  const rd_kafka_topic_partition_t& told = list->elems[0];
  if (!error) error = told.err;
  if (error) return kafka_error(error, fmt::format("the marks of {}", options_.group));
  if (told.offset == RD_KAFKA_OFFSET_INVALID) return std::nullopt;
  std::string_view id(static_cast<const char*>(told.metadata), told.metadata_size);
  if (id != options_.source_id)
    return fail(
        Code::corrupt,
        "the marks of {} belong to a topic {} with the id '{}', and this one has {}; delete "
        "the group to begin anew",
        options_.group, options_.source_topic, id, options_.source_id);
  return Offset{told.offset};
}

Status KafkaOutput::write(const std::vector<OutputRecord>& records, Offset mark) {
  if (!writer_) return fail(Code::unavailable, "{} has no writer yet", options_.topic);
  Status begun = judge(KafkaError(rd_kafka_begin_transaction(writer_.get())), "cannot begin");
  if (!begun) return begun;
  if (Status produced = produce_all(records); !produced) return produced;
  return commit(mark);
}

Status KafkaOutput::produce_all(const std::vector<OutputRecord>& records) {
  for (const OutputRecord& record : records) {
    auto error = produce(record);
    for (; error == RD_KAFKA_RESP_ERR__QUEUE_FULL; error = produce(record))
      rd_kafka_poll(writer_.get(), kPollMs);
    if (error) return give_up(error, rd_kafka_err2str(error));
  }
  return {};
}

// The library copies the record.
rd_kafka_resp_err_t KafkaOutput::produce(const OutputRecord& record) {
  rd_kafka_vu_t wanted[4];
  wanted[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  wanted[0].u.cstr = options_.topic.c_str();
  wanted[1].vtype = RD_KAFKA_VTYPE_KEY;
  wanted[1].u.mem = {const_cast<char*>(record.key.data()), record.key.size()};
  wanted[2].vtype = RD_KAFKA_VTYPE_VALUE;
  wanted[2].u.mem = {const_cast<char*>(record.value.data()), record.value.size()};
  wanted[3].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  wanted[3].u.i = RD_KAFKA_MSG_F_COPY;
  KafkaError error(rd_kafka_produceva(writer_.get(), wanted, std::size(wanted)));
  return error ? rd_kafka_error_code(error.get()) : RD_KAFKA_RESP_ERR_NO_ERROR;
}

Status KafkaOutput::commit(Offset mark) {
  PartitionList list = source_partition();
  rd_kafka_topic_partition_t& set = list->elems[0];
  set.offset = mark.value;
  set.metadata = ::strdup(options_.source_id.c_str());  // the list frees it
  set.metadata_size = options_.source_id.size();
  Owned<rd_kafka_consumer_group_metadata_t, rd_kafka_consumer_group_metadata_destroy> group(
      rd_kafka_consumer_group_metadata_new(options_.group.c_str()));
  Status marked = judge(KafkaError(rd_kafka_send_offsets_to_transaction(
                            writer_.get(), list.get(), group.get(), options_.timeout_ms)),
                        "cannot set the mark");
  if (!marked) return marked;
  return judge(KafkaError(rd_kafka_commit_transaction(writer_.get(), options_.timeout_ms)),
               "cannot commit");
}

PartitionList KafkaOutput::source_partition() const {
  PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), options_.source_topic.c_str(), source_.value);
  return list;
}

Status KafkaOutput::judge(KafkaError error, std::string_view doing) {
  if (!error) return {};
  return give_up(rd_kafka_error_code(error.get()),
                 fmt::format("{}: {}", doing, rd_kafka_error_string(error.get())));
}

// The next writer aborts what this one has begun.
tl::unexpected<Error> KafkaOutput::give_up(rd_kafka_resp_err_t error, std::string_view text) {
  char why[512];
  auto fatal = rd_kafka_fatal_error(writer_.get(), why, sizeof why);
  bool replaced = has_been_replaced(error) || has_been_replaced(fatal);
  writer_.reset();
  std::string doing = fmt::format("writing to {}", options_.topic);
  if (replaced)
    return fail(Code::conflict, "{}: another process writes what partition {} of {} becomes", doing,
                source_.value, options_.source_topic);
  return kafka_error(error, doing, text);
}

}  // namespace

std::unique_ptr<OutputTopic> open_output_topic(const OutputOptions& options, Partition source) {
  return std::make_unique<KafkaOutput>(options, source);
}

}  // namespace tillrace::log
