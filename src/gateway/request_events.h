// A request's body as records for the log, or the problem to answer. No I/O.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "http/message.h"
#include "model/event_json.h"
#include "model/record.h"

namespace tillrace::gateway {

struct EventLimits {
  std::size_t max_batch_bytes = 8 << 20;
  std::size_t max_batch_records = 100'000;
  std::size_t max_record_bytes = EventParser::kMostBytes;
};

enum class BodyForm : std::uint8_t { one, array, lines };  // numbers: docs/formats/idempotency.md

// Names the records of a request that has an Idempotency-Key: those that bring no identity of their
// own get one from it, the same when the request comes again.
struct KeyedNames {
  std::string client;             // whose key it is; empty where nobody is told apart
  std::string key;                // visible ASCII
  std::uint64_t first_index = 0;  // of the body's first record
};

struct RequestEvents {
  BodyForm form = BodyForm::one;
  std::vector<Record> records;  // never empty
};

// What a refusal counts as in the metrics: a small fixed set.
struct Refusal {
  std::string_view reason;
  http::Response answer;
};

// `type` of a Content-Type without regard to case and to "charset=utf-8".
bool is_ndjson(std::string_view content_type);

// `body` of `content_type` (application/json with one object or an array; application/x-ndjson).
// All records, or the answer that says what is wrong with which of them: 400, 413, 415 or 422. A
// record's EventId is the one it brings, else derived from InvoiceNo and LineNo, else from `keyed`,
// else fresh. Records are kept as received, without blanks around them. A 422 lists the index of
// every bad record, and of the first 1,000 each field, its rule and its value.
tl::expected<RequestEvents, Refusal> read_events(std::string_view content_type,
                                                 std::string_view body, const EventLimits& limits,
                                                 EventParser& parser, Clock& clock, Random& random,
                                                 const KeyedNames* keyed = nullptr);

// A record that is no event, by its index among those of its text.
struct BadRecord {
  std::size_t index = 0;
  Rejection rejection;
};
void write_errors(JsonWriter& json, const Rejection& rejection);

// Some lines of a longer body: the good ones for the log, the bad ones for the answer.
struct SortedLines {
  std::size_t count = 0;
  std::vector<Record> records;
  std::vector<BadRecord> refused;  // by ascending index; behind 1,000 of them without errors
};
SortedLines sort_lines(std::string_view lines, const EventLimits& limits, EventParser& parser,
                       Clock& clock, Random& random, const KeyedNames* keyed = nullptr);

}  // namespace tillrace::gateway
