// Any bytes as a request's body. The first byte of the input chooses content type and limits.
// Either all records come out, each of which is an event again, with nothing between them, or a
// problem is answered.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/request_events.h"

namespace {

using tillrace::EventId;
using tillrace::EventParser;
using tillrace::Record;
using tillrace::gateway::BodyForm;
using tillrace::gateway::EventLimits;
using tillrace::gateway::Refusal;
using tillrace::gateway::RequestEvents;

constexpr std::string_view kTypes[] = {"application/json", "application/x-ndjson",
                                       "application/json; charset=utf-8", ""};

EventLimits limits_for(std::uint8_t choice) {
  EventLimits limits;
  if ((choice & 4) != 0) limits.max_batch_records = 3;
  if ((choice & 8) != 0) limits.max_record_bytes = 200;
  return limits;
}

// What stands before, between and behind records holds no event that was passed over.
void check_gap(std::string_view gap) {
  CHECK(gap.find_first_not_of(" \t\r\n,[]") == std::string_view::npos);
}

void check_records(const RequestEvents& events, std::string_view body, const EventLimits& limits,
                   EventParser& parser) {
  CHECK(!events.records.empty() && events.records.size() <= limits.max_batch_records);
  CHECK(events.form != BodyForm::one || events.records.size() == 1);
  std::size_t from = 0;
  for (const Record& record : events.records) {
    CHECK(record.value.size() <= limits.max_record_bytes);
    std::size_t at = body.find(record.value, from);  // as received, in order
    CHECK(at != std::string_view::npos);
    check_gap(body.substr(from, at - from));
    from = at + record.value.size();
    auto line = parser.parse(record.value);
    CHECK(line && line->invoice_no == record.key);
    if (line->event_id) CHECK(*line->event_id == record.event_id);
    if (!line->event_id && line->line_no)
      CHECK(record.event_id == tillrace::derived_event_id(record.key, *line->line_no));
    CHECK(record.event_id != EventId{} || line->event_id);
  }
  check_gap(body.substr(from));
}

void check_refusal(const Refusal& refusal) {
  const tillrace::http::Response& answer = refusal.answer;
  CHECK(!refusal.reason.empty());
  CHECK(answer.status == 400 || answer.status == 413 || answer.status == 415 ||
        answer.status == 422);
  CHECK(answer.content_type == "application/problem+json");
  CHECK(answer.body.starts_with("{\"type\":\"/problems/") && answer.body.ends_with('}'));
  CHECK(tillrace::is_utf8(answer.body));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static EventParser parser{tillrace::TimeZone{}};
  tillrace::FakeClock clock(tillrace::UtcMicros{1'600'000'000'000'000});
  tillrace::SeededRandom random(7);
  EventLimits limits = limits_for(data[0]);
  std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  auto events =
      tillrace::gateway::read_events(kTypes[data[0] & 3], body, limits, parser, clock, random);
  events ? check_records(*events, body, limits, parser) : check_refusal(events.error());
  return 0;
}
