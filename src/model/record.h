// What the log keeps: records, and the words for places in it.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/event_id.h"

namespace tillrace {

// A record's place in its partition, from 0, without holes in the embedded log.
struct Offset {
  std::int64_t value = 0;
  auto operator<=>(const Offset&) const = default;
};

struct Partition {
  std::int32_t value = 0;
  auto operator<=>(const Partition&) const = default;
};

// One accepted event as the log keeps it. Kafka: key, value and the headers event_id and
// received_at.
struct Record {
  std::string key;    // InvoiceNo; decides the partition
  std::string value;  // the event's JSON as received
  EventId event_id;
  UtcMicros received_at;  // from 1970 to kLatestTime
};

// A record read back, with its place.
struct StoredRecord {
  Offset offset;
  Record record;
  // It reached Kafka past every gateway: its event_id follows from its place alone, and yields to
  // what the event says of itself (own_event_id()).
  bool is_foreign = false;
};

// How far a sink has come in a partition: the next offset it wants. What lies below is done.
struct Checkpoint {
  std::string topic;
  Partition partition;
  Offset next;
};

// The partition of `key` among `partitions` (> 0): murmur2 with the seed 0x9747b28c, sign bit
// cleared, modulo; what Kafka's Java client does (org.apache.kafka.common.utils.Utils.murmur2), so
// both logs agree.
Partition partition_of(std::string_view key, std::int32_t partitions);

}  // namespace tillrace
