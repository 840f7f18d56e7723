// The log on Kafka: appends by batches of some sizes, then a sequential read of all that was
// stored, on a topic of its own; the main below has the usage.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "log/kafka_log.h"
#include "log/kafka_topics.h"

namespace tillrace {
namespace {

struct Load {
  int appenders = 1;  // each waits for its answer before it sends again
  int events_a_batch = 1;
};

// About 250 bytes, as a real event.
Record event(SeededRandom& random) {
  std::string invoice = std::to_string(536'365 + random.below(25'000));
  std::string json = fmt::format(
      R"({{"InvoiceNo":"{}","StockCode":"{}","Description":"WHITE HANGING HEART T-LIGHT {}",)"
      R"("Quantity":{},"InvoiceDate":"2010-12-01 08:26:00","UnitPrice":{}.{},"CustomerID":"{}",)"
      R"("Country":"United Kingdom","LineNo":{}}})",
      invoice, 10'000 + random.below(80'000), random.below(1'000'000), 1 + random.below(50),
      random.below(20), 10 + random.below(90), 12'346 + random.below(6'000), 1 + random.below(20));
  Record made{invoice, json, {}, {1'291'191'960'000'000}};
  random.fill(made.event_id.bytes);
  return made;
}

double seconds_since(SystemClock& clock, std::chrono::nanoseconds started) {
  return std::chrono::duration<double>(clock.monotonic() - started).count();
}

void append(log::Log& log, const Load& load, double seconds) {
  SystemClock clock;
  SeededRandom random(1);
  std::vector<Record> batch;
  for (int i = 0; i < load.events_a_batch; ++i) batch.push_back(event(random));
  std::counting_semaphore<> idle(load.appenders);
  std::atomic<std::int64_t> batches = 0;
  auto started = clock.monotonic();
  while (seconds_since(clock, started) < seconds) {
    idle.acquire();
    log.append(batch, [&](const auto& places) {
      CHECK(places.has_value());
      ++batches;
      idle.release();
    });
  }
  for (int i = 0; i < load.appenders; ++i) idle.acquire();
  double took = seconds_since(clock, started);
  fmt::print("append: {:3} at once, {:5} events a batch: {:8.0f} events/s, {:6.2f} ms a batch\n",
             load.appenders, load.events_a_batch,
             static_cast<double>(batches * load.events_a_batch) / took,
             took * load.appenders / static_cast<double>(batches) * 1'000);
}

// As a sink reads: all partitions, each by a thread of its own, in batches of up to 32,000.
void read(const log::KafkaLogOptions& options) {
  SystemClock clock;
  Metrics metrics;
  auto log = log::open_kafka_log(options, clock, metrics);
  CHECK(log.has_value());
  std::atomic<std::size_t> events = 0, bytes = 0;
  auto started = clock.monotonic();
  auto read_partition = [&](std::int32_t number) {
    Partition partition{number};
    Offset next{0}, end = (*log)->end(partition).value();
    while (next < end) {
      auto fetched = (*log)->read(partition, next, {32'000, 16 << 20});
      CHECK(fetched.has_value());
      events += fetched->records.size();
      for (const StoredRecord& stored : fetched->records) bytes += stored.record.value.size();
      next = fetched->next;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::int32_t i = 0; i < (*log)->partitions(); ++i) threads.emplace_back(read_partition, i);
  }
  double took = seconds_since(clock, started);
  fmt::print("read: {} partitions, {} events: {:8.0f} events/s, {:5.1f} MB/s\n",
             (*log)->partitions(), events.load(), static_cast<double>(events) / took,
             static_cast<double>(bytes) / took / 1e6);
}

int run(int argc, char** argv) {
  CLI::App cli("Appends to and reads from a fresh topic of a Kafka broker; the topic stays there.");
  log::KafkaLogOptions options;
  log::NewKafkaTopic topic;
  double seconds = 4;
  topic.name = fmt::format("tillrace-bench-{}", ::getpid());
  cli.add_option("BROKER", options.connection.brokers, "HOST:PORT")->required();
  cli.add_option("--partitions", topic.partitions, "of the topic");
  cli.add_option("--linger-ms", options.linger_ms, "as kafka.linger_ms");
  cli.add_option("--compression", options.compression, "as kafka.compression");
  cli.add_option("--seconds", seconds, "for each load");
  CLI11_PARSE(cli, argc, argv);
  options.topic = topic.name;
  options.max_waiting_bytes = 128 << 20;
  CHECK(log::create_kafka_topic(options.connection, topic).has_value());
  {
    SystemClock clock;
    Metrics metrics;
    auto log = log::open_kafka_log(options, clock, metrics);
    CHECK(log.has_value());
    for (Load load : {Load{1, 1}, {64, 1}, {1, 1'000}, {4, 1'000}, {8, 5'000}})
      append(**log, load, seconds);
  }
  read(options);
  return 0;
}

}  // namespace
}  // namespace tillrace

// kafka_bench BROKER [--partitions N] [--linger-ms MS] [--compression NAME] [--seconds S]
int main(int argc, char** argv) { return tillrace::run(argc, argv); }
