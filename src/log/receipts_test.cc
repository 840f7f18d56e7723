// What the embedded log promises of receipts beyond the port: bounds, and both or neither.
#include "log/receipts.h"

#include <gtest/gtest.h>

#include <future>

#include "log/database.h"
#include "log/database_options.h"
#include "log/faulty_disk.h"
#include "log/log_testing.h"

namespace tillrace::log {
namespace {

using namespace std::chrono_literals;

constexpr Partition kOnly{0};

class ReceiptsTest : public testing::Test {
 protected:
  ReceiptsTest() { options_.env = faulty_.env.get(); }
  void open() {
    log_.reset();
    auto opened = open_embedded_log(options_, clock_, world_.random, world_.metrics);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }
  Result<std::vector<Appended>> append(const std::string& key) {
    return log_->append_and_wait({record("1", "value of " + key)}, Receipt{key, "note of " + key});
  }
  bool has(const std::string& key) {
    auto receipt = log_->find_receipt(key);
    EXPECT_TRUE(receipt) << receipt.error().message;
    return receipt && receipt->has_value();
  }
  // How many receipts lie on disk, young or not.
  std::size_t stored() {
    log_.reset();
    auto path = database_folder(folder_.path(), "events");
    std::unique_ptr<rocksdb::DB> db;
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    rocksdb::DB* opened = nullptr;
    rocksdb::Options plain;
    EXPECT_TRUE(rocksdb::DB::OpenForReadOnly(plain, path,
                                             {{rocksdb::kDefaultColumnFamilyName, plain},
                                              {std::string(kReceiptsFamily), plain}},
                                             &families, &opened)
                    .ok());
    db.reset(opened);
    std::size_t entries = 0;
    {
      std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}, families[1]));
      for (at->SeekToFirst(); at->Valid(); at->Next()) ++entries;
    }
    for (auto* family : families) db->DestroyColumnFamilyHandle(family);
    EXPECT_EQ(entries % 2, 0u) << "an entry without its other";
    return entries / 2;
  }

  ScratchFolder folder_;
  FaultyEnv faulty_;
  FaultyDisk& disk_ = *faulty_.disk;
  World world_;
  FakeClock clock_{{1'600'000'000'000'000}};
  EmbeddedLogOptions options_ = options_in(folder_.path());
  std::unique_ptr<Log> log_;
};

TEST_F(ReceiptsTest, TheOldestGoFirstWhenThereAreTooMany) {
  options_.max_receipts = 5;
  open();
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(append(std::to_string(i)));
    if (i % 5 == 4) open();
  }
  for (int i = 0; i < 12; ++i) EXPECT_EQ(has(std::to_string(i)), i >= 7) << i;
  EXPECT_EQ(stored(), 5u);
}

TEST_F(ReceiptsTest, OnesThatAreTooOldAreAbsentAtOnceAndGoAsNewOnesCome) {
  open();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(append(std::to_string(i)));
  clock_.advance(24h);
  EXPECT_TRUE(has("0"));
  EXPECT_EQ(append("0").error().code, Code::conflict);
  clock_.advance(1us);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(has(std::to_string(i)));
  EXPECT_EQ(stored(), 4u);
  open();
  ASSERT_TRUE(append("new"));
  EXPECT_EQ(stored(), 3u);  // two less, one more
}

TEST_F(ReceiptsTest, AKeyMayComeAgainWhenItsReceiptIsTooOld) {
  open();
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(append(std::to_string(i)));
  clock_.advance(25h);
  for (int round = 0; round < 2; ++round) {  // 5 is among the last to go
    for (const char* key : {"5", "0"}) EXPECT_EQ(append(key).has_value(), round == 0);
    for (const char* key : {"5", "0"})
      EXPECT_EQ(log_->find_receipt(key).value()->stored_at, clock_.now());
    open();
  }
  for (int i = 10; i < 20; ++i) ASSERT_TRUE(append(std::to_string(i)));
  EXPECT_TRUE(has("5") && has("0"));
  EXPECT_EQ(stored(), 12u);
}

TEST_F(ReceiptsTest, AGroupWithManyNewOnesMayGoBeyondTheLimitOnce) {
  options_.max_receipts = 2;
  open();
  disk_.hold_syncs(true);
  std::atomic<int> answers = 0;
  log_->append({record("1", "")}, [](auto) {});
  std::this_thread::sleep_for(50ms);  // its sync is under way
  for (int i = 0; i < 6; ++i)
    log_->append({record("1", "")}, Receipt{std::to_string(i), ""},
                 [&](auto places) { answers += places.has_value(); });
  disk_.hold_syncs(false);
  log_->stop();
  EXPECT_EQ(answers, 6);
  EXPECT_EQ(stored(), 6u);
  open();
  for (const char* key : {"a", "b", "c", "d"}) ASSERT_TRUE(append(key));
  EXPECT_EQ(stored(), 2u);
}

TEST_F(ReceiptsTest, AClockThatIsSetBackKeepsThem) {
  open();
  ASSERT_TRUE(append("key"));
  clock_.advance(-48h);
  EXPECT_TRUE(has("key"));
  EXPECT_EQ(append("key").error().code, Code::conflict);
}

TEST_F(ReceiptsTest, NeitherIsThereBeforeBothAreSynced) {
  open();
  disk_.hold_syncs(true);
  std::promise<void> first, second;
  log_->append({record("1", "a")}, Receipt{"key", ""}, [&](auto places) {
    EXPECT_TRUE(places);
    first.set_value();
  });
  log_->append({record("1", "a")}, Receipt{"key", ""}, [&](auto places) {
    EXPECT_EQ(places.error().code, Code::conflict);
    second.set_value();
  });
  auto answer = second.get_future();
  EXPECT_EQ(answer.wait_for(50ms), std::future_status::timeout);
  EXPECT_FALSE(has("key"));
  disk_.hold_syncs(false);
  first.get_future().get();
  answer.get();
  EXPECT_TRUE(has("key"));
  EXPECT_EQ(log_->end(kOnly)->value, 1);
}

// Whatever became of a failed write, a repeat under the same key stores no second copy.
TEST_F(ReceiptsTest, AfterAFailedWriteARepeatIsStoredOnceInAll) {
  open();
  int number = 0;
  for (std::int64_t room : {-1, 0, 3, 100, 150}) {
    std::string key = fmt::format("key {}", ++number);
    room < 0 ? void(disk_.fail_wal_syncs = true) : void(disk_.wal_room_bytes = room);
    EXPECT_EQ(append(key).error().code, Code::unavailable);
    EXPECT_FALSE(has(key));
    disk_.fail_wal_syncs = false;
    disk_.wal_room_bytes = -1;
    auto repeat = append(key);
    if (!repeat) {
      EXPECT_EQ(repeat.error().code, Code::conflict) << repeat.error().message;
    }
    EXPECT_TRUE(has(key));
    EXPECT_EQ(log_->find_receipt(key).value()->ranges.at(0),
              (AppendedRange{kOnly, {number - 1}, {number - 1}, 1}));
    EXPECT_EQ(log_->end(kOnly)->value, number);
  }
}

TEST_F(ReceiptsTest, ADatabaseOfBeforeThereWereReceiptsGetsThem) {
  open();
  ASSERT_TRUE(log_->append_and_wait({record("1", "old")}));
  log_.reset();
  {
    auto path = database_folder(folder_.path(), "events");
    rocksdb::Options plain;
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(plain, path,
                                  {{rocksdb::kDefaultColumnFamilyName, plain},
                                   {"p0", plain},
                                   {std::string(kReceiptsFamily), plain}},
                                  &families, &opened)
                    .ok());
    std::unique_ptr<rocksdb::DB> db(opened);
    ASSERT_TRUE(db->DropColumnFamily(families[2]).ok());
    for (auto* family : families) db->DestroyColumnFamilyHandle(family);
  }
  ASSERT_TRUE(Database::follow(database_folder(folder_.path(), "events")));
  for (int i = 0; i < 2; ++i) {
    open();
    EXPECT_EQ(append("key").has_value(), i == 0);
    EXPECT_TRUE(has("key"));
    EXPECT_EQ(read_all(*log_, kOnly).size(), 2u);
  }
}

TEST_F(ReceiptsTest, ImpossibleLimitsAreRefused) {
  auto refused = [&](std::size_t count, std::int64_t age_h) {
    options_.max_receipts = count;
    options_.receipt_max_age_h = age_h;
    auto opened = open_embedded_log(options_, clock_, world_.random, world_.metrics);
    return !opened && opened.error().code == Code::invalid;
  };
  EXPECT_TRUE(refused(0, 24));
  EXPECT_TRUE(refused(1, 0));
  EXPECT_TRUE(refused(1, std::numeric_limits<std::int64_t>::max()));
  EXPECT_FALSE(refused(1, 1));
}

// A receipt that is lost while its batch is in a table would let a repeat be stored twice.
TEST_F(ReceiptsTest, AMissingWalFileThatHeldOnlyReceiptsIsAHole) {
  options_.write_buffer_bytes = 64 << 10;
  open();
  ASSERT_TRUE(append("a"));
  auto wal_files = [&] {
    auto files = files_with(folder_.path(), ".log");
    std::erase_if(files, [](const auto& file) { return std::filesystem::file_size(file) == 0; });
    return files;
  };
  std::size_t tables = files_with(folder_.path(), ".sst").size();
  while (wal_files().size() < 2)
    ASSERT_TRUE(log_->append_and_wait({record("1", std::string(5000, 'x'))}));
  while (files_with(folder_.path(), ".sst").size() == tables) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(100ms);  // the partition's flush ends; the receipts stay in memory
  ASSERT_TRUE(append("b"));
  log_.reset();
  ASSERT_EQ(wal_files().size(), 2u);
  std::filesystem::remove(wal_files().front());
  auto opened = open_embedded_log(options_, clock_, world_.random, world_.metrics);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::corrupt);
  EXPECT_NE(opened.error().message.find("receipt 0 is missing"), std::string::npos)
      << opened.error().message;
}

// Receipts as they turn over, with flushes, starts and power cuts in between.
TEST_F(ReceiptsTest, AfterAPowerCutReceiptAndBatchAreThereBothOrNeither) {
  SeededRandom random(23);
  options_.write_buffer_bytes = 32 << 10;
  options_.all_write_buffers_bytes = 128 << 10;
  options_.max_receipts = 1000;
  std::vector<std::string> acknowledged;
  int number = 0;
  for (int round = 0; round < 25; ++round) {
    open();
    std::mutex mutex;
    std::jthread cutter([&, delay = random.below(15'000)] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
      disk_.cut_power();
    });
    int first = number;
    for (; number < first + 60; ++number) {
      std::string key = std::to_string(number);
      log_->append({record("1", key + std::string(random.below(3000), ' '))}, Receipt{key, key},
                   [&, key](auto places) {
                     std::lock_guard lock(mutex);
                     if (places) acknowledged.push_back(key);
                   });
    }
    cutter.join();
    log_.reset();
    disk_.lose_unsynced(random);
    disk_.fail_everything = false;

    open();
    std::set<std::string> values;
    for (const auto& kept : read_all(*log_, kOnly))
      EXPECT_TRUE(values.insert(kept.record.value.substr(0, kept.record.value.find(' '))).second);
    for (int i = std::max(0, number - 500); i < number; ++i)
      ASSERT_EQ(has(std::to_string(i)), values.contains(std::to_string(i))) << i;
    for (const auto& key : acknowledged) ASSERT_TRUE(values.contains(key)) << key;
  }
  EXPECT_GT(acknowledged.size(), 100u);
}

}  // namespace
}  // namespace tillrace::log
