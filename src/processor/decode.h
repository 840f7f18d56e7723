// From the log's records to a sink's batch. No I/O.
#pragma once
#include "log/log.h"
#include "model/event_json.h"
#include "warehouse/batch_writer.h"

namespace tillrace::processor {

struct Decoded {
  EventId id;  // see decode()
  Transaction event;
};

// One record. What is rejected is taken from `stored`; of what is an event, it stays whole.
tl::expected<Decoded, warehouse::RejectedRecord> decode(StoredRecord& stored, EventParser& parser);

// Fills lines and rejected from `records`: a record that is no valid event is rejected with its
// reason, never dropped. A line's identity is its record's,
// but where no gateway gave it: then the event's own comes first (docs/formats/event-id.md).
void decode(std::vector<StoredRecord> records, EventParser& parser, warehouse::Batch& batch);

// `stored` as a row for stream.rejected: an event that PostgreSQL refused, for its `reason`.
warehouse::RejectedRecord refused(StoredRecord stored, std::string reason);

}  // namespace tillrace::processor
