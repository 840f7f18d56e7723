// From the log's records to a sink's batch. No I/O.
#pragma once
#include "log/log.h"
#include "model/event_json.h"
#include "warehouse/batch_writer.h"

namespace tillrace::processor {

// Fills lines and rejected from `records`: a record that is no valid event is rejected with its
// reason, never dropped. A line's identity is its record's.
void decode(std::vector<StoredRecord> records, EventParser& parser, warehouse::Batch& batch);

}  // namespace tillrace::processor
