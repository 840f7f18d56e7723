// A Delta table of very many small commits: how long opening it takes, and how much memory, before
// and after it is compacted, each time in a process of its own; and how large the compacted files
// are. Exits 1 beyond the limits.
//
//   lake_open [COMMITS]     10,009 by default, nine of them after the last checkpoint; minutes
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "lake/delta_compaction.h"
#include "lake/delta_scan.h"
#include "lake/delta_table.h"
#include "lake/folder_store.h"

namespace tillrace::lake {
namespace {

constexpr int kOpens = 9;
constexpr double kMostOpenMs = 100;
constexpr double kMostMemoryMb = 100;
constexpr int kRowsACommit = 40;
// Small, so that 10,000 small files make several of it. All but the last of its files are to lie
// within two fifths of it.
constexpr std::uint64_t kTargetBytes = 4ULL * 1024 * 1024;

constexpr const char* kTable = "t";

// All that a process of its own needs.
struct Lake {
  explicit Lake(const std::filesystem::path& folder)
      : store(*FolderStore::open(folder / "store", clock, random)),
        duck(*Duck::open({.memory_limit_mb = 256, .threads = 1, .temp_folder = {}})),
        session(*DuckSession::open(duck)),
        spool(folder / "spool") {}
  LakePorts ports() { return {*store, session, clock, random, spool}; }

  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<FolderStore> store;
  Duck duck;
  DuckSession session;
  std::filesystem::path spool;
};

struct Opened {
  double ms = 0;
  double peak_mb = 0;
  std::int64_t version = 0;
  std::int64_t files = 0;
};

struct Compacted {
  std::int64_t rows = 0;
  std::int64_t files = 0;
  std::int64_t smallest_bytes = 0;  // of all but one, which has what was left
  std::int64_t largest_bytes = 0;
};

// What `work` answers in a process of its own, so that neither memory nor caches are shared.
template <class Answer>
Answer apart(const std::function<Answer()>& work) {
  int ends[2];
  CHECK(::pipe(ends) == 0);
  std::fflush(stdout);
  pid_t pid = ::fork();
  if (pid == 0) {
    Answer answer = work();
    CHECK(::write(ends[1], &answer, sizeof answer) == sizeof answer);
    ::_exit(0);
  }
  ::close(ends[1]);
  Answer answer{};
  CHECK(::read(ends[0], &answer, sizeof answer) == sizeof answer);
  ::close(ends[0]);
  CHECK(::waitpid(pid, nullptr, 0) == pid);
  return answer;
}

TableSpec spec() {
  return {.schema = {{{"event_id", "string"},
                      {"raw", "string"},
                      {"topic", "string"},
                      {"offset", "long"},
                      {"received_at", "timestamp"}}},
          .partition_columns = {},
          .properties = {},
          .name = {},
          .description = {}};
}

int make(const std::filesystem::path& folder, int commits) {
  Lake lake(folder);
  auto table = DeltaTable::create(lake.ports(), kTable, spec());
  CHECK(table);
  for (int i = 0; i < commits; ++i) {
    auto files = table->write(fmt::format(
        "SELECT uuid()::VARCHAR AS event_id, repeat(uuid()::VARCHAR, 3) AS raw, 'events' AS topic,"
        " i AS offset, TIMESTAMPTZ '2026-01-01 00:00:00+00' + i * INTERVAL 1 SECOND AS received_at"
        " FROM range({}, {}) t(i)",
        i * kRowsACommit, (i + 1) * kRowsACommit));
    CHECK(files);
    auto transaction = table->append(std::move(*files));
    transaction.txns = {{"bench", table->snapshot().txn("bench"), i}};
    CHECK(table->commit(transaction));
  }
  return commits;
}

Opened open_once(const std::filesystem::path& folder) {
  Lake lake(folder);
  auto began = lake.clock.monotonic();
  auto table = DeltaTable::open(lake.ports(), kTable);
  std::chrono::duration<double, std::milli> took = lake.clock.monotonic() - began;
  CHECK(table);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {took.count(), static_cast<double>(usage.ru_maxrss) / 1024, table->snapshot().version(),
          static_cast<std::int64_t>(table->snapshot().files().size())};
}

Compacted compact_all(const std::filesystem::path& folder) {
  Lake lake(folder);
  auto table = DeltaTable::open(lake.ports(), kTable);
  CHECK(table);
  while (true) {
    auto report = compact(*table, {.target_bytes = kTargetBytes});
    CHECK(report);
    if (report->files_before == 0) break;
  }
  std::vector<std::int64_t> sizes;
  for (const auto& [path, file] : table->snapshot().files()) sizes.push_back(file.size);
  std::ranges::sort(sizes);
  auto scan = Scan::of(lake.ports(), kTable, table->snapshot());
  CHECK(scan);
  auto rows = lake.session.query("SELECT count(DISTINCT \"offset\") FROM (" + scan->sql() + ")");
  CHECK(rows);
  CHECK(rows->next());
  CHECK(sizes.size() > 2);
  return {rows->integer(0), static_cast<std::int64_t>(sizes.size()), sizes[1], sizes.back()};
}

bool within(const char* what, double value, double limit) {
  std::printf("  %-34s %8.1f (at most %.0f)%s\n", what, value, limit,
              value <= limit ? "" : "   TOO MUCH");
  return value <= limit;
}

// The median of the times: what else runs on the machine only ever makes one longer.
bool measure(const char* when, const std::filesystem::path& folder) {
  std::vector<double> times;
  Opened opened;
  double peak_mb = 0;
  for (int i = 0; i < kOpens; ++i) {
    opened = apart<Opened>([&] { return open_once(folder); });
    times.push_back(opened.ms);
    peak_mb = std::max(peak_mb, opened.peak_mb);
  }
  std::ranges::sort(times);
  std::printf("%s: version %lld, %lld files\n", when, static_cast<long long>(opened.version),
              static_cast<long long>(opened.files));
  bool fast = within("open, ms, median of 9", times[kOpens / 2], kMostOpenMs);
  std::printf("  %-34s %8.1f to %.1f\n", "open, ms, all", times.front(), times.back());
  return within("resident memory, MB", peak_mb, kMostMemoryMb) && fast;
}

bool measure_compaction(const std::filesystem::path& folder, std::int64_t rows) {
  auto compacted = apart<Compacted>([&] { return compact_all(folder); });
  CHECK(compacted.rows == rows);
  auto mb = [](auto bytes) { return static_cast<double>(bytes) / (1024 * 1024); };
  std::printf("compaction to %.1f MB: %lld files of %.1f to %.1f MB, one of them less\n",
              mb(kTargetBytes), static_cast<long long>(compacted.files),
              mb(compacted.smallest_bytes), mb(compacted.largest_bytes));
  return within("smallest: hundredths missing",
                100 - 100 * mb(compacted.smallest_bytes) / mb(kTargetBytes), 40) &&
         within("largest: hundredths of target",
                100 * mb(compacted.largest_bytes) / mb(kTargetBytes), 140);
}

}  // namespace

int run(int commits) {
  std::string pattern = (std::filesystem::temp_directory_path() / "lake-open-XXXXXX").string();
  std::filesystem::path folder = ::mkdtemp(pattern.data());
  apart<int>([&] { return make(folder, commits); });
  bool good = measure("after the commits", folder);
  good = measure_compaction(folder, std::int64_t{commits} * kRowsACommit) && good;
  good = measure("after the compaction", folder) && good;
  std::filesystem::remove_all(folder);
  return good ? 0 : 1;
}

}  // namespace tillrace::lake

int main(int argc, char** argv) {
  return tillrace::lake::run(argc > 1 ? std::stoi(argv[1]) : 10'009);
}
