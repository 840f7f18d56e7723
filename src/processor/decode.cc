#include "processor/decode.h"

namespace tillrace::processor {

void decode(std::vector<StoredRecord> records, EventParser& parser, warehouse::Batch& batch) {
  batch.lines.reserve(records.size());
  for (StoredRecord& stored : records) {
    Record& record = stored.record;
    auto event = parser.parse(record.value);
    if (event) {
      batch.lines.push_back({stored.offset, record.event_id, std::move(*event)});
    } else {
      batch.rejected.push_back({stored.offset, record.event_id, record.received_at,
                                std::move(record.value), to_string(event.error())});
    }
  }
}

}  // namespace tillrace::processor
