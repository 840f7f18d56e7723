#include "log/wal_tail.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "log/database.h"
#include "log/log_testing.h"

namespace tillrace::log {
namespace {

// A real WAL file of three writes, the second one over several blocks.
class WalTail : public testing::Test {
 protected:
  WalTail() {
    auto log = world_.open(options_in(folder_.path()));
    auto path = files_with(folder_.path(), ".log").back();
    auto append = [&](std::size_t bytes) {
      EXPECT_TRUE(log->append_and_wait({record("1", std::string(bytes, 'x'))}));
      ends_.push_back(std::filesystem::file_size(path));
    };
    append(100);
    append(100'000);
    append(60'000);
    bytes_ = read_file(path).value();
    EXPECT_GT(bytes_.size(), 160'000u);
    ends_.insert(ends_.begin(), 0);
  }
  // The byte `at` of write `number` (from 0).
  char& byte(std::size_t number, std::size_t at) { return bytes_[ends_[number] + at]; }

  ScratchFolder folder_;
  World world_;
  std::vector<std::size_t> ends_;
  std::string bytes_;
};

TEST_F(WalTail, AWholeFileIsWhole) {
  EXPECT_EQ(check_wal_bytes(bytes_), WalState::whole);
  EXPECT_EQ(check_wal_bytes(""), WalState::whole);
}

TEST_F(WalTail, EveryCutThatEndsNoWriteIsATornTail) {
  for (std::size_t size = 0; size < bytes_.size(); size += 97) {
    bool ends_a_write = size == 0 || std::count(ends_.begin(), ends_.end(), size) > 0;
    EXPECT_EQ(check_wal_bytes(std::string_view(bytes_).substr(0, size)),
              ends_a_write ? WalState::whole : WalState::torn_tail)
        << size;
  }
}

TEST_F(WalTail, DamageWithinTheLastWriteIsATornTail) {
  for (std::size_t at : {0u, 4u, 6u, 7u, 40'000u, 59'000u}) {
    char before = byte(2, at);
    byte(2, at) = static_cast<char>(before ^ 0x10);
    EXPECT_EQ(check_wal_bytes(bytes_), WalState::torn_tail) << at;
    byte(2, at) = before;
  }
}

TEST_F(WalTail, DamageBeforeAnotherWriteIsAHole) {
  for (std::size_t number : {0u, 1u})
    for (std::size_t at : {0u, 4u, 5u, 6u, 7u, 90u}) {
      char before = byte(number, at);
      byte(number, at) = static_cast<char>(before ^ 0x10);
      EXPECT_EQ(check_wal_bytes(bytes_), WalState::hole) << number << " " << at;
      byte(number, at) = before;
    }
}

TEST_F(WalTail, AWriteCutInTheMiddleAndFollowedByAnotherIsAHole) {
  std::string joined =
      bytes_.substr(0, 32'768) + bytes_;  // the first block ends within the second write
  EXPECT_EQ(check_wal_bytes(joined), WalState::hole);
}

TEST_F(WalTail, ZerosAfterTheLastWriteAreNoHole) {
  EXPECT_NE(check_wal_bytes(bytes_ + std::string(50'000, '\0')), WalState::hole);
}

TEST_F(WalTail, ATornFileBeforeAnotherWithWritesIsAHole) {
  ScratchFolder other;
  ASSERT_TRUE(
      write_file_atomically(other.path() / "000004.log", bytes_.substr(0, bytes_.size() - 1)));
  EXPECT_EQ(check_wal_files(other.path()).value(), WalState::torn_tail);
  ASSERT_TRUE(write_file_atomically(other.path() / "000009.log", ""));
  EXPECT_EQ(check_wal_files(other.path()).value(), WalState::torn_tail);
  ASSERT_TRUE(write_file_atomically(other.path() / "000010.log", bytes_));
  EXPECT_EQ(check_wal_files(other.path()).value(), WalState::hole);
  ASSERT_TRUE(write_file_atomically(other.path() / "LOG.old.log", "no WAL file"));
  EXPECT_EQ(check_wal_files(other.path()).value(), WalState::hole);
}

TEST_F(WalTail, AMissingFolderIsAnError) {
  EXPECT_FALSE(check_wal_files(folder_.path() / "absent"));
}

}  // namespace
}  // namespace tillrace::log
