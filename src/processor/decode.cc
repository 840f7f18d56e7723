#include "processor/decode.h"

namespace tillrace::processor {
namespace {

// A gateway has decided already; for a record that came past every gateway the event itself does.
EventId identity_of(const StoredRecord& stored, const Transaction& event) {
  const EventId& given = stored.record.event_id;
  return stored.is_foreign ? own_event_id(event).value_or(given) : given;
}

using warehouse::RejectedKind;
using warehouse::RejectedRecord;

RejectedRecord rejected(StoredRecord& stored, RejectedKind kind, std::string_view field,
                        std::string reason) {
  Record& record = stored.record;
  return {stored.offset,         record.event_id,         record.received_at,
          std::move(record.key), std::move(record.value), kind,
          std::string(field),    std::move(reason)};
}

RejectedRecord no_event(StoredRecord& stored, const Rejection& why) {
  RejectedKind kind = why.malformed ? RejectedKind::not_json : RejectedKind::field;
  return rejected(stored, kind, why.errors.front().field, to_string(why));
}

RejectedRecord too_large(StoredRecord& stored) {
  std::string reason = fmt::format("an event of up to {} bytes, got {}", EventParser::kMostBytes,
                                   stored.record.value.size());
  return rejected(stored, RejectedKind::too_large, "", std::move(reason));
}

}  // namespace

tl::expected<Decoded, RejectedRecord> decode(StoredRecord& stored, EventParser& parser) {
  if (stored.record.value.size() > EventParser::kMostBytes)
    return tl::unexpected(too_large(stored));
  auto event = parser.parse(stored.record.value);
  if (!event) return tl::unexpected(no_event(stored, event.error()));
  EventId id = identity_of(stored, *event);
  return Decoded{id, std::move(*event)};
}

void decode(std::vector<StoredRecord> records, EventParser& parser, warehouse::Batch& batch) {
  batch.lines.reserve(records.size());
  for (StoredRecord& stored : records) {
    auto decoded = decode(stored, parser);
    if (decoded)
      batch.lines.push_back({stored.offset, decoded->id, std::move(decoded->event)});
    else
      batch.rejected.push_back(std::move(decoded.error()));
  }
}

RejectedRecord refused(StoredRecord stored, std::string reason) {
  return rejected(stored, RejectedKind::refused, "", std::move(reason));
}

}  // namespace tillrace::processor
