#include "log/kafka_producer.h"

#include <algorithm>
#include <mutex>

#include "base/clock.h"
#include "base/logging.h"
#include "base/thread.h"
#include "log/kafka_record.h"

namespace tillrace::log {
namespace {

using std::chrono::steady_clock;

constexpr int kPollMs = 50;  // until a stop is noticed
constexpr std::chrono::seconds kRetryPause{1};
constexpr std::string_view kUnlimited = "0";  // what waits is bounded by bytes, by the log
constexpr std::string_view kMostKilobytes = "2147483647";
constexpr std::size_t kLeastRequestBytes = 1'000,
                      kMostRequestBytes = 1'000'000'000;  // librdkafka's
constexpr std::size_t kFullRequestBytes = 1'000'000;

// The library fills requests up to message.max.bytes, and the topic's limit is one for a request's
// records of a partition, not for each of them.
std::vector<KafkaSetting> producer_settings(const KafkaLogOptions& options,
                                            std::size_t max_request_bytes) {
  std::size_t most = std::clamp(max_request_bytes, kLeastRequestBytes, kMostRequestBytes);
  return {{"enable.idempotence", "true"},
          {"acks", "all"},
          {"message.timeout.ms", std::to_string(options.delivery_timeout_ms)},
          {"message.max.bytes", std::to_string(most)},
          {"batch.size", std::to_string(std::min(most, kFullRequestBytes))},
          {"linger.ms", std::to_string(options.linger_ms)},
          {"compression.codec", options.compression},
          {"queue.buffering.max.messages", std::string(kUnlimited)},
          {"queue.buffering.max.kbytes", std::string(kMostKilobytes)},
          {"retry.backoff.ms", "50"}};
}

// An append never gets not_found, nor anything else that its sender could not understand.
Error append_error(rd_kafka_resp_err_t error, std::string_view topic) {
  std::string doing = fmt::format("cannot append to {}", topic);
  bool is_senders =
      error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_RECORD;
  Error told = kafka_error(error, doing).value();
  return {is_senders ? Code::invalid : Code::unavailable, std::move(told.message)};
}

}  // namespace

void KafkaBatch::fail_with(Error first) {
  MutexLock lock(mutex);
  if (!error) error = std::move(first);
}

std::optional<Error> KafkaBatch::failure() {
  MutexLock lock(mutex);
  if (error && error->code == Code::invalid && is_stored_in_part)
    return Error{Code::unavailable, "part of the batch is stored; " + error->message};
  return error;
}

Result<std::unique_ptr<KafkaProducer>> KafkaProducer::open(const KafkaLogOptions& options,
                                                           std::size_t max_request_bytes,
                                                           OnSettled on_settled) {
  auto producer =
      std::make_unique<KafkaProducer>(options, max_request_bytes, std::move(on_settled));
  if (Status connected = producer->connect(); !connected) return fail(connected.error());
  producer->thread_ = named_thread(
      "log-append", [&each = *producer](const std::stop_token& stop) { each.run(stop); });
  return producer;
}

KafkaProducer::~KafkaProducer() = default;

Status KafkaProducer::connect() {
  auto client = make_kafka_client(RD_KAFKA_PRODUCER, options_.connection,
                                  producer_settings(options_, max_request_bytes_),
                                  RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
  if (!client) return fail(client.error());
  client_ = std::move(*client);
  topic_.reset(rd_kafka_topic_new(client_.get(), options_.topic.c_str(), nullptr));
  events_ = main_queue(*client_);
  return {};
}

// The batch is its own owner while the library has records of it.
void KafkaProducer::send(std::unique_ptr<KafkaBatch> owned) {
  KafkaBatch& batch = *owned.release();
  std::size_t count = batch.records.size();
  batch.unsettled = count;
  for (std::size_t i = 0; i < count; ++i) batch.slots.push_back({&batch, i});
  ++in_flight_;
  std::shared_lock lock(replacing_);
  for (std::size_t sent = 0; sent < count; ++sent) {
    auto error = produce(batch.slots[sent]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    batch.fail_with(append_error(error, options_.topic));
    if (batch.unsettled.fetch_sub(count - sent) != count - sent) return;
    lock.unlock();
    SettledBatches failed;
    failed.emplace_back(&batch);
    on_settled_(std::move(failed));
    --in_flight_;
    return;
  }
}

rd_kafka_resp_err_t KafkaProducer::produce(KafkaBatch::Slot& slot) {
  if (!client_) return RD_KAFKA_RESP_ERR__STATE;
  const Record& record = slot.batch->records[slot.index];
  rd_kafka_headers_t* headers = make_headers(record);
  rd_kafka_vu_t wanted[6];
  wanted[0].vtype = RD_KAFKA_VTYPE_RKT;
  wanted[0].u.rkt = topic_.get();
  wanted[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  wanted[1].u.i32 = slot.batch->places[slot.index].partition.value;
  wanted[2].vtype = RD_KAFKA_VTYPE_KEY;
  wanted[2].u.mem = {const_cast<char*>(record.key.data()), record.key.size()};
  wanted[3].vtype = RD_KAFKA_VTYPE_VALUE;
  wanted[3].u.mem = {const_cast<char*>(record.value.data()), record.value.size()};
  wanted[4].vtype = RD_KAFKA_VTYPE_HEADERS;
  wanted[4].u.headers = headers;
  wanted[5].vtype = RD_KAFKA_VTYPE_OPAQUE;
  wanted[5].u.ptr = &slot;
  KafkaError error(rd_kafka_produceva(client_.get(), wanted, std::size(wanted)));
  if (!error) return RD_KAFKA_RESP_ERR_NO_ERROR;
  rd_kafka_headers_destroy(headers);
  return rd_kafka_error_code(error.get());
}

void KafkaProducer::run(const std::stop_token& stop) {
  while (!stop.stop_requested() || in_flight_ > 0) {
    serve(kPollMs);
    if (is_fatal_) replace_client();
    hand_on();
  }
}

void KafkaProducer::serve(int timeout_ms) {
  if (!events_) return SystemClock().sleep_for(std::chrono::milliseconds(timeout_ms));
  KafkaEvent event(rd_kafka_queue_poll(events_.get(), timeout_ms));
  for (; event; event.reset(rd_kafka_queue_poll(events_.get(), 0))) {
    switch (rd_kafka_event_type(event.get())) {
      case RD_KAFKA_EVENT_DR: take_reports(*event); break;
      case RD_KAFKA_EVENT_ERROR:
        is_fatal_ |= rd_kafka_event_error_is_fatal(event.get()) != 0;
        logging::debug("appending to Kafka: {}", rd_kafka_event_error_string(event.get()));
        break;
      default: break;
    }
    if (settled_.size() >= 64) return;  // others wait for an answer
  }
}

void KafkaProducer::take_reports(rd_kafka_event_t& event) {
  while (const rd_kafka_message_t* report = rd_kafka_event_message_next(&event))
    take_report(*report);
}

void KafkaProducer::take_report(const rd_kafka_message_t& report) {
  auto& slot = *static_cast<KafkaBatch::Slot*>(report._private);
  KafkaBatch& batch = *slot.batch;
  if (report.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    batch.places[slot.index].offset.value = report.offset;
    batch.is_stored_in_part = true;
  } else {
    batch.fail_with(append_error(report.err, options_.topic));
  }
  if (batch.unsettled.fetch_sub(1) == 1) settled_.emplace_back(&batch);
}

// What it holds is given up and reported.
void KafkaProducer::give_up_client() {
  char why[512];
  rd_kafka_fatal_error(client_.get(), why, sizeof why);
  logging::warning("appending to Kafka: {}; the connection is made anew", why);
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  while (rd_kafka_outq_len(client_.get()) > 0) serve(kPollMs);
  topic_.reset();
  events_.reset();
  client_.reset();
}

// Nothing is produced meanwhile.
void KafkaProducer::replace_client() {
  if (steady_clock::now() < retry_at_) return;
  std::unique_lock lock(replacing_);
  if (client_) give_up_client();
  Status connected = connect();
  is_fatal_ = !connected;
  if (connected) return;
  logging::error("appending to Kafka: {}", connected.error().message);
  retry_at_ = steady_clock::now() + kRetryPause;
}

void KafkaProducer::lose_idempotence() {
  std::shared_lock lock(replacing_);
  rd_kafka_test_fatal_error(client_.get(), RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                            "a test's");
}

void KafkaProducer::hand_on() {
  if (settled_.empty()) return;
  std::size_t count = settled_.size();
  on_settled_(std::move(settled_));
  settled_.clear();
  in_flight_ -= count;
}

}  // namespace tillrace::log
