#include "base/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/scratch_for_tests.h"

namespace tillrace {
namespace {

class FilesTest : public testing::Test {
 protected:
  unsigned mode_of(const std::filesystem::path& path) const {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 0777;
  }

  const ScratchFolder scratch_;
  const std::filesystem::path folder_ = scratch_.path();
};

TEST_F(FilesTest, MissingFileIsNotFoundAndNamed) {
  auto missing = read_file(folder_ / "none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_NE(missing.error().message.find("none"), std::string::npos);
}

TEST_F(FilesTest, AtomicWriteReplacesTheWholeFile) {
  auto path = folder_ / "file";
  ASSERT_TRUE(write_file_atomically(path, "a much longer first content"));
  ASSERT_TRUE(write_file_atomically(path, "second", 0600));
  EXPECT_EQ(read_file(path).value(), "second");
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".new"));
}

TEST_F(FilesTest, AtomicWriteIntoAMissingFolderFailsAndNamesIt) {
  auto written = write_file_atomically(folder_ / "no" / "file", "x");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("/no/file"), std::string::npos);
}

TEST_F(FilesTest, ASecondOwnerOfALockIsRefusedAndToldTheFirst) {
  auto first = FolderLock::acquire(folder_);
  ASSERT_TRUE(first);
  auto second = FolderLock::acquire(folder_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
}

TEST_F(FilesTest, ALockIsFreeAgainAfterItsOwnerIsGone) {
  { ASSERT_TRUE(FolderLock::acquire(folder_)); }
  EXPECT_TRUE(FolderLock::acquire(folder_));
}

TEST_F(FilesTest, AnyBytesReadBackTheSame) {
  for (std::size_t size : {0u, 1u, 65'535u, 65'536u, 65'537u, 300'000u}) {
    std::string content(size, '\0');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 31);
    ASSERT_TRUE(write_file_atomically(folder_ / "file", content));
    EXPECT_EQ(read_file(folder_ / "file").value(), content) << size;
  }
}

// A file whose size the kernel tells as 0.
TEST_F(FilesTest, WhatTheKernelMakesUpIsReadToItsEnd) {
  EXPECT_GT(read_file("/proc/self/status").value().size(), 100u);
}

TEST_F(FilesTest, AFolderIsNoEmptyFile) {
  auto content = read_file(folder_);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, Code::unavailable);
  EXPECT_NE(content.error().message.find(folder_.string()), std::string::npos);
}

TEST_F(FilesTest, AtomicWriteKeepsItsModeWhateverACrashLeftBehind) {
  auto draft = folder_ / "secret.new";
  ASSERT_TRUE(write_file_atomically(draft, "half"));
  ASSERT_EQ(::chmod(draft.c_str(), 0666), 0);
  ASSERT_TRUE(write_file_atomically(folder_ / "secret", "password", 0600));
  EXPECT_EQ(mode_of(folder_ / "secret"), 0600u);
}

TEST_F(FilesTest, AFailedAtomicWriteLeavesTheOldFile) {
  ASSERT_TRUE(write_file_atomically(folder_ / "file", "old"));
  ASSERT_TRUE(make_folders(folder_ / "file.new" / "x"));  // where the draft would lie
  EXPECT_FALSE(write_file_atomically(folder_ / "file", "new"));
  EXPECT_EQ(read_file(folder_ / "file").value(), "old");
}

TEST_F(FilesTest, FoldersAreMadeOnceAndNotOverAFile) {
  EXPECT_TRUE(make_folders(folder_ / "a" / "b"));
  EXPECT_TRUE(make_folders(folder_ / "a" / "b"));
  ASSERT_TRUE(write_file_atomically(folder_ / "file", ""));
  auto made = make_folders(folder_ / "file" / "c");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::unavailable);
}

TEST_F(FilesTest, SyncingAMissingFolderFails) {
  EXPECT_EQ(sync_folder(folder_ / "none").error().code, Code::not_found);
}

TEST_F(FilesTest, ALockOfAMissingFolderFails) {
  EXPECT_EQ(FolderLock::acquire(folder_ / "none").error().code, Code::not_found);
}

// The kernel lets go, whatever the process had no time for.
TEST_F(FilesTest, AKilledOwnersLockIsFree) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto lock = FolderLock::acquire(folder_);
    char done = lock ? 'y' : 'n';
    if (::write(ends[1], &done, 1) == 1) ::pause();
    ::_exit(1);
  }
  char owned = 0;
  ASSERT_EQ(::read(ends[0], &owned, 1), 1);
  EXPECT_EQ(owned, 'y');
  auto refused = FolderLock::acquire(folder_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find(std::to_string(child)), std::string::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(FolderLock::acquire(folder_));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(FilesTest, AMovedLockIsLetGoOnce) {
  auto first = FolderLock::acquire(folder_);
  ASSERT_TRUE(first);
  {
    FolderLock moved = std::move(*first);
    EXPECT_FALSE(FolderLock::acquire(folder_));
  }
  EXPECT_TRUE(FolderLock::acquire(folder_));
}

}  // namespace
}  // namespace tillrace
