// A place in one of Kafka's consumer groups.
#pragma once
#include <memory>
#include <string>

#include "log/kafka_log.h"
#include "log/membership.h"

namespace tillrace::log {

// A member that reads nothing: the group only decides. While it makes up its mind, mine() stays
// what it was, so that nobody pauses for a rebalance; overlap does no harm (membership.h). A member
// that is silent for options.session_timeout_ms loses its partitions, and comes back by itself.
// Owns the thread "log-member". invalid: the name is no group's.
Result<std::unique_ptr<Membership>> join_kafka_group(const KafkaLogOptions& options,
                                                     const std::string& group);

}  // namespace tillrace::log
