// EventId: a line's identity within its invoice. Encodings and namespaces:
// docs/formats/event-id.md.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace tillrace {

// A UUID (RFC 9562) in network byte order.
struct EventId {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const EventId&) const = default;
};

// 8-4-4-4-12 lower-case hex digits.
std::string to_string(const EventId& id);
// Any case; with its four hyphens; nothing around it.
Result<EventId> parse_event_id(std::string_view text);

// UUIDv5 of `name` in `space` (RFC 9562, section 5.5).
EventId name_based(const EventId& space, std::string_view name);

// The identity of line `line_no` of invoice `invoice_no`: the same for whoever derives it, today or
// in a rebuild.
EventId derived_event_id(std::string_view invoice_no, std::int32_t line_no);
// The identity that `post` gives to an event of a file which has none of its own. `content` names
// what the file holds up to that event; `place` counts from 1.
EventId file_event_id(std::string_view content, std::uint64_t place);
// The identity of record `index` (from 0) of what `client` sent under an idempotency key, where the
// record has none of its own: the same for the same request sent again. `key` holds no line feed.
EventId keyed_event_id(std::string_view client, std::string_view key, std::uint64_t index);
// The identity of a record that reached the log past every gateway and has none of its own: the
// same for every reader and every rebuild. `topic_id`: the topic's UUID in lower case.
EventId placed_event_id(std::string_view topic_id, std::int32_t partition, std::int64_t offset);
// UUIDv7 (RFC 9562, section 5.7): grows with time to the millisecond, random below.
EventId fresh_event_id(Clock& clock, Random& random);

}  // namespace tillrace
