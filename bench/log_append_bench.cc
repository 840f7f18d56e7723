// The embedded log's append against a raw file that takes the same bytes with the same number of
// syncs, in one run.
//
//   log_append FOLDER     on the disk to measure; about 15 seconds
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
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

constexpr double kSeconds = 4;

struct Load {
  const char* name;
  int appenders;  // each waits for its answer before it sends the next
  int events_a_batch;
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
  auto append = [&](std::uint64_t seed) {
    SeededRandom own(seed);
    std::vector<Record> batch;
    for (int i = 0; i < load.events_a_batch; ++i) batch.push_back(event(own));
    for (; !over; ++batches) CHECK((*log)->append_and_wait(batch).has_value());
  };
  auto started = clock.monotonic();
  {
    std::vector<std::jthread> appenders;
    for (int i = 0; i < load.appenders; ++i) appenders.emplace_back(append, i);
    clock.sleep_for(std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(kSeconds)));
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

void compare(const std::filesystem::path& folder, const Load& load) {
  std::filesystem::create_directories(folder);
  Outcome log = run_log(folder, load);
  double raw_seconds = run_raw(folder, log);
  std::printf(
      "%-44s %9.0f batches/s %9.0f events/s %6.1f MB/s %6.0f syncs/s   raw file %9.0f events/s   "
      "ratio %3.0f %%\n",
      load.name, log.batches / log.seconds, log.events / log.seconds, log.bytes / log.seconds / 1e6,
      log.syncs / log.seconds, log.events / raw_seconds, 100 * raw_seconds / log.seconds);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tillrace

// log_append_bench [FOLDER]: on the disk of FOLDER; without one, on that of temporary files.
int main(int argc, char** argv) {
  using tillrace::Load;
  std::filesystem::path disk = argc > 1 ? argv[1] : std::filesystem::temp_directory_path();
  std::filesystem::path folder = disk / fmt::format("tillrace-log-append-{}", ::getpid());
  for (const Load& load : {Load{"1 appender, batches of 1 event", 1, 1},
                           Load{"64 appenders, batches of 1 event", 64, 1},
                           Load{"1 appender, batches of 1,000 events", 1, 1000},
                           Load{"4 appenders, batches of 1,000 events", 4, 1000}})
    tillrace::compare(folder, load);
}
