// The log on Apache Kafka: one topic of a cluster, shared by any number of gateways and processors.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "log/kafka_options.h"
#include "log/log.h"

namespace tillrace::log {

struct KafkaLogOptions {
  KafkaConnection connection;
  std::string topic = "ingestion-topic";
  std::int32_t partitions = 0;  // that the topic must have; 0: as it was made
  // Of this gateway's receipts; empty: it takes none, and finds none.
  std::filesystem::path receipts_folder;
  std::size_t max_receipts = 100'000;
  std::int64_t receipt_max_age_h = 24;
  std::size_t max_record_bytes = 1'000'000;  // less where the topic's max.message.bytes is
  std::size_t max_batch_bytes = 16 << 20;
  std::size_t max_waiting_bytes = 32 << 20;  // appended and not yet answered
  int delivery_timeout_ms = 30'000;          // then an append is unavailable
  int linger_ms = 0;                         // how long a record waits for company
  std::string compression = "lz4";           // none, lz4, zstd, snappy, gzip
  int read_timeout_ms = 10'000;              // for records that are known to be there
  std::size_t prefetch_bytes = 16 << 20;     // of each partition that is being read
  int topic_check_interval_ms = 1'000;       // whether it is still the same topic
  // Readers of one store share partitions; join("x") joins the group "<group_prefix>.<topic>.x".
  // Two stores of one kind that both want all of the topic need prefixes of their own.
  std::string group_prefix = "tillrace";
  int session_timeout_ms = 10'000;  // a member silent for so long loses its partitions
};

// Opens a topic that is there. not_found, with how to make it, when it is not; invalid when it has
// another number of partitions, or the brokers refuse the user or their certificate is not trusted;
// unavailable when no broker answers within connection.timeout_ms.
//
// last_write() is unavailable, too, while the brokers do not answer the watch, whether anything is
// appended or not.
//
// Threads: "log-append" takes delivery reports and answers; "log-watch" asks whether the topic is
// still the one that was opened: a topic of the same name, made anew, stops reads and appends with
// corrupt within topic_check_interval_ms. The rest are librdkafka's: one for each client and
// broker.
//
// How the port's contract reads with Kafka:
// - Appended means acknowledged by all in-sync replicas (acks=all), by an idempotent producer.
// - Kafka has no batches over partitions: after unavailable, part of a batch may be stored, and
//   records of one batch become readable one after the other. A repeat has the same event ids, so
//   sinks stay exact, but the log may hold a record twice.
// - Receipts are this gateway's own, in receipts_folder: written, synced, when the batch is
//   acknowledged and before append() answers. After a crash in between, or after unavailable, a
//   repeat is appended once more.
// - A batch with a record beyond what the topic took when it was opened (max.message.bytes) is
//   invalid, and nothing of it stored.
// - Offsets have holes: transactions' markers and what was aborted. end() is the last stable
//   offset; what an open transaction covers is not readable yet.
// - Records may come from anybody: see StoredRecord::is_foreign.
// - The brokers own retention: retain() drops nothing. bytes_on_disk() and bytes_after() are
//   estimates, by the mean size of the records seen so far.
// - Reading is shared out by join(); read() itself takes any partition from any offset.
Result<std::unique_ptr<Log>> open_kafka_log(const KafkaLogOptions& options, Clock& clock,
                                            Metrics& metrics);

}  // namespace tillrace::log
