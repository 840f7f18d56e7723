#include "lake/file_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/scratch_for_tests.h"
#include "lake/matchers_for_tests.h"

namespace tillrace::lake {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;
using testing::IsEmpty;

// A store elsewhere: files whose content is their path, repeated to their length. Counts what is
// asked for.
class DistantStore final : public Store {
 public:
  std::map<std::string, std::uint64_t, std::less<>> files;
  std::atomic<int> fetches = 0;
  std::function<Status(std::string_view path)> before_piece;

  static std::string content(std::string_view path, std::uint64_t bytes) {
    std::string text;
    while (text.size() < bytes) text += path;
    return text.substr(0, bytes);
  }
  Result<std::string> get_range(std::string_view path, std::uint64_t offset,
                                std::uint64_t length) override {
    ++fetches;
    if (before_piece) {
      if (Status told = before_piece(path); !told) return fail(told.error());
    }
    auto found = files.find(path);
    if (found == files.end()) return fail(Code::not_found, "get {}: there is no such file", path);
    std::string whole = content(path, found->second);
    return whole.substr(std::min<std::size_t>(offset, whole.size()), length);
  }
  Result<std::string> get(std::string_view path) override {
    return get_range(path, 0, kMostGetBytes);
  }
  Status put_if_absent(std::string_view, std::string_view) override { return unused(); }
  Status put(std::string_view, std::string_view) override { return unused(); }
  Status put_file(std::string_view, const fs::path&) override { return unused(); }
  Status list(std::string_view, std::string_view, const Visit&) override { return unused(); }
  Status remove(std::string_view) override { return unused(); }
  Result<StoredFile> head(std::string_view) override { return fail(unused().error()); }
  std::optional<fs::path> local_path(std::string_view) const override { return std::nullopt; }

 private:
  static Status unused() { return fail(Code::invalid, "not in these tests"); }
};

class FileCacheTest : public testing::Test {
 protected:
  std::unique_ptr<FileCache> open(std::uint64_t most_bytes = 1'000, std::string lake = "here") {
    auto cache = FileCache::open({folder_, std::move(lake), most_bytes}, clock_, random_);
    EXPECT_TRUE(cache) << cache.error().message;
    return std::move(*cache);
  }
  WantedFile add(const std::string& path, std::uint64_t bytes) {
    store_.files[path] = bytes;
    return {path, bytes};
  }
  // All of them are here, with their content.
  void expect_brought(FileCache& cache, const std::vector<WantedFile>& files) {
    auto paths = cache.bring(store_, files);
    ASSERT_THAT(paths, Succeeds());
    ASSERT_EQ(paths->size(), files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
      EXPECT_EQ(read_file((*paths)[i]).value_or("unreadable"),
                DistantStore::content(files[i].path, files[i].bytes));
    }
  }
  // Files beside `reserved` below a folder of the cache.
  std::vector<fs::path> names(const char* folder) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(own_ / folder)) {
      if (entry.is_regular_file() && entry.path().filename() != "reserved")
        found.push_back(entry.path());
    }
    return found;
  }
  std::uint64_t bytes_kept() const {
    std::uint64_t bytes = 0;
    for (const auto& path : names("files")) bytes += fs::file_size(path);
    return bytes;
  }
  std::size_t sessions() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(own_ / "sessions"), fs::directory_iterator()));
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  fs::path folder_ = scratch_.path() / "cache";
  fs::path own_ = folder_ / FileCache::kFolder;
  SystemClock clock_;
  SystemRandom random_;
  DistantStore store_;
};

TEST_F(FileCacheTest, WhatWasFetchedOnceIsThereForLaterOnes) {
  auto a = add("t/a.parquet", 100);
  auto b = add("t/b.parquet", 50);
  expect_brought(*open(), {a, b});
  EXPECT_EQ(store_.fetches, 2);
  expect_brought(*open(), {b, a, b});
  EXPECT_EQ(store_.fetches, 2);
}

TEST_F(FileCacheTest, NothingIsWantedAndNothingIsFetched) {
  expect_brought(*open(), {});
  EXPECT_EQ(store_.fetches, 0);
}

TEST_F(FileCacheTest, EmptyFilesAreFilesToo) { expect_brought(*open(), {add("t/empty", 0)}); }

TEST_F(FileCacheTest, AFileIsFetchedInPiecesOfTheStore) {
  auto large = add("t/large", 20'000'000);
  expect_brought(*open(30'000'000), {large});
  EXPECT_EQ(store_.fetches, 3);
}

TEST_F(FileCacheTest, SeveralAreFetchedAtOnce) {
  std::vector<WantedFile> files;
  for (int i = 0; i < 40; ++i) files.push_back(add(fmt::format("t/{}", i), 10));
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  store_.before_piece = [&](std::string_view) {
    most = std::max(most.load(), ++now);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    --now;
    return Status();
  };
  expect_brought(*open(), files);
  EXPECT_GT(most, 1);
  EXPECT_LE(most, 4);
}

TEST_F(FileCacheTest, ProgressRunsFromZeroToAllThatIsMissing) {
  auto a = add("a", 100);
  expect_brought(*open(), {a});
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  auto cache = open();
  auto brought = cache->bring(store_, {a, add("b", 30), add("c", 70)},
                              [&](auto done, auto total) { seen.emplace_back(done, total); });
  ASSERT_THAT(brought, Succeeds());
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_TRUE(seen[0].first == 30 || seen[0].first == 70);
  EXPECT_EQ(seen[1], std::pair(std::uint64_t{100}, std::uint64_t{100}));
}

TEST_F(FileCacheTest, TheLeastRecentlyUsedGoesWhenRoomIsNeeded) {
  auto a = add("a", 400);
  auto b = add("b", 400);
  expect_brought(*open(), {a});
  expect_brought(*open(), {b});
  expect_brought(*open(), {a});  // so b is the older one
  expect_brought(*open(), {add("c", 400)});
  EXPECT_LE(bytes_kept(), 1'000U);
  store_.fetches = 0;
  expect_brought(*open(), {a});
  EXPECT_EQ(store_.fetches, 0);
  expect_brought(*open(), {b});
  EXPECT_EQ(store_.fetches, 1);
}

TEST_F(FileCacheTest, AllThatItMayHoldFitsInAndOneByteMoreDoesNot) {
  expect_brought(*open(), {add("a", 600), add("b", 400)});
  EXPECT_EQ(bytes_kept(), 1'000U);
  auto cache = open();
  auto refused = cache->bring(store_, {add("c", 1'001)});
  EXPECT_THAT(refused, FailsWith(Code::exhausted));
  EXPECT_THAT(refused.error().message, HasSubstr("cache"));
  EXPECT_EQ(bytes_kept(), 1'000U) << "nothing goes for what has no room anyway";
}

TEST_F(FileCacheTest, WhatOthersUseStays) {
  auto a = add("a", 600);
  auto user = open();
  auto paths = user->bring(store_, {a});
  ASSERT_THAT(paths, Succeeds());
  EXPECT_THAT(open()->bring(store_, {add("b", 500)}), FailsWith(Code::exhausted));
  EXPECT_EQ(read_file(paths->front()).value_or(""), DistantStore::content("a", 600));
  user.reset();
  expect_brought(*open(), {{"b", 500}});
}

TEST_F(FileCacheTest, WhatItsOwnEarlierCallBroughtStays) {
  auto cache = open();
  auto paths = cache->bring(store_, {add("a", 600)});
  ASSERT_THAT(paths, Succeeds());
  EXPECT_THAT(cache->bring(store_, {add("b", 500)}), FailsWith(Code::exhausted));
  EXPECT_EQ(read_file(paths->front()).value_or("").size(), 600U);
}

TEST_F(FileCacheTest, AFileOfAnotherLengthIsRefusedAndNotKept) {
  store_.files["short"] = 99;
  store_.files["long"] = 101;
  for (const char* path : {"short", "long"}) {
    auto refused = open()->bring(store_, {{path, 100}});
    EXPECT_THAT(refused, FailsWith(Code::corrupt));
    EXPECT_THAT(refused.error().message, HasSubstr(path));
  }
  EXPECT_THAT(names("files"), IsEmpty());
  EXPECT_THAT(names("sessions"), IsEmpty());
}

TEST_F(FileCacheTest, AFileThatSomebodyCutIsFetchedAgain) {
  auto a = add("a", 100);
  expect_brought(*open(), {a});
  fs::resize_file(names("files").front(), 60);
  expect_brought(*open(), {a});
  EXPECT_EQ(store_.fetches, 2);
}

TEST_F(FileCacheTest, ANameThatIsNotThereIsSaidAsTheStoreSaysIt) {
  auto refused = open()->bring(store_, {add("a", 10), {"gone", 10}});
  EXPECT_THAT(refused, FailsWith(Code::not_found));
  EXPECT_THAT(refused.error().message, HasSubstr("gone"));
}

TEST_F(FileCacheTest, AStoreThatIsAwayLeavesWhatWasFetchedAndNoReservation) {
  std::vector<WantedFile> files;
  for (int i = 0; i < 8; ++i) files.push_back(add(fmt::format("t/{}", i), 100));
  std::atomic<int> pieces = 0;
  store_.before_piece = [&](std::string_view) -> Status {
    if (++pieces <= 3) return {};
    return fail(Code::unavailable, "the store is away");
  };
  auto cache = open();
  EXPECT_THAT(cache->bring(store_, files), FailsWith(Code::unavailable));
  EXPECT_EQ(bytes_kept(), 300U);
  store_.before_piece = {};
  expect_brought(*open(), {add("other", 700)});
}

TEST_F(FileCacheTest, TheSamePathInAnotherLakeIsAnotherFile) {
  auto a = add("a", 100);
  expect_brought(*open(1'000, "one"), {a});
  expect_brought(*open(1'000, "two"), {a});
  EXPECT_EQ(store_.fetches, 2);
}

TEST_F(FileCacheTest, WhatElseIsInTheFolderStays) {
  std::vector<fs::path> others;
  for (const char* name : {"sessions/mine/a", "sessions/b", "files/c", "lock"}) {
    others.push_back(folder_ / name);
    fs::create_directories(others.back().parent_path());
    ASSERT_TRUE(write_file_atomically(others.back(), std::string(900, 'x')));
  }
  expect_brought(*open(), {add("a", 600)});
  expect_brought(*open(), {add("b", 600)});
  for (const auto& path : others) EXPECT_EQ(read_file(path).value_or("").size(), 900U) << path;
}

TEST_F(FileCacheTest, ASessionThatCannotBeLookedAtIsNotTakenForDead) {
  open();
  fs::path other = own_ / "sessions/other";
  ASSERT_TRUE(fs::create_directory(other));
  fs::create_symlink("reserved", other / "reserved");  // to itself: ELOOP
  expect_brought(*open(), {add("a", 10)});
  EXPECT_TRUE(fs::exists(other));
  fs::remove(other / "reserved");
  open();
  EXPECT_FALSE(fs::exists(other));
}

TEST_F(FileCacheTest, NobodyElseMayLookIn) {
  expect_brought(*open(), {add("a", 10)});
  for (const char* name : {"files", "sessions"}) {
    struct stat folder {};
    ASSERT_EQ(::stat((own_ / name).c_str(), &folder), 0);
    EXPECT_EQ(folder.st_mode & 0777U, 0700U);
  }
}

TEST_F(FileCacheTest, AFolderThatCannotBeMadeIsSaid) {
  auto file = scratch_.file("file", "x");
  auto refused = FileCache::open({file / "cache", "here", 1'000}, clock_, random_);
  EXPECT_THAT(refused, FailsWith(Code::unavailable));
}

TEST_F(FileCacheTest, AFolderThatWasDeletedMeanwhileIsSaid) {
  auto cache = open();
  fs::remove_all(folder_);
  EXPECT_THAT(cache->bring(store_, {add("a", 10)}), FailsWith(Code::unavailable));
}

// In a process of its own; what it leaves is all that a kill leaves.
template <class Body>
void in_killed_process(const Body& body) {
  pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(1);  // it should not come so far
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

TEST_F(FileCacheTest, AKillWhileItFetchesLeavesNoHalfFileAndNoReservation) {
  auto large = add("large", 20'000'000);
  in_killed_process([&] {
    store_.before_piece = [&](std::string_view) {
      if (store_.fetches == 3) ::raise(SIGKILL);
      return Status();
    };
    (void)open(20'000'000)->bring(store_, {large});
  });
  EXPECT_THAT(names("files"), IsEmpty());
  EXPECT_EQ(names("sessions").size(), 1U) << "the draft";
  auto next = open(20'000'000);
  EXPECT_THAT(names("sessions"), IsEmpty());
  EXPECT_EQ(sessions(), 1U);
  expect_brought(*next, {large});
}

TEST_F(FileCacheTest, WhatAKilledProcessUsedCanGo) {
  auto a = add("a", 900);
  in_killed_process([&] {
    auto cache = open();
    (void)cache->bring(store_, {a});
    ::raise(SIGKILL);
  });
  EXPECT_EQ(bytes_kept(), 900U);
  expect_brought(*open(), {add("b", 900)});
}

TEST_F(FileCacheTest, AKilledProcessDoesNotWaitForTheNextToOpen) {
  auto living = open();  // opened before the kill
  in_killed_process([&] {
    auto cache = open();
    (void)cache->bring(store_, {add("a", 900)});
    ::raise(SIGKILL);
  });
  expect_brought(*living, {add("b", 900)});
}

TEST_F(FileCacheTest, ManyProcessesAtOnceKeepTheLimitAndTheirFiles) {
  constexpr int kProcesses = 6;
  std::vector<WantedFile> all;
  for (int i = 0; i < 30; ++i) all.push_back(add(fmt::format("t/{}", i), 20 + i));
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    SeededRandom random(static_cast<std::uint64_t>(child));
    for (int turn = 0; turn < 40; ++turn) {
      auto cache = open(1'200);
      std::vector<WantedFile> some;
      for (int i = 0; i < 4; ++i) some.push_back(all[random.below(all.size())]);
      expect_brought(*cache, some);
      if (bytes_kept() > 1'200) ADD_FAILURE() << bytes_kept();
    }
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  for (pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_LE(bytes_kept(), 1'200U);
  expect_brought(*open(2'000), all);  // nothing in it is wrong
}

TEST_F(FileCacheTest, WhateverIsAskedForTheLimitHoldsAndEveryFileIsRight) {
  EXPECT_TRUE(rc::check([this] {
    fs::remove_all(folder_);
    const auto steps = *rc::gen::container<std::vector<std::vector<unsigned>>>(
        rc::gen::container<std::vector<unsigned>>(rc::gen::inRange(0U, 12U)));
    std::vector<std::unique_ptr<FileCache>> living;
    for (const auto& step : steps) {
      std::vector<WantedFile> files;
      std::set<unsigned> distinct(step.begin(), step.end());
      for (unsigned i : step) files.push_back(add(fmt::format("t/{}", i), 60 + 10 * i));
      if (living.size() == 2) living.erase(living.begin());
      living.push_back(open(700));
      auto paths = living.back()->bring(store_, files);
      if (!paths) {
        RC_ASSERT(paths.error().code == Code::exhausted);
        living.pop_back();
      } else {
        for (std::size_t i = 0; i < files.size(); ++i)
          RC_ASSERT(read_file((*paths)[i]).value_or("") ==
                    DistantStore::content(files[i].path, files[i].bytes));
      }
      RC_ASSERT(bytes_kept() <= 700U);
    }
  }));
}

}  // namespace
}  // namespace tillrace::lake
