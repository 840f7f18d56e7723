// Internal to the room; includes librdkafka. Batches on their way to the brokers.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "log/kafka_client.h"
#include "log/kafka_log.h"

namespace tillrace::log {

// A batch whose records the library borrows until each is settled: delivered, or failed.
struct KafkaBatch {
  struct Slot {  // what the library hands back with a record
    KafkaBatch* batch;
    std::size_t index;
  };

  std::vector<Record> records;
  std::vector<Appended> places;  // offsets once all is settled
  std::size_t bytes = 0;
  std::optional<Receipt> receipt;
  AppendDone done;
  std::chrono::nanoseconds sent_at{0};

  // The producer's.
  std::vector<Slot> slots;
  std::atomic<std::size_t> unsettled = 0;
  std::atomic<bool> is_stored_in_part = false;
  Mutex mutex;
  std::optional<Error> error GUARDED_BY(mutex);  // the first

  void fail_with(Error first);
  // Once all is settled. Never invalid where part of the batch is stored: a repeat is wanted then.
  std::optional<Error> failure();
};
using SettledBatches = std::vector<std::unique_ptr<KafkaBatch>>;

// Called with batches of which every record is settled, from the producer's thread; or, with one
// that failed, from within send().
using OnSettled = std::function<void(SettledBatches)>;

// Owns the thread "log-append", which takes the brokers' reports. The library keeps order and drops
// what a repeated request would double (enable.idempotence). Where it finds that it can no longer
// promise that, the client is made anew: what was on its way fails, and comes again from whoever
// sent it. While none can be made, all that is sent fails with unavailable, and it is tried again.
class KafkaProducer {
 public:
  // max_request_bytes: of one partition's records together, as the topic takes them.
  static Result<std::unique_ptr<KafkaProducer>> open(const KafkaLogOptions& options,
                                                     std::size_t max_request_bytes,
                                                     OnSettled on_settled);
  KafkaProducer(const KafkaLogOptions& options, std::size_t max_request_bytes,
                OnSettled on_settled)  // for open()
      : options_(options),
        max_request_bytes_(max_request_bytes),
        on_settled_(std::move(on_settled)) {}
  // Waits until all that was sent is settled: at most about options.delivery_timeout_ms.
  ~KafkaProducer();
  KafkaProducer(const KafkaProducer&) = delete;
  KafkaProducer& operator=(const KafkaProducer&) = delete;

  // Each record to the partition that batch.places has for it. Thread-safe; what one thread sends
  // keeps its order.
  void send(std::unique_ptr<KafkaBatch> batch);

  // For tests: as if the brokers had lost what the library's promise rests on.
  void lose_idempotence();

 private:
  Status connect();
  rd_kafka_resp_err_t produce(KafkaBatch::Slot& slot);
  void run(const std::stop_token& stop);
  void serve(int timeout_ms);
  void take_reports(rd_kafka_event_t& event);
  void take_report(const rd_kafka_message_t& report);
  void give_up_client();
  void replace_client();
  void hand_on();

  const KafkaLogOptions& options_;
  const std::size_t max_request_bytes_;
  const OnSettled on_settled_;

  std::shared_mutex replacing_;  // shared to produce, exclusive to make the client anew
  KafkaHandle client_;
  KafkaTopic topic_;
  KafkaQueue events_;
  std::atomic<std::size_t> in_flight_ = 0;  // batches

  // The thread's.
  SettledBatches settled_;
  bool is_fatal_ = false;  // until there is another client
  std::chrono::steady_clock::time_point retry_at_;
  std::jthread thread_;
};

}  // namespace tillrace::log
