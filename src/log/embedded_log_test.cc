#include "log/embedded_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <future>

#include "log/database.h"
#include "log/faulty_disk.h"
#include "log/log_testing.h"
#include "log/topics.h"

namespace tillrace::log {
namespace {

using namespace std::chrono_literals;

constexpr Partition kOnly{0};

class EmbeddedLogTest : public testing::Test {
 protected:
  std::unique_ptr<Log> open(std::int32_t partitions = 0) {
    auto options = options_in(folder_.path(), partitions);
    options.env = faulty_.env.get();
    return world_.open(options);
  }
  std::filesystem::path files() const { return database_folder(folder_.path(), "events"); }

  ScratchFolder folder_;
  FaultyEnv faulty_;
  FaultyDisk& disk_ = *faulty_.disk;
  World world_;
};

TEST_F(EmbeddedLogTest, ASecondOwnerIsRefusedAndToldTheFirst) {
  auto log = open();
  auto second =
      open_embedded_log(options_in(folder_.path()), world_.clock, world_.random, world_.metrics);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos)
      << second.error().message;
}

TEST_F(EmbeddedLogTest, AnotherNumberOfPartitionsIsRefusedAndTheRightOneNamed) {
  ASSERT_TRUE(open(2));
  auto other =
      open_embedded_log(options_in(folder_.path(), 3), world_.clock, world_.random, world_.metrics);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::invalid);
  EXPECT_NE(other.error().message.find("has 2 partitions, not 3"), std::string::npos)
      << other.error().message;
  EXPECT_EQ(open()->partitions(), 2);
}

TEST_F(EmbeddedLogTest, ImpossibleOptionsAreRefused) {
  auto refused = [&](auto change) {
    auto options = options_in(folder_.path());
    change(options);
    auto opened = open_embedded_log(options, world_.clock, world_.random, world_.metrics);
    return !opened && opened.error().code == Code::invalid;
  };
  EXPECT_TRUE(refused([](auto& options) { options.topic = "a/b"; }));
  EXPECT_TRUE(refused([](auto& options) { options.partitions = -1; }));
  EXPECT_TRUE(refused([](auto& options) { options.partitions = kMaxPartitions + 1; }));
  EXPECT_TRUE(
      refused([](auto& options) { options.max_batch_bytes = options.max_waiting_bytes + 1; }));
}

TEST_F(EmbeddedLogTest, ABatchAtTheLimitIsTakenAndOneByteMoreIsRefused) {
  auto options = options_in(folder_.path());
  options.max_batch_bytes = 1000;
  auto log = world_.open(options);
  EXPECT_TRUE(
      log->append_and_wait({record("12", std::string(1000 - kRecordOverheadBytes - 2, 'x'))}));
  auto refused =
      log->append_and_wait({record("12", std::string(1000 - kRecordOverheadBytes - 1, 'x'))});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_NE(refused.error().message.find("1001 bytes; at most max_batch_bytes, 1000"),
            std::string::npos)
      << refused.error().message;
  EXPECT_EQ(log->end(kOnly)->value, 1);
}

TEST_F(EmbeddedLogTest, AKeyThatTheFormatCannotHoldIsRefused) {
  auto refused = open()->append_and_wait({record(std::string(kMaxKeyBytes + 1, 'k'), "")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
}

TEST_F(EmbeddedLogTest, NothingIsReadableOrAcknowledgedBeforeItIsSynced) {
  auto log = open();
  disk_.hold_syncs(true);
  std::promise<void> answered;
  log->append({record("1", "a")}, [&](auto) { answered.set_value(); });
  auto answer = answered.get_future();
  EXPECT_EQ(answer.wait_for(50ms), std::future_status::timeout);
  EXPECT_EQ(log->end(kOnly)->value, 0);
  EXPECT_TRUE(log->read(kOnly, {0}, {})->records.empty());
  EXPECT_EQ(log->wait_for(kOnly, {0}, 1ms, {}).value(), false);
  disk_.hold_syncs(false);
  answer.get();
  EXPECT_EQ(log->end(kOnly)->value, 1);
}

TEST_F(EmbeddedLogTest, TakesNoMoreThanMayWaitAndGoesOnOnceItIsWritten) {
  auto options = options_in(folder_.path());
  options.env = faulty_.env.get();
  options.max_batch_bytes = options.max_waiting_bytes = 10'000;
  auto log = world_.open(options);
  disk_.hold_syncs(true);
  std::atomic<int> stored = 0, exhausted = 0;
  for (int i = 0; i < 15; ++i)
    log->append({record("1", std::string(1000 - kRecordOverheadBytes - 1, 'x'))}, [&](auto places) {
      if (places) return void(++stored);
      EXPECT_EQ(places.error().code, Code::exhausted);
      ++exhausted;
    });
  EXPECT_EQ(stored, 0);
  EXPECT_EQ(exhausted, 5);
  EXPECT_EQ(world_.metric("tillrace_log_waiting_bytes"), 10'000);
  disk_.hold_syncs(false);
  while (stored < 10) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(log->append_and_wait({record("1", "a")}));
  EXPECT_EQ(log->end(kOnly)->value, 11);
  EXPECT_EQ(world_.metric("tillrace_log_waiting_bytes"), 0);
  EXPECT_EQ(world_.metric("tillrace_log_failed_total{code=\"exhausted\"}"), 5);
}

TEST_F(EmbeddedLogTest, BatchesThatWaitTogetherShareOneSync) {
  auto log = open();
  disk_.hold_syncs(true);
  std::atomic<int> stored = 0;
  auto count = [&](auto places) { stored += places.has_value(); };
  log->append({record("1", "a")}, count);
  std::this_thread::sleep_for(50ms);  // its sync is under way
  for (int i = 0; i < 100; ++i) log->append({record("1", "b")}, count);
  disk_.wal_syncs = 0;
  disk_.hold_syncs(false);
  log->stop();
  EXPECT_EQ(stored, 101);
  EXPECT_EQ(disk_.wal_syncs, 2);
}

TEST_F(EmbeddedLogTest, SmallBatchesThatAreWrittenTogetherAreStoredAsOneAndLargeOnesAsTheyCame) {
  auto log = open();
  disk_.hold_syncs(true);
  log->append({record("1", "alone")}, [](auto) {});
  std::this_thread::sleep_for(50ms);  // its sync is under way
  for (int i = 0; i < 100; ++i) log->append({record("1", "small")}, [](auto) {});
  for (int i = 0; i < 3; ++i) log->append({record("1", std::string(50'000, 'x'))}, [](auto) {});
  disk_.hold_syncs(false);
  log->stop();
  EXPECT_EQ(read_all(*log, kOnly).size(), 104u);
  EXPECT_EQ(log->read(kOnly, {57}, {.max_records = 1})->records[0].offset.value, 57);
  log.reset();

  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  ASSERT_TRUE(rocksdb::DB::OpenForReadOnly({}, files(),
                                           {{rocksdb::kDefaultColumnFamilyName, {}}, {"p0", {}}},
                                           &families, &opened)
                  .ok());
  std::unique_ptr<rocksdb::DB> db(opened);
  std::vector<std::int64_t> bases;
  {
    std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}, families[1]));
    for (at->SeekToFirst(); at->Valid(); at->Next())
      bases.push_back(decode_batch_key(at->key().ToStringView(), kOnly)->value);
  }
  for (auto* family : families) db->DestroyColumnFamilyHandle(family);
  EXPECT_EQ(bases, (std::vector<std::int64_t>{0, 1, 102, 103}));
}

TEST_F(EmbeddedLogTest, AGroupEndsAtItsLimitOfBytes) {
  auto options = options_in(folder_.path());
  options.env = faulty_.env.get();
  options.max_group_bytes = 300;
  auto log = world_.open(options);
  disk_.hold_syncs(true);
  for (int i = 0; i < 11; ++i) log->append({record("1", std::string(69, 'x'))}, [](auto) {});
  std::this_thread::sleep_for(50ms);
  disk_.wal_syncs = 0;
  disk_.hold_syncs(false);
  log->stop();
  EXPECT_GE(disk_.wal_syncs, 4);  // 11 x 100 bytes, at most three together
  EXPECT_EQ(log->end(kOnly)->value, 11);
}

TEST_F(EmbeddedLogTest, CountsWhatItMakesDurable) {
  auto log = open();
  ASSERT_TRUE(log->append_and_wait({record("1", "aaa"), record("2", "bbb")}));
  EXPECT_EQ(world_.metric("tillrace_log_appended_records_total"), 2);
  EXPECT_EQ(world_.metric("tillrace_log_appended_bytes_total"), 2 * (kRecordOverheadBytes + 4));
  EXPECT_EQ(world_.metric("tillrace_log_sync_seconds_count"), 1);
  EXPECT_GT(log->bytes_on_disk().value(), 0u);
}

// That the log holds what was acknowledged, in its order, and between that nothing but what failed.
void expect_consistent(Log& log, const std::vector<std::string>& acknowledged,
                       const std::vector<std::string>& failed) {
  auto all = read_all(log, kOnly);
  std::size_t next = 0;
  for (const auto& stored : all) {
    if (next < acknowledged.size() && stored.record.value == acknowledged[next]) {
      ++next;
    } else {
      EXPECT_TRUE(std::count(failed.begin(), failed.end(), stored.record.value))
          << stored.record.value;
    }
  }
  EXPECT_EQ(next, acknowledged.size());
  EXPECT_LE(all.size(), acknowledged.size() + failed.size());
}

// Each way in which a write can fail: the write itself at some byte, or its sync.
class FailedWrite : public EmbeddedLogTest, public testing::WithParamInterface<int> {
 protected:
  void fail_writes() {
    if (GetParam() >= 0)
      disk_.wal_room_bytes = GetParam();
    else
      disk_.fail_wal_syncs = true;
  }
  void heal() {
    disk_.wal_room_bytes = -1;
    disk_.fail_wal_syncs = false;
  }
  // Appends a record with a value of its own and remembers what became of it.
  bool append(Log& log) {
    std::string value = fmt::format("value {} {}", ++appended_, std::string(200, 'x'));
    auto places = log.append_and_wait({record("1", value)});
    EXPECT_TRUE(places || places.error().code == Code::unavailable) << places.error().message;
    (places ? acknowledged_ : failed_).push_back(value);
    return places.has_value();
  }

  int appended_ = 0;
  std::vector<std::string> acknowledged_;
  std::vector<std::string> failed_;
};

TEST_P(FailedWrite, AnswersExactlyItsBatchesAndTheLogGoesOnWhenTheDiskDoes) {
  auto log = open();
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(append(*log) && append(*log));
    fail_writes();
    EXPECT_FALSE(append(*log));
    EXPECT_FALSE(append(*log));
    heal();
    ASSERT_TRUE(append(*log));
  }
  expect_consistent(*log, acknowledged_, failed_);
  EXPECT_EQ(world_.metric("tillrace_log_failed_total{code=\"unavailable\"}"), 6);
  log.reset();
  expect_consistent(*open(), acknowledged_, failed_);
}

TEST_P(FailedWrite, ReadsGoOnMeanwhileAndDoNotShowIt) {
  auto log = open();
  ASSERT_TRUE(append(*log));
  fail_writes();
  ASSERT_FALSE(append(*log));
  EXPECT_EQ(read_all(*log, kOnly).size(), 1u);
  EXPECT_EQ(log->end(kOnly)->value, 1);
}

TEST_P(FailedWrite, RightAfterAFlushDoesNotLeadToTwoRecordsOfOneOffset) {
  { ASSERT_TRUE(append(*open())); }
  auto log = open();  // recovery has flushed: the next write is the first of an empty memtable
  fail_writes();
  EXPECT_FALSE(append(*log));
  heal();
  ASSERT_TRUE(append(*log) && append(*log));
  log.reset();
  expect_consistent(*open(), acknowledged_, failed_);
}

TEST_P(FailedWrite, FollowedByAPowerCutLosesNothingAcknowledged) {
  SeededRandom random(7);
  auto log = open();
  ASSERT_TRUE(append(*log) && append(*log));
  fail_writes();
  EXPECT_FALSE(append(*log));
  disk_.cut_power();
  log.reset();
  disk_.lose_unsynced(random);
  disk_.fail_everything = false;
  heal();
  log = open();
  expect_consistent(*log, acknowledged_, failed_);
  ASSERT_TRUE(append(*log));
}

INSTANTIATE_TEST_SUITE_P(AtByte, FailedWrite, testing::Values(-1, 0, 3, 100, 250),
                         [](const auto& test) {
                           return test.param < 0 ? std::string("Sync") : std::to_string(test.param);
                         });

TEST_F(EmbeddedLogTest, AFlushThatFailsInTheBackgroundIsAnsweredAndOverWhenThereIsRoomAgain) {
  auto options = options_in(folder_.path(), 2);
  options.env = faulty_.env.get();
  options.write_buffer_bytes = 64 << 10;
  auto log = world_.open(options);
  std::vector<Appended> acknowledged;
  auto append = [&] {
    auto places =
        log->append_and_wait({record(std::to_string(acknowledged.size()), std::string(5000, 'x'))});
    if (places) acknowledged.push_back((*places)[0]);
    return places;
  };
  ASSERT_TRUE(append());
  disk_.fail_tables = true;
  auto places = append();
  for (int i = 0; places && i < 1000; ++i) places = append();
  ASSERT_FALSE(places);
  EXPECT_EQ(places.error().code, Code::unavailable) << places.error().message;
  EXPECT_EQ(append().error().code, Code::unavailable);
  disk_.fail_tables = false;
  ASSERT_TRUE(append());
  std::size_t stored = 0;
  for (std::int32_t i = 0; i < 2; ++i) stored += read_all(*log, {i}).size();
  EXPECT_GE(stored, acknowledged.size());
  EXPECT_LE(stored, acknowledged.size() + 2);
  std::sort(acknowledged.begin(), acknowledged.end());
  EXPECT_EQ(std::unique(acknowledged.begin(), acknowledged.end()), acknowledged.end());
}

TEST_F(EmbeddedLogTest, AFullDiskIsAnsweredAndOverWhenThereIsRoomAgain) {
  auto log = open();
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small{200'000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  std::int64_t stored = 0;
  auto append = [&] { return log->append_and_wait({record("1", std::string(10'000, 'x'))}); };
  auto places = append();
  for (; places && stored < 1000; places = append()) ++stored;
  EXPECT_FALSE(places);
  EXPECT_EQ(places.error().code, Code::unavailable) << places.error().message;
  EXPECT_EQ(append().error().code, Code::unavailable);
  EXPECT_EQ(read_all(*log, kOnly).size(), static_cast<std::size_t>(stored));
  ::setrlimit(RLIMIT_FSIZE, &before);
  places = append();
  ASSERT_TRUE(places) << places.error().message;
  EXPECT_GE((*places)[0].offset.value, stored);
  EXPECT_EQ(read_all(*log, kOnly).size(), static_cast<std::size_t>((*places)[0].offset.value + 1));
}

// Keys only grow, so compaction moves files; each byte is written to a file once.
TEST_F(EmbeddedLogTest, CompactionRewritesNothing) {
  auto options = options_in(folder_.path(), 2);
  options.env = faulty_.env.get();
  options.write_buffer_bytes = 1 << 20;
  auto log = world_.open(options);
  disk_.table_bytes = 0;
  SeededRandom random(3);
  for (int i = 0; i < 400; ++i) {
    std::string noise(100'000, '\0');
    random.fill({reinterpret_cast<std::uint8_t*>(noise.data()), noise.size()});
    ASSERT_TRUE(log->append_and_wait({record(std::to_string(i), noise)}));
  }
  log.reset();
  std::int64_t kept = 0;
  for (const auto& file : files_with(files(), ".sst"))
    kept += static_cast<std::int64_t>(std::filesystem::file_size(file));
  EXPECT_GT(kept, 30 << 20);
  EXPECT_LE(disk_.table_bytes,
            kept + 2 * (1 << 20));  // but for a flush per partition that closing cut off
}

}  // namespace
}  // namespace tillrace::log
