// A process that dies at any step of its work on a table, between any two writes to the store: the
// next one finds every row once, and goes on. (Deaths inside one write are the store's own tests.)
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "base/check.h"
#include "lake/delta_checkpoint.h"
#include "lake/delta_compaction.h"
#include "lake/delta_for_tests.h"
#include "lake/delta_paths.h"
#include "lake/delta_vacuum.h"
#include "lake/faulty_store_for_tests.h"

namespace tillrace::lake {
namespace {

const VacuumOptions kAtOnce{.retention = std::chrono::milliseconds(0), .force = true};
constexpr int kAppends = 2;

bool writes(std::string_view operation) { return operation != "get" && operation != "list"; }

// The next row is the mark, and the mark moves with it: rows are always those below the mark.
void append_next(DeltaTable& table, std::int64_t* acknowledged) {
  auto mark = table.snapshot().txn("sink");
  auto transaction = table.append(*table.write(fmt::format("SELECT {} AS id", mark.value_or(0))));
  transaction.txns = {{"sink", mark, mark.value_or(0) + 1}};
  CHECK(table.commit(transaction));
  *acknowledged = mark.value_or(0) + 1;
}

// Does all that is ever done to a table, and dies at write number `last`; returns if there are
// fewer.
void live(const std::filesystem::path& folder, int last, Fault death, std::int64_t* acknowledged) {
  Lake lake(folder, static_cast<std::uint64_t>(last + 100));
  FaultyStore store(lake.store());
  store.play([=, number = 0](std::string_view operation, std::string_view) mutable {
    return writes(operation) && number++ == last ? death : Fault::none;
  });
  auto spec = numbers_spec();
  spec.properties = {{"delta.checkpointInterval", "2"},
                     {"delta.logRetentionDuration", "interval 0 seconds"}};
  auto table = DeltaTable::open_or_create(lake.ports(store), "t", spec);
  CHECK(table);
  for (int i = 0; i < kAppends; ++i) append_next(*table, acknowledged);
  CHECK(compact(*table, {}));
  CHECK(vacuum(*table, kAtOnce));
  CHECK(table->checkpoint());
  DeltaLog log(store, "t");
  CHECK(clean_log(lake.ports(store), log, table->snapshot()));
}

class DeltaCrash : public testing::Test {
 protected:
  DeltaCrash() {
    void* shared = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    acknowledged_ = static_cast<std::int64_t*>(shared);
  }
  ~DeltaCrash() override { ::munmap(acknowledged_, sizeof(std::int64_t)); }

  // Whether the victim was killed; false when it came to its end.
  bool victim_dies(int last, Fault death) {
    pid_t pid = ::fork();
    if (pid == 0) {
      live(scratch_.path(), last, death, acknowledged_);
      ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    EXPECT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return killed;
  }

  void expect_every_row_once() {
    Lake lake(scratch_.path());
    auto table = DeltaTable::open(lake.ports(), "t");
    ASSERT_TRUE(table || *acknowledged_ == 0) << table.error().message;
    if (!table) return;
    auto mark = table->snapshot().txn("sink").value_or(0);
    EXPECT_GE(mark, *acknowledged_);
    EXPECT_LE(mark, *acknowledged_ + 1);
    EXPECT_EQ(lake.rows_of(*table, "count(*), count(DISTINCT id), coalesce(max(id), -1) + 1"),
              std::vector<std::string>{fmt::format("{0}|{0}|{0}", mark)});
    *acknowledged_ = mark;
  }

  void expect_vacuum_leaves_what_is_referred_to() {
    Lake lake(scratch_.path());
    auto table = DeltaTable::open(lake.ports(), "t");
    ASSERT_TRUE(table);
    ASSERT_TRUE(vacuum(*table, kAtOnce));
    std::set<std::string> left;
    ASSERT_TRUE(lake.store().list(
        "t/part", [&](const StoredFile& file) { return left.insert(file.path.substr(2)).second; }));
    std::set<std::string> wanted;
    for (const auto& [path, file] : table->snapshot().files()) wanted.insert(path);
    EXPECT_EQ(left, wanted);
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  std::int64_t* acknowledged_;
};

TEST_F(DeltaCrash, WhereverItDiesEveryRowIsThereOnce) {
  if (!kCanFork) GTEST_SKIP() << "no processes under the thread sanitizer";
  int deaths = 0;
  for (int last = 0;; ++last) {
    bool before = victim_dies(last, Fault::killed_before);
    expect_every_row_once();
    bool after = victim_dies(last, Fault::killed_after);
    expect_every_row_once();
    if (HasFailure() || (!before && !after)) break;
    deaths += 2;
  }
  EXPECT_GE(deaths, 20);
  expect_vacuum_leaves_what_is_referred_to();
}

}  // namespace
}  // namespace tillrace::lake
