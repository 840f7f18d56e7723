#include "gateway/answers.h"

#include <algorithm>

#include "http/problem.h"

namespace tillrace::gateway {

void add_place(std::vector<log::AppendedRange>& ranges, const log::Appended& place) {
  auto range = std::lower_bound(ranges.begin(), ranges.end(), place.partition,
                                [](const log::AppendedRange& each, Partition partition) {
                                  return each.partition < partition;
                                });
  if (range == ranges.end() || range->partition != place.partition)
    range = ranges.insert(range, {place.partition, place.offset, place.offset, 0});
  range->last = place.offset;
  ++range->count;
}

std::vector<log::AppendedRange> ranges_of(const std::vector<log::Appended>& places) {
  std::vector<log::AppendedRange> ranges;
  for (const log::Appended& place : places) add_place(ranges, place);
  return ranges;
}

void write_ranges(JsonWriter& json, const std::vector<log::AppendedRange>& ranges) {
  json.key("partitions").begin_array();
  for (const log::AppendedRange& range : ranges) {
    json.begin_object().field("partition", std::int64_t{range.partition.value});
    json.field("first_offset", range.first.value).field("last_offset", range.last.value);
    json.field("records", range.count).end_object();
  }
  json.end_array();
}

http::Response created(BodyForm form, const EventId& first,
                       const std::vector<log::AppendedRange>& ranges) {
  JsonWriter json;
  json.begin_object();
  if (form == BodyForm::one) {
    json.field("event_id", to_string(first));
    json.field("partition", std::int64_t{ranges.front().partition.value});
    json.field("offset", ranges.front().first.value);
  } else {
    std::int64_t records = 0;
    for (const log::AppendedRange& range : ranges) records += range.count;
    write_ranges(json.field("accepted", records), ranges);
  }
  json.end_object();
  return {201, {}, "application/json", json.take()};
}

http::Response with_retry_after(http::Response response, int seconds) {
  response.headers.add("Retry-After", std::to_string(seconds));
  return response;
}

http::Response append_failure(const Error& error, int retry_after_s) {
  switch (error.code) {
    case Code::exhausted:
      return with_retry_after(
          http::problem(429, "busy", "Too much is waiting to be stored", error.message),
          retry_after_s);
    case Code::invalid:
      return http::problem(413, "batch-too-large", "The batch is too large for the log",
                           error.message);
    case Code::unavailable:
    case Code::shutting_down:
    case Code::conflict:  // a receipt that went while it was looked at: the next try stores it
      return with_retry_after(
          http::problem(503, "unavailable", "The events could not be stored now",
                        error.message +
                            "; send them again, which is safe for events with an identity "
                            "(EventId, LineNo) or under an Idempotency-Key"),
          retry_after_s);
    default: return http::problem(500, "log-failed", "The log does not take events", error.message);
  }
}

http::Response malformed_query(std::string_view detail) {
  return http::problem(400, "malformed-query", "The query is not understood", detail);
}

http::Response invalid_idempotency_key(std::string_view why) {
  return http::problem(400, "invalid-idempotency-key", "The Idempotency-Key is malformed", why);
}

http::Response ndjson_wanted(std::string_view content_type) {
  return http::problem(415, "unsupported-media-type", "The content type is not taken",
                       fmt::format("'{}' is not taken with partial=true; send "
                                   "application/x-ndjson with one object a line, in UTF-8",
                                   content_type));
}

http::Response key_reused() {
  return http::problem(
      422, "idempotency-key-reused", "The Idempotency-Key belongs to another request",
      "another body was sent under this Idempotency-Key before, and is stored; nothing of this one "
      "was. Send the same body, or choose a new key");
}

http::Response rate_limited(std::string_view limit, int retry_after_s) {
  return with_retry_after(
      http::problem(429, "rate-limited", "This client sends too much",
                    fmt::format("{} are used up; try again in {} s", limit, retry_after_s)),
      retry_after_s);
}

http::Response no_records() {
  return http::problem(400, "malformed-body", "The body is not JSON",
                       "there are no records in the body; send at least one");
}

}  // namespace tillrace::gateway
