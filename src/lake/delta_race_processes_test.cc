// Processes that write, compact and vacuum one table at once, on a folder and on Azurite. What they
// leave is held to the log: each commit follows from the one before it, each version has exactly
// the rows that its marks say, and no file that it needs is missing.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <set>

#include "base/logging.h"
#include "lake/azure_store.h"
#include "lake/azurite_for_tests.h"
#include "lake/data_files.h"
#include "lake/delta_compaction.h"
#include "lake/delta_for_tests.h"
#include "lake/delta_log.h"
#include "lake/delta_paths.h"
#include "lake/delta_vacuum.h"

namespace tillrace::lake {
namespace {

constexpr int kAppends = 12;       // of each writer under its own mark
constexpr int kSharedAppends = 8;  // of each under the mark that they fight for
constexpr const char* kShared = "shared";
constexpr std::chrono::seconds kShortRetention{6};

// What the processes tell each other.
struct Told {
  std::atomic<int> writing{2};
  std::atomic<int> lost{0};  // commits that gave up, as the rules have it
  std::atomic<int> compacted{0};
};

// The value, or the end of this process.
template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  logging::error("{}", result.error().message);
  ::_exit(1);
}

class DeltaRaces : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!kCanFork) GTEST_SKIP() << "no processes under the thread sanitizer";
    void* shared =
        ::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    told_ = std::construct_at(static_cast<Told*>(shared));
    if (GetParam() == std::string_view("folder")) return;
    if (!Azurite::shared()) {
      if (std::getenv("CI")) FAIL() << "Azurite is absent";
      GTEST_SKIP() << "Azurite is absent; `tools/install.sh test` installs it";
    }
    container_ = std::make_unique<AzuriteContainer>(*Azurite::shared());
  }
  void TearDown() override {
    if (told_ != nullptr) ::munmap(told_, sizeof(Told));
  }

  // A process of its own has all of its own; its randomness too, which else would be its parent's.
  struct Process {
    Process(DeltaRaces& race, std::uint64_t seed)
        : lake(race.scratch_.path(), seed), store(race.open_store(lake, random)) {}
    LakePorts ports() { return lake.ports(*store); }
    std::vector<std::string> rows(const Snapshot& snapshot, const std::string& columns) {
      auto scan = must(Scan::of(ports(), "t", snapshot));
      return lake.rows("SELECT " + columns + " FROM (" + scan.sql() + ")");
    }
    Lake lake;
    SystemRandom random;
    std::unique_ptr<Store> store;
  };
  std::unique_ptr<Store> open_store(Lake& lake, Random& random) {
    if (!container_) {
      return must(FolderStore::open(scratch_.path() / "store", lake.clock(), random));
    }
    return must(AzureStore::open(container_->options(Azurite::shared()->endpoint()), lake.clock(),
                                 random, metrics_));
  }

  template <class Work>
  void start(const Work& work) {
    pid_t pid = ::fork();
    if (pid != 0) return children_.push_back(pid);
    {
      Process process(*this, children_.size() + 10);  // a seed of its own: no names are the same
      auto table = must(DeltaTable::open(process.ports(), "t"));
      work(process, table);
    }
    ::_exit(0);
  }
  void start_writer(int writer) {
    start([=, this](Process&, DeltaTable& table) {
      for (int i = 0; i < kAppends; ++i) {
        append_below(table, fmt::format("writer-{}", writer), writer * 1000);
        if (i < kSharedAppends) append_below(table, kShared, 9000);
      }
      --told_->writing;
    });
  }
  // Two writers, who begin when all others are there.
  void start_writers() {
    start_writer(0);
    start_writer(1);
  }
  void start_compactor() {
    start([this](Process&, DeltaTable& table) {
      while (told_->writing > 0 || told_->compacted == 0) {
        auto report = must(compact(table, {}));
        told_->lost += static_cast<int>(report.conflicts);
        told_->compacted += static_cast<int>(report.files_before);
      }
    });
  }
  void wait_for_all() {
    for (pid_t pid : children_) {
      int status = 0;
      ASSERT_EQ(::waitpid(pid, &status, 0), pid);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
    }
    children_.clear();
    EXPECT_GT(told_->compacted, 0);
  }

  // The next row of `app` has the id base + mark. Where another process moved the mark meanwhile it
  // is read again.
  void append_below(DeltaTable& table, const std::string& app, int base) {
    while (true) {
      auto mark = table.snapshot().txn(app);
      auto files = must(
          table.write(fmt::format("SELECT {} AS id, '{}' AS word", base + mark.value_or(0), app)));
      auto transaction = table.append(files);
      transaction.txns = {{app, mark, mark.value_or(0) + 1}};
      auto version = table.commit(transaction);
      if (version) return;
      if (version.error().code != Code::conflict || app != kShared) must(std::move(version));
      ++told_->lost;
      discard_data_files(table.ports(), table.path(), files);
    }
  }

  // Replays the log: marks move by one, what is removed was there, what is added was not. Where the
  // files are still there each version has exactly the rows below its marks.
  void expect_serial(Process& process, bool with_rows) {
    DeltaLog log(*process.store, "t");
    Snapshot before;
    std::int64_t last = must(DeltaTable::open(process.ports(), "t")).snapshot().version();
    for (std::int64_t version = 0; version <= last; ++version) {
      auto actions = must(log.read_commit(version));
      for (const auto& action : actions) expect_follows(action, before, version);
      ASSERT_TRUE(before.apply(std::move(actions), version));
      if (with_rows) expect_rows_of_marks(process, before);
    }
  }
  void expect_follows(const Action& action, const Snapshot& before, std::int64_t version) {
    if (const auto* txn = std::get_if<Txn>(&action)) {
      EXPECT_EQ(txn->version, before.txn(txn->app_id).value_or(0) + 1) << "version " << version;
    }
    if (const auto* remove = std::get_if<RemoveFile>(&action)) {
      EXPECT_TRUE(before.files().contains(must(decode_file_path(remove->path)))) << version;
    }
    if (const auto* add = std::get_if<AddFile>(&action)) {
      EXPECT_FALSE(before.files().contains(must(decode_file_path(add->path)))) << version;
    }
  }
  void expect_rows_of_marks(Process& process, const Snapshot& snapshot) {
    auto mark = [&](const char* app) { return snapshot.txn(app).value_or(0); };
    std::int64_t rows = mark("writer-0") + mark("writer-1") + mark(kShared);
    EXPECT_EQ(process.rows(snapshot,
                           "count(*), count(DISTINCT id), count(*) FILTER (id < 1000),"
                           " count(*) FILTER (id >= 9000)"),
              std::vector<std::string>{
                  fmt::format("{0}|{0}|{1}|{2}", rows, mark("writer-0"), mark(kShared))})
        << "version " << snapshot.version();
  }
  void expect_all_rows(Process& process) {
    RecordProperty("commits that lost", told_->lost);
    RecordProperty("files compacted", told_->compacted);
    auto table = must(DeltaTable::open(process.ports(), "t"));
    EXPECT_EQ(table.snapshot().txn("writer-0"), kAppends);
    EXPECT_EQ(table.snapshot().txn("writer-1"), kAppends);
    EXPECT_EQ(table.snapshot().txn(kShared), 2 * kSharedAppends);
    expect_rows_of_marks(process, table.snapshot());
  }
  // After a vacuum of all that is not needed.
  void expect_no_leftovers(Process& process) {
    auto table = must(DeltaTable::open(process.ports(), "t"));
    must(vacuum(table, {.retention = std::chrono::milliseconds(0), .force = true}));
    std::set<std::string> wanted;
    for (const auto& [path, file] : table.snapshot().files()) wanted.insert("t/" + path);
    EXPECT_EQ(files_of(process, "t/part"), wanted);
    expect_rows_of_marks(process, table.snapshot());
  }
  static std::set<std::string> files_of(Process& process, const std::string& prefix) {
    std::set<std::string> found;
    auto listed = process.store->list(
        prefix, [&](const StoredFile& file) { return found.insert(file.path).second; });
    EXPECT_TRUE(listed) << listed.error().message;
    return found;
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Metrics metrics_;
  std::unique_ptr<AzuriteContainer> container_;
  Told* told_ = nullptr;
  std::vector<pid_t> children_;
};

TEST_P(DeltaRaces, TwoWritersAndACompactorLoseAndDoubleNothingInAnyVersion) {
  Process process(*this, 1);
  must(DeltaTable::create(process.ports(), "t", numbers_spec()));
  start_compactor();
  start_writers();
  wait_for_all();
  expect_all_rows(process);
  expect_serial(process, true);
  expect_no_leftovers(process);
}

TEST_P(DeltaRaces, OfTwoCompactorsEachFileIsCompactedByOne) {
  Process process(*this, 1);
  must(DeltaTable::create(process.ports(), "t", numbers_spec()));
  start_compactor();
  start_compactor();
  start_writers();
  wait_for_all();
  expect_all_rows(process);
  expect_serial(process, true);
  expect_no_leftovers(process);
}

TEST_P(DeltaRaces, AVacuumMeanwhileTakesLeftoversAndNothingElse) {
  Process process(*this, 1);
  must(DeltaTable::create(process.ports(), "t", numbers_spec()));
  ASSERT_TRUE(process.store->put("t/part-leftover.zstd.parquet", "of one that was killed"));
  start_compactor();
  start([this](Process& other, DeltaTable& table) {
    bool waits = true;
    while (told_->writing > 0 || waits) {
      must(vacuum(table, {.retention = kShortRetention, .force = true}));
      waits = !files_of(other, "t/part-leftover").empty();
    }
  });
  start_writers();
  wait_for_all();
  expect_all_rows(process);
  expect_serial(process, false);
  expect_no_leftovers(process);
}

INSTANTIATE_TEST_SUITE_P(Folder, DeltaRaces, testing::Values("folder"));
INSTANTIATE_TEST_SUITE_P(Azurite, DeltaRaces, testing::Values("azure"));

}  // namespace
}  // namespace tillrace::lake
