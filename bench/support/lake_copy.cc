// The log to bronze/transactions, against DuckDB's own COPY of the same rows to Parquet.
//
//   lake_copy EVENTS.ndjson [RUNS]
//
// Fills a log with the file's events. Then, in turn, RUNS times: the lake's loop brings all of it
// into a new lake on a folder, as `tillrace up` would (read, decode, Parquet, fsync, commit); and
// DuckDB copies the same rows, from a table of its own in memory, into one Parquet file, with the
// same compression and row groups. Both have two threads: 60 % of the COPY's rows per second are
// wanted, else the exit code is 1. A COPY on one thread is shown beside them.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/files.h"
#include "lake/delta_scan.h"
#include "lake/folder_store.h"
#include "log/embedded_log.h"
#include "model/event_json.h"
#include "processor/lake_loop.h"

namespace tillrace {
namespace {

namespace fs = std::filesystem;

constexpr double kWanted = 0.6;
constexpr std::size_t kBatch = 1'000;

struct Bench {
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  fs::path folder;
  std::unique_ptr<log::Log> log;
  std::int64_t rows = 0;
};

// What one run took: by the clock, and of processors.
struct Took {
  double seconds = 0;
  double cpu_seconds = 0;
};

class Watch {
 public:
  explicit Watch(Clock& clock) : clock_(clock), began_(clock.monotonic()), cpu_(std::clock()) {}
  Took took() const {
    return {std::chrono::duration<double>(clock_.monotonic() - began_).count(),
            static_cast<double>(std::clock() - cpu_) / CLOCKS_PER_SEC};
  }

 private:
  Clock& clock_;
  const std::chrono::nanoseconds began_;
  const std::clock_t cpu_;
};

void fill(Bench& bench, const std::string& file) {
  log::EmbeddedLogOptions options;
  options.folder = bench.folder / "log";
  auto opened = log::open_embedded_log(options, bench.clock, bench.random, bench.metrics);
  CHECK(opened);
  bench.log = std::move(*opened);
  EventParser parser{TimeZone()};
  std::ifstream lines(file);
  std::vector<Record> batch;
  auto flush = [&] {
    if (!batch.empty()) CHECK(bench.log->append_and_wait(std::exchange(batch, {})));
  };
  for (std::string line; std::getline(lines, line); ++bench.rows) {
    auto event = parser.parse(line);
    CHECK(event);
    EventId id = own_event_id(*event).value_or(fresh_event_id(bench.clock, bench.random));
    batch.push_back({event->invoice_no, std::move(line), id, bench.clock.now()});
    if (batch.size() == kBatch) flush();
  }
  flush();
}

// Seconds for the whole log, into a lake of its own.
Took to_lake(Bench& bench, int run) {
  fs::path root = bench.folder / fmt::format("lake-{}", run);
  auto store = lake::FolderStore::open(root, bench.clock, bench.random);
  CHECK(store);
  processor::LakeSinkOptions options;
  options.spool_folder = bench.folder / "spool";
  options.engine = {.memory_limit_mb = 128,
                    .threads = 2,
                    .keeps_order = false,
                    .temp_folder = bench.folder / "spill"};
  auto sink = processor::LakeSink::open(std::move(options), **store, *bench.log, bench.clock,
                                        bench.random, bench.metrics);
  CHECK(sink);
  processor::SinkKind kind = (*sink)->kind();
  processor::LakeLoop loop(**sink, Partition{0});
  CHECK(loop.run_once(std::chrono::milliseconds(0), {}));  // tables are made
  Watch watch(bench.clock);
  kind.hurry();
  while (loop.mark() != Offset{bench.rows}) CHECK(loop.run_once(std::chrono::milliseconds(0), {}));
  return watch.took();
}

// Seconds for DuckDB's COPY of what the first run brought to the lake.
Took by_copy(Bench& bench, unsigned threads) {
  auto store = lake::FolderStore::open(bench.folder / "lake-0", bench.clock, bench.random);
  CHECK(store);
  auto duck = lake::Duck::open({.memory_limit_mb = 4'000, .threads = threads, .temp_folder = {}});
  CHECK(duck);
  auto session = lake::DuckSession::open(*duck);
  CHECK(session);
  lake::LakePorts ports{**store, *session, bench.clock, bench.random, bench.folder / "spool"};
  auto table = lake::DeltaTable::open(ports, lake::kBronzeTransactions);
  CHECK(table);
  auto scan = lake::Scan::of(ports, table->path(), table->snapshot());
  CHECK(scan);
  CHECK(session->run("CREATE TABLE rows AS " + scan->sql()));
  Watch watch(bench.clock);
  CHECK(session->run(fmt::format(
      "COPY (SELECT * EXCLUDE ingest_date FROM rows) TO {} (FORMAT parquet, COMPRESSION zstd,"
      " ROW_GROUP_SIZE 30720)",
      lake::sql_text((bench.folder / "copy.parquet").string()))));
  return watch.took();
}

Took median(std::vector<Took> all) {
  auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::ranges::nth_element(all, middle, {}, &Took::seconds);
  return *middle;
}

double show(const char* what, std::int64_t rows, const std::vector<Took>& all) {
  Took took = median(all);
  double rate = static_cast<double>(rows) / took.seconds;
  fmt::print("{:<25} {:9.0f} rows/s, {:.2f} s of processors\n", what, rate, took.cpu_seconds);
  return rate;
}

int measure(const std::string& file, int runs) {
  Bench bench;
  bench.folder = fs::temp_directory_path() / fmt::format("lake-copy-{}", ::getpid());
  CHECK(make_folders(bench.folder));
  fill(bench, file);
  std::vector<Took> lake, one, two;
  for (int run = 0; run < runs; ++run) {
    lake.push_back(to_lake(bench, run));
    one.push_back(by_copy(bench, 1));
    two.push_back(by_copy(bench, 2));
  }
  fmt::print("{:<25} {:9}, {} runs, medians\n", "rows", bench.rows, runs);
  double ours = show("log to bronze", bench.rows, lake);
  show("DuckDB's COPY, 1 thread", bench.rows, one);
  double theirs = show("DuckDB's COPY, 2 threads", bench.rows, two);
  bench.log.reset();
  fs::remove_all(bench.folder);
  double ratio = ours / theirs;
  fmt::print("{:<25} {:9.0f} %   (of 2 threads'; wanted: at least {:.0f} %)\n", "ratio",
             100 * ratio, 100 * kWanted);
  return ratio < kWanted ? 1 : 0;
}

}  // namespace
}  // namespace tillrace

int main(int count, char** words) {
  if (count < 2) {
    fmt::print(stderr, "lake_copy EVENTS.ndjson [RUNS]\n");
    return 2;
  }
  return tillrace::measure(words[1], count > 2 ? std::atoi(words[2]) : 5);
}
