#include "log/kafka_record.h"

#include <charconv>
#include <optional>

namespace tillrace::log {
namespace {

constexpr const char* kEventIdHeader = "event_id";
constexpr const char* kReceivedAtHeader = "received_at";

void add(rd_kafka_headers_t& headers, const char* name, std::string_view value) {
  rd_kafka_header_add(&headers, name, -1, value.data(), static_cast<ssize_t>(value.size()));
}

// The last header of that name.
std::optional<std::string_view> find(const rd_kafka_headers_t* headers, const char* name) {
  const void* value = nullptr;
  std::size_t size = 0;
  if (headers == nullptr || rd_kafka_header_get_last(headers, name, &value, &size) ||
      value == nullptr)
    return std::nullopt;
  return std::string_view(static_cast<const char*>(value), size);
}

std::optional<EventId> event_id_in(const rd_kafka_headers_t* headers) {
  auto text = find(headers, kEventIdHeader);
  if (!text) return std::nullopt;
  auto id = parse_event_id(*text);
  if (!id) return std::nullopt;
  return *id;
}

std::optional<UtcMicros> received_at_in(const rd_kafka_headers_t* headers) {
  auto text = find(headers, kReceivedAtHeader);
  if (!text) return std::nullopt;
  UtcMicros time;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), time.value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  if (time < UtcMicros{} || time > kLatestTime) return std::nullopt;
  return time;
}

// Kafka's, in milliseconds; -1 where there is none, and a client may write any other.
std::optional<UtcMicros> time_of(const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t kind;
  std::int64_t ms = rd_kafka_message_timestamp(&message, &kind);
  if (kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 || ms > kLatestTime.value / 1'000)
    return std::nullopt;
  return UtcMicros{ms * 1'000};
}

std::string text_of(const void* bytes, std::size_t size) {
  return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

}  // namespace

rd_kafka_headers_t* make_headers(const Record& record) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(2);
  add(*headers, kEventIdHeader, to_string(record.event_id));
  add(*headers, kReceivedAtHeader, std::to_string(record.received_at.value));
  return headers;
}

StoredRecord stored_record(const rd_kafka_message_t& message, std::string_view topic_id) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers)) headers = nullptr;
  auto event_id = event_id_in(headers);
  auto received_at = received_at_in(headers);
  if (!received_at) received_at = time_of(message);
  StoredRecord stored;
  stored.offset.value = message.offset;
  stored.record.key = text_of(message.key, message.key_len);
  stored.record.value = text_of(message.payload, message.len);
  stored.record.event_id =
      event_id ? *event_id : placed_event_id(topic_id, message.partition, message.offset);
  stored.record.received_at = received_at ? *received_at : SystemClock().now();
  stored.is_foreign = !event_id;
  return stored;
}

}  // namespace tillrace::log
