#include "app/lake_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/scratch_for_tests.h"
#include "lake/delta_inspect.h"

namespace tillrace::app {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr std::chrono::seconds kLongest{60};  // a sanitizer's build on a busy machine

class LakeKeeperTest : public testing::Test {
 protected:
  LakeKeeperTest() {
    config_.data_dir = folder_.path() / "data";
    config_.lake.root = (folder_.path() / "lake").string();
    auto open = OpenLake::open(config_, "test", clock_, random_, metrics_);
    EXPECT_TRUE(open) << open.error().message;
    lake_ = std::move(*open);
  }

  lake::DeltaTable create(const std::string& path, int commits, lake::Properties properties = {},
                          std::vector<std::string> partition_columns = {}) {
    lake::TableSpec spec;
    spec.schema = {{{"id", "long"}, {"day", "long"}}};
    spec.properties = std::move(properties);
    spec.partition_columns = std::move(partition_columns);
    auto table = lake::DeltaTable::create(lake_->ports(), path, spec);
    EXPECT_TRUE(table) << table.error().message;
    for (int i = 0; i < commits; ++i) append(*table, "SELECT 1 AS id");
    return std::move(*table);
  }
  static void append(lake::DeltaTable& table, const std::string& select) {
    auto files = table.write(select);
    ASSERT_TRUE(files) << files.error().message;
    auto transaction = table.append(*files);
    auto version = table.commit(transaction);
    ASSERT_TRUE(version) << version.error().message;
  }
  std::unique_ptr<LakeKeeper> keep(milliseconds compact, milliseconds vacuum) {
    LakeKeeperOptions options;
    options.compact_interval = compact;
    options.vacuum_interval = vacuum;
    return std::make_unique<LakeKeeper>(
        options,
        [this](const std::stop_token& stop) {
          ++opened_;
          return OpenLake::open(config_, "keeper", clock_, random_, metrics_, stop);
        },
        clock_, metrics_);
  }
  template <class Condition>
  static bool soon(const Condition& condition) {
    auto end = std::chrono::steady_clock::now() + kLongest;
    while (!condition() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(milliseconds(5));
    return condition();
  }
  std::size_t files(lake::DeltaTable& table) {
    EXPECT_TRUE(table.refresh());
    return table.snapshot().files().size();
  }
  // A file that no version knows.
  std::filesystem::path left_over(const std::string& name, int days) {
    auto path = folder_.path() / "lake" / name;
    EXPECT_TRUE(write_file_atomically(path, "x"));
    std::filesystem::last_write_time(
        path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(24 * days));
    return path;
  }
  // On the disk, beside the log.
  std::size_t stored(const std::string& path) {
    std::size_t count = 0;
    EXPECT_TRUE(lake_->ports().store.list(path + "/part-", [&](const lake::StoredFile&) {
      ++count;
      return true;
    }));
    return count;
  }
  double value(const std::string& name, const Labels& labels = {}) {
    return metrics_.counter(name, "", labels).value();
  }

  ScratchFolder folder_{ScratchFolder::On::in_memory};
  SystemClock clock_;
  SystemRandom random_;
  Metrics metrics_;
  Config config_;
  std::unique_ptr<OpenLake> lake_;
  std::atomic<int> opened_ = 0;
};

TEST_F(LakeKeeperTest, SmallFilesOfEveryTableBecomeOne) {
  auto a = create("bronze/a", 5);
  auto b = create("b", 3);
  auto keeper = keep(milliseconds(20), milliseconds(0));
  EXPECT_TRUE(soon([&] { return files(a) == 1 && files(b) == 1; }));
  EXPECT_TRUE(soon([&] { return value("tillrace_lake_compacted_files_total") == 8; }));
  EXPECT_EQ(stored("b"), 4U) << "older versions keep their files";
}

TEST_F(LakeKeeperTest, WhatWritersAppendMeanwhileIsCompactedLaterAndNotLost) {
  auto table = create("t", 2);
  auto keeper = keep(milliseconds(1), milliseconds(0));
  for (int i = 0; i < 40; ++i) append(table, "SELECT 1 AS id");
  EXPECT_TRUE(soon([&] { return files(table) == 1; }));
  EXPECT_EQ(lake::size_of(table.snapshot()).rows, 42);
}

TEST_F(LakeKeeperTest, FilesThatNoVersionNeedsGo) {
  create("t", 1);
  auto old = left_over("t/part-left-over.parquet", 8);
  auto keeper = keep(milliseconds(0), milliseconds(20));
  EXPECT_TRUE(soon([&] { return !std::filesystem::exists(old); }));
  EXPECT_EQ(stored("t"), 1U);
  EXPECT_TRUE(soon([&] { return value("tillrace_lake_vacuumed_files_total") == 1; }));
}

TEST_F(LakeKeeperTest, AYoungFileStays) {
  create("t", 1);
  auto young = folder_.path() / "lake/t/part-young.parquet";
  ASSERT_TRUE(write_file_atomically(young, "x"));
  auto keeper = keep(milliseconds(0), milliseconds(5));
  EXPECT_TRUE(soon([&] { return opened_ >= 3; }));
  EXPECT_TRUE(std::filesystem::exists(young));
}

TEST_F(LakeKeeperTest, ATablesOwnLongerRetentionCounts) {
  create("t", 1, {{"delta.deletedFileRetentionDuration", "interval 30 days"}});
  auto kept = left_over("t/part-kept.parquet", 29);
  auto gone = left_over("t/part-gone.parquet", 31);
  auto keeper = keep(milliseconds(0), milliseconds(5));
  EXPECT_TRUE(soon([&] { return !std::filesystem::exists(gone); }));
  EXPECT_TRUE(std::filesystem::exists(kept));
}

TEST_F(LakeKeeperTest, ATablesOwnShorterRetentionDoesNot) {
  create("t", 1, {{"delta.deletedFileRetentionDuration", "interval 1 hour"}});
  auto kept = left_over("t/part-kept.parquet", 6);
  auto gone = left_over("t/part-gone.parquet", 8);
  auto keeper = keep(milliseconds(0), milliseconds(5));
  EXPECT_TRUE(soon([&] { return !std::filesystem::exists(gone); }));
  EXPECT_TRUE(std::filesystem::exists(kept));
}

TEST_F(LakeKeeperTest, ATableOfNewerWritersIsPassedOverQuietly) {
  create("a", 3);
  ASSERT_TRUE(lake_->ports().store.put_if_absent(
      "a/_delta_log/00000000000000000004.json",
      R"({"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["other"]}})"));
  auto old = left_over("a/part-old.parquet", 8);
  create("beyond", 1);
  ASSERT_TRUE(lake_->ports().store.put_if_absent(
      "beyond/_delta_log/00000000000000000002.json",
      R"({"protocol":{"minReaderVersion":2,"minWriterVersion":5}})"));
  auto table = create("c", 3);
  auto keeper = keep(milliseconds(5), milliseconds(5));
  EXPECT_TRUE(soon([&] { return files(table) == 1 && opened_ >= 3; }));
  EXPECT_EQ(stored("a"), 4U);
  EXPECT_TRUE(std::filesystem::exists(old));
  EXPECT_EQ(value("tillrace_lake_upkeep_failed_total", {{"code", "invalid"}}), 0);
}

TEST_F(LakeKeeperTest, WhatCannotBeCompactedKeepsNeitherTheRestNorVacuumFromWork) {
  auto table = create("t", 0, {}, {"day"});
  for (int i = 0; i < 4; ++i) append(table, fmt::format("SELECT 1 AS id, {} AS day", i % 2));
  auto broken = table.snapshot().files().begin()->first;  // of day 0
  ASSERT_TRUE(lake_->ports().store.put("t/" + broken, "x"));
  auto old = left_over("t/part-old.parquet", 8);
  auto keeper = keep(milliseconds(20), milliseconds(20));
  EXPECT_TRUE(soon([&] { return !std::filesystem::exists(old); }));
  EXPECT_EQ(files(table), 3U);
  EXPECT_EQ(value("tillrace_lake_compacted_files_total"), 2);
  EXPECT_TRUE(soon([&] {
    return value("tillrace_lake_upkeep_failed_total", {{"code", "invalid"}}) > 0;
  }));
}

TEST_F(LakeKeeperTest, NothingIsDoneBeforeTheIntervalIsOverNorWhenBothAreOff) {
  auto table = create("t", 3);
  {
    auto keeper = keep(std::chrono::hours(1), std::chrono::hours(24));
    auto off = keep(milliseconds(0), milliseconds(0));
    std::this_thread::sleep_for(milliseconds(100));
  }
  EXPECT_EQ(opened_, 0);
  EXPECT_EQ(files(table), 3U);
}

TEST_F(LakeKeeperTest, ABrokenTableIsToldAndTheOthersAreKept) {
  ASSERT_TRUE(lake_->ports().store.put("a/_delta_log/00000000000000000000.json", "{"));
  auto table = create("b", 3);
  auto keeper = keep(milliseconds(20), milliseconds(0));
  EXPECT_TRUE(soon([&] { return files(table) == 1; }));
  EXPECT_GE(value("tillrace_lake_upkeep_failed_total", {{"code", "corrupt"}}), 1);
}

TEST_F(LakeKeeperTest, ALakeThatIsAwayIsToldAndTriedAgain) {
  auto table = create("t", 3);
  std::atomic<bool> away = true;
  LakeKeeperOptions options;
  options.compact_interval = milliseconds(5);
  LakeKeeper keeper(
      options,
      [&](const std::stop_token& stop) -> Result<std::unique_ptr<OpenLake>> {
        if (away) return fail(Code::unavailable, "the lake is away");
        return OpenLake::open(config_, "keeper", clock_, random_, metrics_, stop);
      },
      clock_, metrics_);
  EXPECT_TRUE(soon([&] {
    return value("tillrace_lake_upkeep_failed_total", {{"code", "unavailable"}}) > 0;
  }));
  away = false;
  EXPECT_TRUE(soon([&] { return files(table) == 1; }));
}

TEST_F(LakeKeeperTest, ItEndsAtOnceAlsoInTheMiddleOfWork) {
  auto table = create("t", 0);
  for (int i = 0; i < 4; ++i)
    append(table, "SELECT hash(i) % 1000000000 AS id FROM range(3000000) r(i)");
  auto keeper = keep(milliseconds(1), milliseconds(0));
  ASSERT_TRUE(soon([&] { return opened_ > 0; }));
  std::this_thread::sleep_for(milliseconds(50));
  auto began = std::chrono::steady_clock::now();
  keeper.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
  ASSERT_TRUE(table.refresh());
  EXPECT_EQ(lake::size_of(table.snapshot()).rows, 12'000'000);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path()))
    EXPECT_FALSE(entry.path().string().find("/keeper-") != std::string::npos &&
                 entry.is_regular_file())
        << entry.path();
}

}  // namespace
}  // namespace tillrace::app
