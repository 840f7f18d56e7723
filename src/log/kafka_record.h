// Internal to the room; includes librdkafka. How a record lies in Kafka (docs/formats/kafka.md).
#pragma once
#include <librdkafka/rdkafka.h>

#include <string>
#include <string_view>

#include "model/record.h"

namespace tillrace::log {

// The record's headers; whoever hands them to the library gives them away.
rd_kafka_headers_t* make_headers(const Record& record);

// Whatever a client has written: what a gateway's headers do not say comes from the topic's id, the
// record's place and Kafka's own time of it; where that is none of the years 1970 to 9999 either,
// it is the time of reading.
StoredRecord stored_record(const rd_kafka_message_t& message, std::string_view topic_id);

}  // namespace tillrace::log
