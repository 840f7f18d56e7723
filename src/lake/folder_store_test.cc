// What the store on a folder does beyond the contract (store_test.cc): disks that are full or not
// writable, kills, names on the disk.
#include "lake/folder_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/files.h"
#include "base/scratch_for_tests.h"
#include "base/thread.h"
#include "lake/matchers_for_tests.h"

namespace tillrace::lake {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FolderStoreTest : public testing::Test {
 protected:
  std::unique_ptr<FolderStore> open(const fs::path& root) {
    auto opened = FolderStore::open(root, clock_, random_);
    EXPECT_THAT(opened, Succeeds());
    return std::move(*opened);
  }
  static std::vector<std::string> names(Store& store) {
    std::vector<std::string> names;
    EXPECT_THAT(store.list("",
                           [&](const StoredFile& file) {
                             names.push_back(file.path);
                             return true;
                           }),
                Succeeds());
    return names;
  }
  std::size_t drafts() const {
    auto entries = fs::directory_iterator(root_ / ".tillrace-tmp");
    return static_cast<std::size_t>(std::distance(fs::begin(entries), fs::end(entries)));
  }
  static bool put_is_exhausted(Store& store, std::size_t bytes) {
    auto put = store.put("a", std::string(bytes, 'x'));
    return !put && put.error().code == Code::exhausted;
  }
  // What `body` says, in a process of its own.
  static int in_child(const std::function<int()>& body) {
    pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  SystemClock clock_;
  SystemRandom random_;
  fs::path root_ = scratch_.path() / "deep" / "lake";
};

TEST_F(FolderStoreTest, MakesItsRootAndLeavesNoDrafts) {
  auto store = open(root_);
  ASSERT_THAT(store->put_if_absent("a/b", "x"), Succeeds());
  EXPECT_THAT(store->put_if_absent("a/b", "y"), FailsWith(Code::conflict));
  ASSERT_THAT(store->put("a/b", "z"), Succeeds());
  EXPECT_EQ(drafts(), 0U);
  EXPECT_EQ(read_file(root_ / "a" / "b").value(), "z");
  EXPECT_EQ(store->local_path("a/b"), fs::absolute(root_) / "a/b");
}

TEST_F(FolderStoreTest, ARootThatIsAFileIsUnavailable) {
  std::ofstream(scratch_.path() / "deep") << "a file";
  EXPECT_THAT(FolderStore::open(root_, clock_, random_), FailsWith(Code::unavailable));
  EXPECT_THAT(FolderStore::open("", clock_, random_), FailsWith(Code::invalid));
}

TEST_F(FolderStoreTest, ARootThatWentAwayIsNoEmptyStore) {
  auto store = open(root_);
  ASSERT_THAT(store->put("a", "x"), Succeeds());
  fs::rename(root_, scratch_.path() / "away");
  EXPECT_THAT(store->get("a"), FailsWith(Code::unavailable));
  EXPECT_THAT(store->head("a"), FailsWith(Code::unavailable));
  EXPECT_THAT(store->list("", [](const StoredFile&) { return true; }),
              FailsWith(Code::unavailable));
  EXPECT_THAT(store->remove("a"), FailsWith(Code::unavailable));
  EXPECT_THAT(store->put_if_absent("b", "x"), FailsWith(Code::unavailable));
  EXPECT_THAT(store->put("b", "x"), FailsWith(Code::unavailable));
  EXPECT_THAT(store->get("a").error().message, HasSubstr(root_.string()));
  fs::create_directory(root_);  // the place where a disk is not mounted
  EXPECT_THAT(store->get("a"), FailsWith(Code::unavailable));
}

TEST_F(FolderStoreTest, AFileInTheWayOfAFolderIsInvalid) {
  auto store = open(root_);
  ASSERT_THAT(store->put("a", "x"), Succeeds());
  EXPECT_THAT(store->put("a/b", "x"), FailsWith(Code::invalid));
  EXPECT_THAT(store->put_if_absent("a/b/c", "x"), FailsWith(Code::invalid));
  EXPECT_THAT(store->get("a/b"), FailsWith(Code::not_found));
  EXPECT_THAT(store->remove("a/b"), Succeeds());
  EXPECT_EQ(store->get("a").value(), "x");
}

TEST_F(FolderStoreTest, AFolderInTheWayOfAFileIsInvalid) {
  auto store = open(root_);
  ASSERT_THAT(store->put("a/b", "x"), Succeeds());
  EXPECT_THAT(store->put("a", "x"), FailsWith(Code::invalid));
  EXPECT_THAT(store->put_if_absent("a", "x"), FailsWith(Code::invalid));
  EXPECT_THAT(store->remove("a"), FailsWith(Code::invalid));
  EXPECT_EQ(store->get("a/b").value(), "x");
}

TEST_F(FolderStoreTest, ItsOwnFolderIsNoPartOfTheStore) {
  auto store = open(root_);
  std::ofstream(root_ / ".tillrace-tmp" / "draft") << "half";
  EXPECT_THAT(names(*store), IsEmpty());
  EXPECT_THAT(store->put(".tillrace-tmp/a", "x"), FailsWith(Code::invalid));
  EXPECT_THAT(store->get(".tillrace-tmp/draft"), FailsWith(Code::invalid));
  EXPECT_THAT(store->remove(".tillrace-tmp/draft"), FailsWith(Code::invalid));
}

TEST_F(FolderStoreTest, OldDraftsOfKilledProcessesGoAtTheNextStartAndFreshOnesStay) {
  open(root_);
  std::ofstream(root_ / ".tillrace-tmp" / "old") << "half";
  std::ofstream(root_ / ".tillrace-tmp" / "fresh") << "half";
  fs::last_write_time(root_ / ".tillrace-tmp" / "old",
                      fs::file_time_type::clock::now() - std::chrono::minutes(61));
  open(root_);
  EXPECT_FALSE(fs::exists(root_ / ".tillrace-tmp" / "old"));
  EXPECT_TRUE(fs::exists(root_ / ".tillrace-tmp" / "fresh"));
}

TEST_F(FolderStoreTest, LinksAndStrangeNamesAreNotListed) {
  auto store = open(root_);
  ASSERT_THAT(store->put("a/b", "x"), Succeeds());
  fs::create_symlink(root_ / "a", root_ / "loop");
  fs::create_symlink(root_ / "a" / "b", root_ / "link");
  std::ofstream(root_ / "bad\xff") << "x";
  std::ofstream(root_ / "dot.") << "x";
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(names(*store), ElementsAre("a/b"));
  EXPECT_THAT(store->get("fifo"), FailsWith(Code::not_found));
}

TEST_F(FolderStoreTest, AFolderThatOthersRemoveIsMadeAgain) {
  auto store = open(root_);
  ASSERT_THAT(store->put("a/b/c", "x"), Succeeds());
  fs::remove_all(root_ / "a");
  ASSERT_THAT(store->put_if_absent("a/b/c", "y"), Succeeds());
  fs::remove_all(root_ / "a");
  ASSERT_THAT(store->put("a/b/d", "y"), Succeeds());
  EXPECT_THAT(names(*store), ElementsAre("a/b/d"));
}

TEST_F(FolderStoreTest, AFullDiskIsExhaustedAndLeavesNothing) {
  auto store = open(root_);
  int told = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{100'000, 100'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto put = store->put_if_absent("a", std::string(200'000, 'x'));
    return put || put.error().code != Code::exhausted ||
                   put.error().message.find("put_if_absent a") == std::string::npos
               ? 1
               : 0;
  });
  EXPECT_EQ(told, 0);
  EXPECT_THAT(names(*store), IsEmpty());
  EXPECT_EQ(drafts(), 0U);
}

TEST_F(FolderStoreTest, ADiskWithoutSpaceIsExhausted) {
  fs::create_directories(root_);
  if (::mount("tmpfs", root_.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "only who may mount can fill a disk here; the test before stands for it";
  auto store = FolderStore::open(root_, clock_, random_);
  EXPECT_TRUE(store && put_is_exhausted(*store.value(), 1'000'000));
  EXPECT_TRUE(store && store.value()->put("a", "x"));
  EXPECT_EQ(::umount2(root_.c_str(), MNT_DETACH), 0);
}

TEST_F(FolderStoreTest, AFolderThatMayNotBeWrittenIsUnavailableAndSaysWhy) {
  auto store = open(root_);
  ASSERT_THAT(store->put("a", "x"), Succeeds());
  fs::permissions(scratch_.path(), fs::perms::all);
  int told = in_child([&] {
    // Root may write anywhere; nobody may not. Others only take the right from themselves.
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 2;
    ::chmod((root_ / ".tillrace-tmp").c_str(), 0500);
    ::chmod(root_.c_str(), 0500);
    auto put = store->put_if_absent("b", "x");
    auto removed = store->remove("a");
    bool good = !put && put.error().code == Code::unavailable && !removed &&
                removed.error().code == Code::unavailable &&
                put.error().message.find("ermission denied") != std::string::npos;
    return good && store->get("a") ? 0 : 1;
  });
  fs::permissions(root_, fs::perms::owner_all);
  fs::permissions(root_ / ".tillrace-tmp", fs::perms::owner_all);
  EXPECT_EQ(told, 0);
}

// A file that is replaced all the time, by shorter and longer ones.
TEST_F(FolderStoreTest, AFileThatIsReplacedMeanwhileIsReadInWhole) {
  auto store = open(root_);
  const std::string small(1'000, 's');
  const std::string large(300'000, 'l');
  ASSERT_THAT(store->put("a", small), Succeeds());
  auto replacing = named_thread("replacing", [&](const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i)
      EXPECT_THAT(store->put("a", i % 2 == 0 ? large : small), Succeeds());
  });
  for (int i = 0; i < 3'000; ++i) {
    std::string got = store->get("a").value_or("none");
    ASSERT_TRUE(got == small || got == large) << got.size();
  }
}

// By strace or a disk that fails a sync could be seen; here by a folder that may not be opened.
TEST_F(FolderStoreTest, AFileWhoseFolderCannotBeSyncedIsNeverTold) {
  auto store = open(root_);
  ASSERT_THAT(store->put("f/a", "x"), Succeeds());
  fs::permissions(scratch_.path(), fs::perms::all);
  int told = in_child([&] {
    ::chmod((root_ / "f").c_str(), 0333);
    ::chmod((root_ / ".tillrace-tmp").c_str(), 0777);
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 2;
    for (const char* path : {"f/b", "f/b", "f/a"}) {
      auto put = store->put_if_absent(path, "x");
      if (put || put.error().code != Code::unavailable) return 1;
    }
    return 0;
  });
  ::chmod((root_ / "f").c_str(), 0755);
  EXPECT_EQ(told, 0);
  EXPECT_EQ(store->get("f/b").value_or("none"), "x");
  EXPECT_THAT(store->put_if_absent("f/b", "x"), FailsWith(Code::conflict));
}

TEST_F(FolderStoreTest, AFileBeyondTheLimitOfGetIsReadInRanges) {
  auto store = open(root_);
  ASSERT_THAT(store->put("large", "x"), Succeeds());
  fs::resize_file(root_ / "large", Store::kMostGetBytes + 1);
  EXPECT_THAT(store->get("large"), FailsWith(Code::exhausted));
  EXPECT_EQ(store->get_range("large", 0, 2).value(), std::string("x\0", 2));
}

// A process puts files until it is killed, again and again: each file is whole, and what the
// process was told is there is there.
TEST_F(FolderStoreTest, AfterAKillEachFileIsWholeAndNoneThatWasPromisedIsMissing) {
  constexpr int kKills = 30;
  constexpr std::size_t kBytes = 50'000;
  SeededRandom luck(11);
  int first = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    pid_t child = ::fork();
    if (child == 0) {
      auto store = FolderStore::open(root_, clock_, random_);
      for (int i = first; store; ++i) {
        std::string path = fmt::format("log/{:06}", i);
        std::string bytes(kBytes, static_cast<char>('a' + i % 26));
        bool put = i % 2 == 0 ? store.value()->put_if_absent(path, bytes).has_value()
                              : store.value()->put(path, bytes).has_value();
        if (!put || ::write(ends[1], &i, sizeof i) != sizeof i) break;
      }
      ::_exit(1);
    }
    ::close(ends[1]);
    ::usleep(static_cast<useconds_t>(2'000 + luck.below(20'000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    int promised = first - 1;
    while (::read(ends[0], &promised, sizeof promised) == sizeof promised) {
    }
    ::close(ends[0]);
    auto store = open(root_);
    for (int i = 0; i <= promised; ++i)
      EXPECT_THAT(store->head(fmt::format("log/{:06}", i)), Succeeds());
    for (const std::string& name : names(*store)) EXPECT_EQ(store->head(name)->bytes, kBytes);
    first = static_cast<int>(names(*store).size());
    EXPECT_LE(first, promised + 2);
  }
  EXPECT_GT(first, 0);
}

}  // namespace
}  // namespace tillrace::lake
