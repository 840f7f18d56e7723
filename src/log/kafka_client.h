// Internal to the room; includes librdkafka. What all clients of Kafka share: owners for what the
// library hands out, settings, and its errors in our words.
#pragma once
#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/kafka_options.h"

namespace tillrace::log {

// Owns what `Free` frees.
template <auto Free>
struct Freed {
  template <class Thing>
  void operator()(Thing* thing) const {
    Free(thing);
  }
};
template <class Thing, auto Free>
using Owned = std::unique_ptr<Thing, Freed<Free>>;

using KafkaHandle = Owned<rd_kafka_t, rd_kafka_destroy>;
using KafkaQueue = Owned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using KafkaEvent = Owned<rd_kafka_event_t, rd_kafka_event_destroy>;
using KafkaTopic = Owned<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using KafkaMessage = Owned<rd_kafka_message_t, rd_kafka_message_destroy>;
using KafkaError = Owned<rd_kafka_error_t, rd_kafka_error_destroy>;
using PartitionList = Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;

struct KafkaSetting {
  std::string name;  // of librdkafka's CONFIGURATION.md
  std::string value;
};

// A client. `events` (RD_KAFKA_EVENT_...) come to its main queue, which must then be polled; other
// news of it goes to the program's log. invalid: a setting that the library does not take, such as
// a certificate's file that cannot be read.
Result<KafkaHandle> make_kafka_client(rd_kafka_type_t type, const KafkaConnection& connection,
                                      const std::vector<KafkaSetting>& settings, int events);

KafkaQueue main_queue(rd_kafka_t& client);

// What the library or a broker answered, as one of ours: what can be tried again is unavailable.
Code code_of(rd_kafka_resp_err_t error);
tl::unexpected<Error> kafka_error(rd_kafka_resp_err_t error, std::string_view doing,
                                  std::string_view detail = {});

// Gathers what a client's connections have met, to say why nothing answers.
class ConnectionTrouble {
 public:
  // timeout_ms: how long an answer is waited for.
  ConnectionTrouble(const KafkaConnection& connection, int timeout_ms)
      : connection_(connection), timeout_ms_(timeout_ms) {}

  // An RD_KAFKA_EVENT_ERROR.
  void note(rd_kafka_event_t& event);
  // Waiting on is of no use: the brokers refuse the user.
  bool is_hopeless() const { return error_ == RD_KAFKA_RESP_ERR__AUTHENTICATION; }
  // Why nothing was answered in time.
  Error explain(std::string_view doing) const;

 private:
  const KafkaConnection& connection_;
  const int timeout_ms_;
  rd_kafka_resp_err_t error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  std::string text_;
};

}  // namespace tillrace::log
