// A process that dies at any step of its work on the lake, before or after any write to the store:
// the next one finds every record once, and goes on.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "processor/lake_for_tests.h"

namespace tillrace::processor {
namespace {

using lake::Fault;

constexpr int kEvents = 40;
constexpr int kGarbage = 4;

// Appends records, and brings them to the lake in several commits; dies at write number `last`.
// Returns when there are fewer.
void live(const std::filesystem::path& folder, int last, Fault death) {
  World world;
  auto log = world.open(log::options_in(folder / "log", 1));
  std::vector<Record> records;
  for (int i = 0; i < kEvents; ++i)
    records.push_back(event_record(std::to_string(last * kEvents + i)));
  for (int i = 0; i < kGarbage; ++i)
    records.insert(records.begin() + i * 10, raw_record("no event", static_cast<std::uint64_t>(i)));
  CHECK(log->append_and_wait(records));
  lake::Lake lake(folder, static_cast<std::uint64_t>(last + 10));
  lake::FaultyStore store(lake.store());
  store.play([=, number = 0](std::string_view operation, std::string_view) mutable {
    return operation.starts_with("put") && number++ == last ? death : Fault::none;
  });
  LakeSinkOptions options;
  options.reader.commit_bytes = 3'000;
  options.reader.chunk_records = 4;
  LakeProcess(folder, *log, store, options).flush(*log);
}

class LakeCrash : public testing::Test {
 protected:
  // Whether the victim was killed; false when it came to its end. It is a program of its own, since
  // the threads of RocksDB do not come along when a process is copied.
  bool victim_dies(int last, Fault death) {
    pid_t pid = ::fork();
    if (pid == 0) {
      std::string round = std::to_string(last);
      ::setenv("TILLRACE_TEST_FOLDER", scratch_.path().c_str(), 1);
      ::setenv("TILLRACE_TEST_LAST", round.c_str(), 1);
      ::setenv("TILLRACE_TEST_DEATH", death == Fault::killed_before ? "before" : "after", 1);
      ::execl("/proc/self/exe", "processor_test", "--gtest_filter=LakeCrashVictim.DISABLED_Lives",
              "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
      ::_exit(127);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    EXPECT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return killed;
  }

  std::vector<std::int64_t> offsets(lake::Lake& lake, const char* path) {
    auto table = lake::DeltaTable::open(lake.ports(), path);
    if (!table && table.error().code == Code::not_found) return {};  // it was not made yet
    EXPECT_TRUE(table) << table.error().message;
    std::vector<std::int64_t> all;
    if (!table) return all;
    for (const std::string& row : lake.rows_of(*table, "\"offset\""))
      all.push_back(std::stoll(row));
    return all;
  }

  // No record twice, and what is missing is all behind what is there.
  void expect_no_hole_and_none_twice() {
    lake::Lake lake(scratch_.path());
    std::vector<std::int64_t> events = offsets(lake, lake::kBronzeTransactions);
    std::vector<std::int64_t> rejected = offsets(lake, lake::kBronzeRejected);
    std::int64_t mark = events.empty() ? 0 : *std::max_element(events.begin(), events.end()) + 1;
    std::erase_if(rejected, [mark](std::int64_t offset) { return offset >= mark; });
    events.insert(events.end(), rejected.begin(), rejected.end());
    std::sort(events.begin(), events.end());
    std::vector<std::int64_t> wanted;
    for (std::int64_t i = 0; i < mark; ++i) wanted.push_back(i);
    EXPECT_EQ(events, wanted);
  }

  // One goes on with what all before left behind.
  void expect_that_all_come_in_once(int rounds) {
    live(scratch_.path(), 1'000'000, Fault::none);
    expect_no_hole_and_none_twice();
    lake::Lake lake(scratch_.path());
    EXPECT_EQ(offsets(lake, lake::kBronzeTransactions).size() +
                  offsets(lake, lake::kBronzeRejected).size(),
              static_cast<std::size_t>((rounds + 1) * (kEvents + kGarbage)));
  }

  ScratchFolder scratch_;
};

TEST(LakeCrashVictim, DISABLED_Lives) {
  const char* folder = std::getenv("TILLRACE_TEST_FOLDER");
  const char* last = std::getenv("TILLRACE_TEST_LAST");
  const char* death = std::getenv("TILLRACE_TEST_DEATH");
  if (!folder || !last || !death) GTEST_SKIP() << "LakeCrash runs this";
  live(folder, std::stoi(last),
       std::string_view(death) == "before" ? Fault::killed_before : Fault::killed_after);
}

TEST_F(LakeCrash, BeforeAnyWriteLosesAndDoublesNothing) {
  if (!lake::kCanFork) GTEST_SKIP() << "no processes under the thread sanitizer";
  int rounds = 0;
  for (bool killed = true; killed; ++rounds) {
    killed = victim_dies(rounds, Fault::killed_before);
    expect_no_hole_and_none_twice();
  }
  EXPECT_GT(rounds, 8);
  expect_that_all_come_in_once(rounds);
}

TEST_F(LakeCrash, AfterAnyWriteLosesAndDoublesNothing) {
  if (!lake::kCanFork) GTEST_SKIP() << "no processes under the thread sanitizer";
  int rounds = 0;
  for (bool killed = true; killed; ++rounds) {
    killed = victim_dies(rounds, Fault::killed_after);
    expect_no_hole_and_none_twice();
  }
  EXPECT_GT(rounds, 8);
  expect_that_all_come_in_once(rounds);
}

}  // namespace
}  // namespace tillrace::processor
