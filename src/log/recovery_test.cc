// What a start finds after a power cut, and what it must refuse to call one.
#include <gtest/gtest.h>

#include <fstream>

#include "log/database.h"
#include "log/faulty_disk.h"
#include "log/log_reader.h"
#include "log/log_testing.h"
#include "log/topics.h"

namespace tillrace::log {
namespace {

constexpr Partition kOnly{0};

void flip_byte(const std::filesystem::path& path, std::uint64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  char byte = static_cast<char>(file.get());
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 0x20));
  ASSERT_TRUE(file.good());
}

void append_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::app | std::ios::binary) << bytes;
}

void cut_bytes(const std::filesystem::path& path, std::uint64_t bytes) {
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - bytes);
}

class Recovery : public testing::Test {
 protected:
  Result<std::unique_ptr<Log>> try_open() {
    return open_embedded_log(options_, world_.clock, world_.random, world_.metrics);
  }
  // Twice: a refusal changes nothing, so that the next start refuses as well.
  void expect_corrupt() {
    for (int i = 0; i < 2; ++i) {
      auto opened = try_open();
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().code, Code::corrupt) << opened.error().message;
    }
  }
  std::vector<std::filesystem::path> wal_files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& file : files_with(folder_.path(), ".log"))
      if (std::filesystem::file_size(file) > 0) files.push_back(file);
    return files;
  }
  // Leaves one WAL file with `batches` batches of two records.
  void leave_wal(int batches, std::size_t value_bytes = 100) {
    auto log = world_.open(options_);
    for (int i = 0; i < batches; ++i)
      ASSERT_TRUE(
          log->append_and_wait({record("1", std::string(value_bytes, 'x')), record("2", "y")}));
    log.reset();
    ASSERT_EQ(wal_files().size(), 1u);
  }
  // Leaves two WAL files: partition 0's write buffer overflowed while partition 1's did not.
  void leave_two_wal_files() {
    options_.partitions = 2;
    options_.write_buffer_bytes = 64 << 10;
    auto log = world_.open(options_);
    ASSERT_TRUE(log->append_and_wait({record(key_of({1}), "small")}));
    for (int i = 0; wal_files().size() < 2; ++i) {
      ASSERT_LT(i, 1000);
      ASSERT_TRUE(log->append_and_wait({record(key_of({0}), std::string(5000, 'x'))}));
    }
    ASSERT_TRUE(log->append_and_wait({record(key_of({0}), "last"), record(key_of({1}), "last")}));
    log.reset();
    ASSERT_EQ(wal_files().size(), 2u);
  }
  static std::string key_of(Partition partition) {
    for (int i = 0;; ++i)
      if (partition_of(std::to_string(i), 2) == partition) return std::to_string(i);
  }

  ScratchFolder folder_;
  World world_;
  EmbeddedLogOptions options_ = options_in(folder_.path());
};

TEST_F(Recovery, ToleratesALastWriteThatIsCutShort) {
  leave_wal(3);
  cut_bytes(wal_files().back(), 5);
  auto log = world_.open(options_);
  EXPECT_EQ(log->end(kOnly)->value, 4);
  EXPECT_EQ(log->append_and_wait({record("1", "next")}).value()[0].offset.value, 4);
}

TEST_F(Recovery, ToleratesGarbageAfterTheLastWrite) {
  std::int64_t records = 0;
  SeededRandom random(5);
  for (std::size_t size : {1u, 6u, 7u, 20u, 300u, 5000u, 40'000u}) {
    std::string noise(size, '\0');
    for (int zeros = 0; zeros < 2; ++zeros) {
      leave_wal(2);
      append_bytes(wal_files().back(), noise);
      random.fill({reinterpret_cast<std::uint8_t*>(noise.data()), noise.size()});
      auto log = world_.open(options_);
      ASSERT_TRUE(log) << size;
      EXPECT_EQ(log->end(kOnly)->value, records += 4);
    }
  }
}

TEST_F(Recovery, ToleratesALastWriteWithLostPagesInItsMiddle) {
  leave_wal(3, 50'000);
  auto wal = wal_files().back();
  std::fstream file(wal, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(120'000);
  file << std::string(8192, '\0');
  file.close();
  EXPECT_EQ(world_.open(options_)->end(kOnly)->value, 4);
}

TEST_F(Recovery, RefusesAFlippedByteBeforeTheLastWrite) {
  leave_wal(3);
  flip_byte(wal_files().back(), 60);
  expect_corrupt();
}

TEST_F(Recovery, RefusesALostPageBeforeTheLastWrite) {
  leave_wal(3, 50'000);
  std::fstream file(wal_files().back(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(65'536);
  file << std::string(4096, '\0');
  file.close();
  expect_corrupt();
}

TEST_F(Recovery, RefusesAWalFileCutShortWhereAnotherFollows) {
  leave_two_wal_files();
  cut_bytes(wal_files().front(), 5);
  expect_corrupt();
}

TEST_F(Recovery, RefusesAWalFileCutToNothingWhereAnotherFollows) {
  leave_two_wal_files();
  std::filesystem::resize_file(wal_files().front(), 0);
  expect_corrupt();
}

TEST_F(Recovery, RefusesAMissingWalFile) {
  leave_two_wal_files();
  std::filesystem::remove(wal_files().front());
  expect_corrupt();
}

TEST_F(Recovery, ToleratesACutEndOfTheLastOfSeveralWalFiles) {
  leave_two_wal_files();
  cut_bytes(wal_files().back(), 5);
  auto log = world_.open(options_);
  ASSERT_TRUE(log);
  EXPECT_EQ(read_all(*log, {1}).size(), 1u);
}

TEST_F(Recovery, ReportsAFlippedByteInATableAsCorrupt) {
  options_.write_buffer_bytes = 64 << 10;
  {
    auto log = world_.open(options_);
    SeededRandom random(1);
    for (int i = 0; i < 100; ++i) {
      std::string noise(5000, '\0');
      random.fill({reinterpret_cast<std::uint8_t*>(noise.data()), noise.size()});
      ASSERT_TRUE(log->append_and_wait({record("1", noise)}));
    }
  }
  std::vector<std::filesystem::path> tables;  // of records
  for (const auto& file : files_with(folder_.path(), ".sst"))
    if (std::filesystem::file_size(file) > 30'000) tables.push_back(file);
  ASSERT_GE(tables.size(), 3u);
  flip_byte(tables[1], 20'000);  // a start reads only the first and the last

  auto log = try_open();
  ASSERT_TRUE(log) << log.error().message;
  Code code{};
  for (Offset next{0}; next < (*log)->end(kOnly).value();) {
    auto fetched = (*log)->read(kOnly, next, {.max_records = 1});
    if (!fetched) {
      code = fetched.error().code;
      EXPECT_NE(fetched.error().message.find("partition 0"), std::string::npos)
          << fetched.error().message;
      break;
    }
    next = fetched->next;
  }
  EXPECT_EQ(code, Code::corrupt);
}

TEST_F(Recovery, RefusesADatabaseThatDoesNotSayWhatItIs) {
  ASSERT_TRUE(world_.open(options_));
  std::filesystem::remove_all(database_folder(folder_.path(), "events"));
  expect_corrupt();
}

// A power cut at any moment: of the files only what was synced is sure to be there, of the rest
// anything may be.
TEST_F(Recovery, AfterAPowerCutEveryAcknowledgedRecordIsThereOnceAtItsOffset) {
  std::map<std::pair<Partition, Offset>, std::string> acknowledged;
  SeededRandom random(11);
  for (int round = 0; round < 30; ++round) {
    FaultyEnv faulty;
    options_.partitions = 3;
    options_.env = faulty.env.get();
    options_.write_buffer_bytes = 32 << 10;
    options_.all_write_buffers_bytes = 128 << 10;
    auto log = world_.open(options_);
    ASSERT_TRUE(log) << "round " << round;
    std::size_t stored = 0;
    for (std::int32_t i = 0; i < 3; ++i) {
      Offset expected{0};
      for (const auto& [offset, kept, _] : read_all(*log, {i})) {
        ASSERT_EQ(offset, expected);
        ++expected.value;
        auto known = acknowledged.find({{i}, offset});
        if (known == acknowledged.end()) continue;
        ++stored;
        ASSERT_EQ(known->second, kept.value);
      }
    }
    ASSERT_EQ(stored, acknowledged.size());

    std::mutex mutex;
    std::jthread cutter([&, delay = random.below(15'000)] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
      faulty.disk->cut_power();
    });
    for (int i = 0; i < 100; ++i) {
      std::vector<Record> batch;
      for (std::uint64_t j = random.below(4) + 1; j > 0; --j)
        batch.push_back(
            record(std::to_string(random.below(50)),
                   fmt::format("{}/{}/{} {}", round, i, j, std::string(random.below(9000), 'x'))));
      std::vector<std::string> values;
      for (const auto& each : batch) values.push_back(each.value);
      log->append(std::move(batch), [&, values](Result<std::vector<Appended>> places) {
        std::lock_guard lock(mutex);
        for (std::size_t j = 0; places && j < values.size(); ++j)
          acknowledged[{(*places)[j].partition, (*places)[j].offset}] = values[j];
      });
    }
    cutter.join();
    log.reset();
    faulty.disk->lose_unsynced(random);
  }
  EXPECT_GT(acknowledged.size(), 100u);
}

}  // namespace
}  // namespace tillrace::log
