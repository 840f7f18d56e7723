// The gateway's answers, as docs at /openapi.json describe them. No I/O.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "gateway/request_events.h"
#include "http/message.h"
#include "log/log.h"

namespace tillrace::gateway {

// Counts a record that lies at `place` in. `ranges`: one a partition, by ascending partition;
// within a partition places come one behind the other.
void add_place(std::vector<log::AppendedRange>& ranges, const log::Appended& place);
// What a batch's places come to: one range a partition, by ascending partition. Places are in the
// batch's order, so ascending within each partition, and without holes (one batch is one write).
std::vector<log::AppendedRange> ranges_of(const std::vector<log::Appended>& places);
void write_ranges(JsonWriter& json, const std::vector<log::AppendedRange>& ranges);

// 201 for what lies at `ranges`; `first` is the identity of a single event.
http::Response created(BodyForm form, const EventId& first,
                       const std::vector<log::AppendedRange>& ranges);

// Why the log did not take a batch: 413, 429, 500 or 503.
http::Response append_failure(const Error& error, int retry_after_s);
http::Response with_retry_after(http::Response response, int seconds);

http::Response malformed_query(std::string_view detail);                 // 400
http::Response invalid_idempotency_key(std::string_view why);            // 400
http::Response ndjson_wanted(std::string_view content_type);             // 415
http::Response key_reused();                                             // 422
http::Response rate_limited(std::string_view limit, int retry_after_s);  // 429
http::Response no_records();                                             // 400

}  // namespace tillrace::gateway
