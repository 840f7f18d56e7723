// What the processor makes of the log's events, on a topic of Kafka for whoever wants to read it.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "log/kafka_options.h"
#include "model/record.h"

namespace tillrace::log {

struct OutputOptions {
  KafkaConnection connection;
  std::string topic;         // where it goes
  std::string source_topic;  // the log's, and
  std::string source_id;     // its identity: a mark of another topic of that name is none of ours
  // The consumer group whose committed offsets of the source are the marks.
  std::string group;
  std::string compression = "lz4";
  int timeout_ms = 30'000;  // of one transaction
};

struct OutputRecord {
  std::string key;  // decides the partition, by murmur2 as in the log
  std::string value;
};

// One partition's way out. Each write is a transaction of Kafka that holds the records and, as an
// offset of the group, the new mark: a reader of committed records (isolation.level =
// read_committed) gets each record once, whoever crashes when.
//
// Kafka lets in one writer of a partition at a time: the last that asked for the mark. An earlier
// one gets conflict from then on, until it asks itself. Not thread-safe.
//
// The group's offsets last as long as Kafka keeps them: for good while a member of the group is
// alive, and offsets.retention.minutes (7 days) after the last has left.
class OutputTopic {
 public:
  virtual ~OutputTopic() = default;
  // Ends what an earlier writer has begun. Nothing when there is no mark yet. corrupt: it belongs
  // to another topic of that name. unavailable: no broker answers.
  virtual Result<std::optional<Offset>> mark() = 0;
  // Records and mark, or nothing. To be called after mark(), and after a failure only after it:
  // conflict: another writer has the partition. not_found: there is no such topic. invalid: a
  // record is larger than the brokers take. unavailable: the transaction may have been committed.
  virtual Status write(const std::vector<OutputRecord>& records, Offset mark) = 0;
  // False after a failure, and before mark() was asked.
  virtual bool is_open() const = 0;
};

// Connects when it is first asked.
std::unique_ptr<OutputTopic> open_output_topic(const OutputOptions& options, Partition source);

}  // namespace tillrace::log
