// A request's body as records for the log, or the problem to answer. No I/O.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "http/message.h"
#include "model/event_json.h"
#include "model/record.h"

namespace tillrace::gateway {

struct EventLimits {
  std::size_t max_batch_bytes = 8 << 20;
  std::size_t max_batch_records = 100'000;
  std::size_t max_record_bytes = 256 << 10;
};

enum class BodyForm { one, array, lines };

struct RequestEvents {
  BodyForm form = BodyForm::one;
  std::vector<Record> records;  // never empty
};

// What a refusal counts as in the metrics: a small fixed set.
struct Refusal {
  std::string_view reason;
  http::Response answer;
};

// `body` of `content_type` (application/json with one object or an array; application/x-ndjson).
// All records, or the answer that says what is wrong with which of them: 400, 413, 415 or 422. A
// record's EventId is the one it brings, else derived from InvoiceNo and LineNo, else fresh.
// Records are kept as received, without blanks around them. A 422 lists the index of every bad
// record, and of the first 1,000 each field, its rule and its value.
tl::expected<RequestEvents, Refusal> read_events(std::string_view content_type,
                                                 std::string_view body, const EventLimits& limits,
                                                 EventParser& parser, Clock& clock, Random& random);

}  // namespace tillrace::gateway
