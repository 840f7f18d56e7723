// What retain() drops, what it never does, and what a crash in the middle leaves.
#include <gtest/gtest.h>

#include <future>

#include "log/faulty_disk.h"
#include "log/log_reader.h"
#include "log/log_testing.h"

namespace tillrace::log {
namespace {

using namespace std::chrono_literals;

constexpr Partition kOnly{0};
constexpr std::int64_t kMicrosPerHour = 3'600'000'000;
constexpr Retention kDropAll{.max_bytes = 1, .max_age_h = 0, .safety_h = 0};

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() {
    options_.env = faulty_.env.get();
    options_.write_buffer_bytes = 64 << 10;
  }
  void open() {
    log_.reset();
    auto opened = open_embedded_log(options_, clock_, world_.random, world_.metrics);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }
  Result<std::vector<Appended>> append(const std::string& key = "1") {
    std::string noise(9000, '\0');
    world_.random.fill({reinterpret_cast<std::uint8_t*>(noise.data()), noise.size()});
    Record made{key, noise, {}, clock_.now()};
    return log_->append_and_wait({made});
  }
  // Appends until so many tables have come, an hour apart.
  void fill_tables(int tables) {
    for (int i = 0; i < tables; ++i) {
      for (int j = 0; j < 8; ++j) ASSERT_TRUE(append());
      clock_.advance(1h);
    }
  }
  Offset first(Partition partition = kOnly) { return log_->first(partition).value(); }
  Offset end(Partition partition = kOnly) { return log_->end(partition).value(); }
  // RocksDB moves tables to where they can be dropped in its own time.
  void retain(Offset flushed, const Retention& retention, Partition partition = kOnly) {
    for (int i = 0; i < 20; ++i) {
      Status retained = log_->retain(partition, flushed, retention);
      ASSERT_TRUE(retained) << retained.error().message;
      std::this_thread::sleep_for(10ms);
    }
  }
  // That all from first to end can be read, without holes, and nothing else.
  void expect_whole(Partition partition = kOnly) {
    Offset expected = first(partition);
    for (const auto& stored : read_all(*log_, partition)) {
      ASSERT_EQ(stored.offset, expected);
      ++expected.value;
    }
    EXPECT_EQ(expected, end(partition));
  }
  std::uint64_t table_bytes() {
    std::uint64_t bytes = 0;
    for (const auto& file : files_with(folder_.path(), ".sst"))
      bytes += std::filesystem::file_size(file);
    return bytes;
  }

  ScratchFolder folder_;
  FaultyEnv faulty_;
  FaultyDisk& disk_ = *faulty_.disk;
  World world_;
  FakeClock clock_{{1'600'000'000'000'000}};
  EmbeddedLogOptions options_ = options_in(folder_.path(), 1);
  std::unique_ptr<Log> log_;
};

TEST_F(RetentionTest, NothingGoesWithoutALimit) {
  open();
  fill_tables(10);
  clock_.advance(1000h);
  retain(end(), {});
  EXPECT_EQ(first().value, 0);
}

TEST_F(RetentionTest, NothingThatASinkStillWantsGoes) {
  open();
  fill_tables(10);
  retain({0}, kDropAll);
  EXPECT_EQ(first().value, 0);
  retain({40}, kDropAll);
  EXPECT_GT(first().value, 20);
  EXPECT_LE(first().value, 40);
  expect_whole();
}

TEST_F(RetentionTest, NothingThatCameWithinTheSafetyMarginGoes) {
  open();
  fill_tables(10);
  retain(end(), {.max_bytes = 1, .max_age_h = 1, .safety_h = 100});
  EXPECT_EQ(first().value, 0);
  retain(end(), {.max_bytes = 1, .max_age_h = 1, .safety_h = 5});
  EXPECT_GT(first().value, 20);
  Record oldest = log_->read(kOnly, first(), {.max_records = 1})->records[0].record;
  EXPECT_LE(oldest.received_at.value, clock_.now().value - 4 * kMicrosPerHour);
  for (const auto& stored : read_all(*log_, kOnly))
    if (stored.record.received_at.value >= clock_.now().value - 5 * kMicrosPerHour) {
      EXPECT_LE(stored.offset.value, 40);
      break;
    }
}

TEST_F(RetentionTest, WhatIsTooOldGoes) {
  open();
  fill_tables(10);
  retain(end(), {.max_bytes = 0, .max_age_h = 5, .safety_h = 0});
  EXPECT_GT(first().value, 20);
  EXPECT_LE(first().value, 48);
  expect_whole();
}

TEST_F(RetentionTest, WhatIsTooMuchGoesTheOldestFirst) {
  open();
  fill_tables(10);
  retain(end(), {.max_bytes = 300'000, .max_age_h = 0, .safety_h = 0});
  EXPECT_LE(table_bytes(), 320'000u);
  EXPECT_GE(table_bytes(), 200'000u);
  expect_whole();
}

TEST_F(RetentionTest, TheLastTableStaysSoThatTheEndIsKnown) {
  open();
  fill_tables(10);
  retain(end(), kDropAll);
  Offset first_kept = first(), last = end();
  EXPECT_GT(first_kept.value, 60);
  EXPECT_LT(first_kept, last);
  for (int i = 0; i < 3; ++i) {
    open();  // puts what is in the WAL into a table
    EXPECT_EQ(end(), last);
    clock_.advance(1000h);
    retain(end(), kDropAll);
    EXPECT_LT(first(), last);
    expect_whole();
  }
  EXPECT_EQ(append().value()[0].offset, last);
}

TEST_F(RetentionTest, AMarkBelowTheFirstRecordIsCorruptAlsoAfterAStart) {
  open();
  fill_tables(10);
  retain(end(), kDropAll);
  Offset first_kept = first();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(first(), first_kept);
    for (Offset before : {Offset{0}, Offset{first_kept.value - 1}}) {
      auto fetched = log_->read(kOnly, before, {});
      ASSERT_FALSE(fetched);
      EXPECT_EQ(fetched.error().code, Code::corrupt);
      EXPECT_NE(fetched.error().message.find("the log starts at offset"), std::string::npos)
          << fetched.error().message;
    }
    open();
  }
}

TEST_F(RetentionTest, RefusesWhatIsBeyondTheEndOrNowhere) {
  open();
  EXPECT_TRUE(log_->retain(kOnly, {0}, kDropAll));
  EXPECT_EQ(log_->retain(kOnly, {1}, kDropAll).error().code, Code::corrupt);
  EXPECT_EQ(log_->retain({1}, {0}, kDropAll).error().code, Code::not_found);
  EXPECT_EQ(log_->bytes_after(kOnly, {1}).error().code, Code::corrupt);
  EXPECT_EQ(log_->bytes_after({1}, {0}).error().code, Code::not_found);
}

TEST_F(RetentionTest, RecordsOfAnIdlePartitionGoTooOnceTheyAreTooOld) {
  open();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(append());  // far from a full write buffer
    retain(end(), {.max_bytes = 0, .max_age_h = 24, .safety_h = 0});
    EXPECT_EQ(first().value, std::max(0, i - 1));
    clock_.advance(25h);
    retain(end(), {.max_bytes = 0, .max_age_h = 24, .safety_h = 0});
    EXPECT_EQ(first().value, i);
  }
  auto tables = files_with(folder_.path(), ".sst").size();
  retain(end(), {.max_bytes = 0, .max_age_h = 24, .safety_h = 0});
  EXPECT_EQ(files_with(folder_.path(), ".sst").size(), tables);
}

// The WAL of a busy partition's dropped tables is kept alive by an idle one.
TEST_F(RetentionTest, AStartFindsNoHoleWhereTheWalGoesBackBehindWhatWasDropped) {
  options_.partitions = 2;
  options_.all_write_buffers_bytes = 16 << 20;
  open();
  std::string idle, busy;
  for (int i = 0; idle.empty() || busy.empty(); ++i)
    (partition_of(std::to_string(i), 2).value == 0 ? idle : busy) = std::to_string(i);
  constexpr Partition kBusy{1};
  ASSERT_TRUE(append(busy));
  open();  // puts it into a table: the WAL begins with the second
  ASSERT_TRUE(append(idle));
  for (int i = 0; i < 80; ++i) ASSERT_TRUE(append(busy));
  clock_.advance(1h);
  retain(end(kBusy), kDropAll, kBusy);
  Offset first_kept = first(kBusy), last = end(kBusy);
  ASSERT_GT(first_kept.value, 50);
  open();
  EXPECT_EQ(first(kBusy), first_kept);
  EXPECT_EQ(end(kBusy), last);
  EXPECT_EQ(end().value, 1);
  expect_whole(kBusy);
}

TEST_F(RetentionTest, ReadersGoOnWhileWhatIsBehindThemGoes) {
  open();
  std::atomic<bool> over = false;
  std::atomic<std::int64_t> mark = 0;
  auto read_on = [&] {
    for (Offset next{0}; !over || next < end();) {
      auto fetched = log_->read(kOnly, next, {.max_records = 5});
      ASSERT_TRUE(fetched) << fetched.error().message;
      for (const auto& stored : fetched->records) {
        ASSERT_EQ(stored.offset, next);
        ++next.value;
      }
      mark = next.value;
    }
  };
  auto keep = [&] {
    while (!over) ASSERT_TRUE(log_->retain(kOnly, {mark}, kDropAll));
  };
  {
    std::jthread reader(read_on);
    std::jthread keeper(keep);
    for (int i = 0; i < 400; ++i) {
      EXPECT_TRUE(append());
      clock_.advance(1s);
    }
    over = true;
  }
  EXPECT_GT(first().value, 100);
  expect_whole();
}

TEST_F(RetentionTest, ABeginnerIsToldWhereTheLogStartsOrReadsIt) {
  open();
  fill_tables(30);
  std::jthread keeper([&] {
    for (std::int64_t flushed = 0; flushed <= 200; flushed += 5) {
      EXPECT_TRUE(log_->retain(kOnly, {flushed}, kDropAll));
      std::this_thread::sleep_for(1ms);
    }
  });
  int read = 0;
  for (int i = 0; i < 1000; ++i) {
    Offset from = first();
    auto fetched = log_->read(kOnly, from, {.max_records = 1});
    if (fetched) {
      ++read;
    } else {
      EXPECT_NE(fetched.error().message.find("the log starts at"), std::string::npos)
          << fetched.error().message;
    }
  }
  EXPECT_GT(read, 0);
}

TEST_F(RetentionTest, AFailedWriteDoesNotBringBackWhatWasDropped) {
  open();
  fill_tables(10);
  retain(end(), kDropAll);
  Offset first_kept = first();
  disk_.fail_wal_syncs = true;
  EXPECT_FALSE(append());
  disk_.fail_wal_syncs = false;
  ASSERT_TRUE(append());
  EXPECT_GE(first(), first_kept);
  expect_whole();
}

TEST_F(RetentionTest, AFollowerSurvivesWhatItsOwnerDrops) {
  open();
  fill_tables(10);
  auto reader = LogReader::open(folder_.path(), "events").value();
  EXPECT_EQ(reader->first(kOnly)->value, 0);
  retain(end(), kDropAll);
  auto dropped = reader->read(kOnly, {0}, {});  // it may have the tables open
  EXPECT_TRUE(dropped || dropped.error().message.find("starts at") != std::string::npos);
  for (int i = 0; i < 10; ++i) {
    Offset last = append().value()[0].offset;
    ASSERT_TRUE(reader->refresh());
    auto fetched = reader->read(kOnly, last, {});
    ASSERT_TRUE(fetched) << fetched.error().message;
    EXPECT_EQ(fetched->next, reader->end(kOnly).value());
    fetched = reader->read(kOnly, reader->first(kOnly).value(), {.max_records = 1'000});
    EXPECT_TRUE(fetched) << fetched.error().message;
  }
  auto fresh = LogReader::open(folder_.path(), "events").value();
  EXPECT_TRUE(fresh->read(kOnly, first(), {}));
}

// Whatever of a drop a power cut leaves, the log is whole from some record on, which is none that
// was dropped before, and none that must be kept.
TEST_F(RetentionTest, AfterAPowerCutInADropTheLogIsWhole) {
  SeededRandom random(31);
  Offset told{0};
  for (int round = 0; round < 25; ++round) {
    open();
    ASSERT_GE(first(), told) << "round " << round;
    expect_whole();
    Offset acknowledged = end();
    fill_tables(4);
    std::this_thread::sleep_for(20ms);
    Offset flushed{acknowledged.value + 16};
    std::jthread cutter([&, delay = random.below(3000)] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
      disk_.cut_power();
    });
    while (log_->retain(kOnly, flushed, kDropAll) && append()) {
    }
    cutter.join();
    told = first();
    Offset last = end();
    log_.reset();
    disk_.lose_unsynced(random);
    disk_.fail_everything = false;
    open();
    ASSERT_GE(end(), last);
    ASSERT_LE(first(), std::max(flushed, told));
    expect_whole();
  }
  EXPECT_GT(told.value, 100);
}

TEST_F(RetentionTest, KnowsAboutHowMuchLiesBehindAMark) {
  open();
  fill_tables(30);
  std::uint64_t all = log_->bytes_after(kOnly, {0}).value();
  EXPECT_NEAR(static_cast<double>(all), 30 * 8 * 9000, 80'000);
  for (std::int64_t from : {0, 50, 100, 150, 200, 235}) {
    auto bytes = static_cast<double>(log_->bytes_after(kOnly, {from}).value());
    EXPECT_NEAR(bytes, static_cast<double>((end().value - from) * 9000), 2 * 64 << 10) << from;
  }
  EXPECT_EQ(log_->bytes_after(kOnly, end()).value(), 0u);
  retain(end(), kDropAll);
  EXPECT_EQ(log_->bytes_after(kOnly, {0}).error().code, Code::corrupt);
  EXPECT_LT(log_->bytes_after(kOnly, first()).value(), all / 3);
}

}  // namespace
}  // namespace tillrace::log
