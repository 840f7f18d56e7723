// The embedded log's append against a raw file that takes the same bytes with the same number of
// syncs, in one run; the main below has the usage.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "log/batch_format.h"
#include "log/embedded_log.h"

namespace tillrace {
namespace {

// A closed loop: each appender waits for its answer before it sends its next batch. They are
// callbacks on a few threads, as the gateway's connections are.
struct Load {
  int appenders = 1;
  int events_a_batch = 1;
  int threads = 2;
  bool receipts = false;
  double seconds = 4;
};

struct Outcome {
  double seconds = 0;
  double batches = 0;
  double events = 0;
  double bytes = 0;
  double syncs = 0;
};

// About 250 bytes, as a real event.
Record event(SeededRandom& random) {
  std::string invoice = std::to_string(536'365 + random.below(25'000));
  std::string json = fmt::format(
      R"({{"InvoiceNo":"{}","StockCode":"{}","Description":"WHITE HANGING HEART T-LIGHT {}",)"
      R"("Quantity":{},"InvoiceDate":"2010-12-01 08:26:00","UnitPrice":{}.{},"CustomerID":"{}",)"
      R"("Country":"United Kingdom","LineNo":{}}})",
      invoice, 10'000 + random.below(80'000), random.below(1'000'000), 1 + random.below(50),
      random.below(20), 10 + random.below(90), 12'346 + random.below(6000), 1 + random.below(20));
  Record made{invoice,
              json,
              {},
              {static_cast<std::int64_t>(1'291'191'960'000'000 + random.below(1'000'000'000))}};
  random.fill(made.event_id.bytes);
  return made;
}

double number_after(const std::string& text, const std::string& name) {
  std::size_t at = text.find("\n" + name + " ");
  CHECK(at != std::string::npos);
  return std::stod(text.substr(at + name.size() + 2));
}

// A thread's appenders that wait for nothing.
class Idle {
 public:
  explicit Idle(int count) : count_(count) {}
  void give() {
    std::lock_guard lock(mutex_);
    ++count_;
    given_.notify_one();
  }
  void take() {
    std::unique_lock lock(mutex_);
    given_.wait(lock, [this] { return count_ > 0; });
    --count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable given_;
  int count_;
};

// One thread's share of the appenders.
void append_until(const std::atomic<bool>& over, log::Log& log, const Load& load, int thread,
                  std::atomic<std::int64_t>& batches) {
  SeededRandom random(static_cast<std::uint64_t>(thread));
  std::vector<Record> batch;
  for (int i = 0; i < load.events_a_batch; ++i) batch.push_back(event(random));
  int share = (load.appenders + load.threads - 1 - thread) / load.threads;
  Idle idle(share);
  for (std::int64_t number = 0; !over; ++number) {
    idle.take();
    std::optional<log::Receipt> receipt;
    if (load.receipts) receipt = {fmt::format("key {} of thread {}", number, thread), "201"};
    log.append(batch, std::move(receipt), [&](const auto& places) {
      CHECK(places.has_value());
      ++batches;
      idle.give();
    });
  }
  for (; share > 0; --share) idle.take();
}

Outcome run_log(const std::filesystem::path& folder, const Load& load) {
  SystemClock clock;
  SeededRandom random(1);
  Metrics metrics;
  log::EmbeddedLogOptions options;
  options.folder = folder;
  auto log = log::open_embedded_log(options, clock, random, metrics);
  CHECK(log.has_value());
  std::atomic<bool> over = false;
  std::atomic<std::int64_t> batches = 0;
  auto started = clock.monotonic();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < load.threads; ++i)
      threads.emplace_back([&, i] { append_until(over, **log, load, i, batches); });
    clock.sleep_for(std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(load.seconds)));
    over = true;
  }
  Outcome outcome;
  outcome.seconds = std::chrono::duration<double>(clock.monotonic() - started).count();
  outcome.batches = static_cast<double>(batches);
  outcome.events = outcome.batches * load.events_a_batch;
  outcome.bytes = number_after(metrics.text(), "tillrace_log_appended_bytes_total");
  outcome.syncs = number_after(metrics.text(), "tillrace_log_sync_seconds_count");
  return outcome;
}

// Seconds for the same bytes with the same number of syncs, into a file that grows as the WAL does.
double run_raw(const std::filesystem::path& folder, const Outcome& same_as) {
  SystemClock clock;
  int fd = ::open((folder / "raw").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0);
  std::string chunk(static_cast<std::size_t>(same_as.bytes / same_as.syncs), 'x');
  auto started = clock.monotonic();
  for (int i = 0; i < static_cast<int>(same_as.syncs); ++i) {
    CHECK(::write(fd, chunk.data(), chunk.size()) == static_cast<ssize_t>(chunk.size()));
    CHECK(::fdatasync(fd) == 0);
  }
  double seconds = std::chrono::duration<double>(clock.monotonic() - started).count();
  ::close(fd);
  return seconds;
}

void compare(const std::filesystem::path& folder, const Load& load, bool as_json) {
  std::filesystem::create_directories(folder);
  Outcome log = run_log(folder, load);
  double raw_seconds = run_raw(folder, log);
  std::filesystem::remove_all(folder);
  if (as_json) {
    fmt::print(
        R"({{"appenders":{},"events_a_batch":{},"receipts":{},"seconds":{:.3f},"batches":{:.0f},)"
        R"("events":{:.0f},"bytes":{:.0f},"syncs":{:.0f},"events_a_second":{:.0f},)"
        R"("events_a_sync":{:.1f},"raw_seconds":{:.3f}}})"
        "\n",
        load.appenders, load.events_a_batch, load.receipts, log.seconds, log.batches, log.events,
        log.bytes, log.syncs, log.events / log.seconds, log.events / log.syncs, raw_seconds);
    return;
  }
  fmt::print(
      "{:2} appenders, {:4} events a batch{}: {:7.0f} events/s {:6.1f} MB/s {:5.0f} syncs/s "
      "{:6.1f} events a sync; raw file {:7.0f} events/s, ratio {:3.0f} %\n",
      load.appenders, load.events_a_batch, load.receipts ? " with a receipt" : "",
      log.events / log.seconds, log.bytes / log.seconds / 1e6, log.syncs / log.seconds,
      log.events / log.syncs, log.events / raw_seconds, 100 * raw_seconds / log.seconds);
}

int run(int argc, char** argv) {
  CLI::App cli("The log's append against a raw file with the same bytes and syncs.");
  std::string disk = std::filesystem::temp_directory_path();
  Load only;
  bool as_json = false;
  cli.add_option("FOLDER", disk, "on the disk to measure; without it that of temporary files");
  auto* appenders = cli.add_option("--appenders", only.appenders, "this load only: at once");
  cli.add_option("--batch", only.events_a_batch, "events a batch")->needs(appenders);
  cli.add_option("--threads", only.threads, "that the appenders share")->needs(appenders);
  cli.add_option("--seconds", only.seconds, "to run")->needs(appenders);
  cli.add_flag("--receipts", only.receipts, "a receipt with each batch")->needs(appenders);
  cli.add_flag("--json", as_json, "one object a line");
  CLI11_PARSE(cli, argc, argv);
  std::vector<Load> loads = {{1, 1}, {64, 1}, {64, 1, 2, true}, {1, 1000}, {4, 1000}};
  if (appenders->count() > 0) loads = {only};
  std::filesystem::path folder =
      std::filesystem::path(disk) / fmt::format("tillrace-log-append-{}", ::getpid());
  for (Load& load : loads) {
    load.threads = std::min(load.threads, load.appenders);
    compare(folder, load, as_json);
  }
  return 0;
}

}  // namespace
}  // namespace tillrace

// log_append_bench [FOLDER] [--json]                             a table of loads
// log_append_bench [FOLDER] --appenders 64 --batch 1 [--json]    one load
int main(int argc, char** argv) { return tillrace::run(argc, argv); }
