// Compaction and vacuum.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "lake/delta_compaction.h"
#include "lake/delta_for_tests.h"
#include "lake/delta_paths.h"
#include "lake/delta_vacuum.h"
#include "lake/faulty_store_for_tests.h"

namespace tillrace::lake {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const VacuumOptions kAtOnce{.retention = std::chrono::milliseconds(0), .force = true};

class DeltaHousekeepingTest : public testing::Test {
 protected:
  DeltaTable create(std::vector<std::string> partition_columns = {}, Properties properties = {}) {
    auto spec = numbers_spec();
    spec.partition_columns = std::move(partition_columns);
    spec.properties = std::move(properties);
    auto table = DeltaTable::create(lake_.ports(), "t", spec);
    EXPECT_TRUE(table) << table.error().message;
    return std::move(*table);
  }
  std::vector<std::string> data_files() {
    std::vector<std::string> files;
    auto listed = lake_.store().list("t/", [&](const StoredFile& file) {
      if (file.path.find("_delta_log") == std::string::npos) files.push_back(file.path);
      return true;
    });
    EXPECT_TRUE(listed);
    return files;
  }
  void put(const std::string& path) { ASSERT_TRUE(lake_.store().put(path, "x")); }
  // One that a Spark with row tracking has raised, say.
  void raise_protocol(std::int64_t version) {
    ASSERT_TRUE(lake_.store().put_if_absent(
        "t/" + commit_path(version),
        R"({"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["other"]}})"));
  }
  // Two files in each of the partitions a and b.
  DeltaTable with_two_partitions() {
    auto table = create({"word"});
    for (int i = 0; i < 4; ++i)
      append(table, fmt::format("SELECT {} AS id, '{}' AS word", i, i % 2 == 0 ? "a" : "b"));
    return table;
  }
  std::vector<std::string> data_files_of(const std::string& partition) {
    auto files = data_files();
    std::erase_if(files, [&](const auto& path) {
      return path.find("word=" + partition + "/") == std::string::npos;
    });
    return files;
  }
  void age(const std::string& path, int days) {
    auto seconds = lake_.clock().now().value / 1'000'000 - days * 86'400L;
    timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, lake_.store().local_path(path)->c_str(), times, 0), 0);
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake lake_{scratch_.path()};
};

TEST_F(DeltaHousekeepingTest, CompactionMakesOneFileOfManyAndChangesNoRow) {
  auto table = create({"word"});
  for (int i = 0; i < 6; ++i) {
    append(table, fmt::format("SELECT {} AS id, 'w' || {} AS word", i, i % 2));
  }
  auto before = lake_.rows_of(table);
  auto report = compact(table, {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files_before, 6U);
  EXPECT_EQ(report->files_after, 2U);
  EXPECT_EQ(table.snapshot().files().size(), 2U);
  EXPECT_EQ(lake_.rows_of(table), before);
  EXPECT_EQ(lake_.rows_of(table, *table.at_version(6)), before);
  auto info = table.commit_info(table.snapshot().version());
  EXPECT_EQ(info->operation, "OPTIMIZE");
  EXPECT_FALSE(info->is_blind_append);
}

TEST_F(DeltaHousekeepingTest, CompactionSaysThatNoDataChanged) {
  auto table = create();
  append(table, "SELECT 1 AS id");
  append(table, "SELECT 2 AS id");
  ASSERT_TRUE(compact(table, {}));
  DeltaLog log(lake_.store(), "t");
  auto actions = log.read_commit(3);
  ASSERT_TRUE(actions);
  int files = 0;
  for (const auto& action : *actions) {
    if (const auto* add = std::get_if<AddFile>(&action)) files += add->data_change ? 100 : 1;
    if (const auto* gone = std::get_if<RemoveFile>(&action)) files += gone->data_change ? 100 : 1;
  }
  EXPECT_EQ(files, 3);
}

TEST_F(DeltaHousekeepingTest, CompactionLeavesLargeAndSingleFilesAlone) {
  auto table = create();
  append(table, "SELECT range AS id, md5(range::VARCHAR) AS word FROM range(5000)");
  append(table, "SELECT 1 AS id");
  std::uint64_t large = 0;
  for (const auto& [path, file] : table.snapshot().files()) {
    large = std::max(large, static_cast<std::uint64_t>(file.size));
  }
  auto report = compact(table, {.target_bytes = large});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files_before, 0U);
  EXPECT_EQ(table.snapshot().version(), 2);
}

TEST_F(DeltaHousekeepingTest, CompactionMakesFilesOfAboutTheTarget) {
  auto table = create();
  for (int i = 0; i < 12; ++i)
    append(table,
           "SELECT range AS id, md5(range::VARCHAR) AS word"
           " FROM range(2000)");
  auto bytes = static_cast<std::uint64_t>(table.snapshot().files().begin()->second.size);
  auto report = compact(table, {.target_bytes = 4 * bytes});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files_before, 12U);
  EXPECT_EQ(report->files_after, 3U);
  EXPECT_EQ(lake_.rows_of(table, "count(*)"), std::vector<std::string>{"24000"});
}

TEST_F(DeltaHousekeepingTest, CompactionEndsAFileWhereItIsNearestToTheTarget) {
  auto table = create();
  for (int i = 0; i < 12; ++i)
    append(table,
           "SELECT range AS id, md5(range::VARCHAR) AS word"
           " FROM range(2000)");
  auto bytes = static_cast<std::uint64_t>(table.snapshot().files().begin()->second.size);
  auto report = compact(table, {.target_bytes = bytes * 100 / 45});  // 90 %, or 135 %
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files_before, 12U);
  EXPECT_EQ(report->files_after, 6U);
}

TEST_F(DeltaHousekeepingTest, AHalfGrownFileIsNotRewrittenForLittle) {
  const CompactionOptions kThrifty{.least_growth_percent = 50};
  auto table = create();
  append(table, "SELECT range AS id, md5(range::VARCHAR) AS word FROM range(5000)");
  auto grown = table.snapshot().files().begin()->first;
  append(table, "SELECT 1 AS id");
  EXPECT_EQ(compact(table, kThrifty)->files_before, 0U);
  append(table, "SELECT 2 AS id");
  EXPECT_EQ(compact(table, kThrifty)->files_before, 2U) << "the small ones are made one";
  EXPECT_TRUE(table.snapshot().files().contains(grown));
  append(table, "SELECT range AS id, md5(range::VARCHAR) AS word FROM range(3000)");
  EXPECT_EQ(compact(table, kThrifty)->files_before, 3U) << "by then it is worth it";
  EXPECT_EQ(lake_.rows_of(table, "count(*)"), std::vector<std::string>{"8002"});
}

TEST_F(DeltaHousekeepingTest, AHalfGrownFileIsRewrittenForLittleWhereThatIsAskedFor) {
  auto table = create();
  append(table, "SELECT range AS id, md5(range::VARCHAR) AS word FROM range(5000)");
  append(table, "SELECT 1 AS id");
  EXPECT_EQ(compact(table, {})->files_before, 2U);
}

TEST_F(DeltaHousekeepingTest, CompactionTakesSoManyFilesAtOnceAndNoMore) {
  auto table = create();
  for (int i = 0; i < 5; ++i) append(table, "SELECT 1 AS id");
  auto report = compact(table, {.most_files_at_once = 2});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files_before, 4U);
  EXPECT_EQ(report->files_after, 2U);
}

TEST_F(DeltaHousekeepingTest, CompactionGivesUpAGroupThatOthersTookAndLeavesNothingBehind) {
  FaultyStore store(lake_.store());
  auto other = create();
  append(other, "SELECT 1 AS id");
  append(other, "SELECT 2 AS id");
  auto table = DeltaTable::open(lake_.ports(store), "t");
  ASSERT_TRUE(table);
  store.play([&, done = false](std::string_view operation, std::string_view) mutable {
    if (operation != "put_if_absent" || std::exchange(done, true)) return Fault::none;
    auto replacement = other.replace({});
    EXPECT_TRUE(other.commit(replacement));
    return Fault::none;
  });
  auto report = compact(*table, {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->conflicts, 1U);
  EXPECT_THAT(lake_.rows_of(*table), IsEmpty());
  EXPECT_EQ(data_files().size(), 2U);
}

TEST_F(DeltaHousekeepingTest, CompactionLeavesItsFileWhereTheCommitMayStand) {
  FaultyStore store(lake_.store());
  auto other = create();
  append(other, "SELECT 1 AS id");
  append(other, "SELECT 2 AS id");
  auto table = DeltaTable::open(lake_.ports(store), "t");
  ASSERT_TRUE(table);
  store.play([&](std::string_view operation, std::string_view path) {
    if (operation == "put_if_absent") return Fault::answer_lost;
    if (operation == "get" && path == "t/" + commit_path(3)) {
      EXPECT_TRUE(lake_.store().put(path, "{"));
    }
    return Fault::none;
  });
  auto report = compact(*table, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::corrupt);
  EXPECT_EQ(data_files().size(), 3U);
}

TEST_F(DeltaHousekeepingTest, CompactionGoesOnWhereAFileOfOneGroupIsBroken) {
  auto table = with_two_partitions();
  put(data_files_of("a")[0]);
  CompactionReport report;
  EXPECT_FALSE(compact(table, {}, report));
  EXPECT_EQ(table.snapshot().files().size(), 3U) << "b is compacted";
  EXPECT_EQ(report.files_before, 2U) << "and it is told";
}

TEST_F(DeltaHousekeepingTest, CompactionGoesOnWhereAFileOfOneGroupIsGone) {
  auto table = with_two_partitions();
  auto gone = data_files_of("a")[0];
  ASSERT_TRUE(lake_.store().remove(gone));
  auto report = compact(table, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::corrupt);
  EXPECT_THAT(report.error().message, testing::HasSubstr(gone));
  EXPECT_EQ(table.snapshot().files().size(), 3U) << "b is compacted";
}

TEST_F(DeltaHousekeepingTest, CompactionEndsWhereTheStoreIsAway) {
  FaultyStore store(lake_.store());
  with_two_partitions();
  auto table = DeltaTable::open(lake_.ports(store), "t");
  ASSERT_TRUE(table);
  int tries = 0;
  store.play([&](std::string_view operation, std::string_view) {
    if (operation != "put_file") return Fault::none;
    ++tries;
    return Fault::refused;
  });
  EXPECT_EQ(compact(*table, {}).error().code, Code::unavailable);
  EXPECT_EQ(tries, 1);
}

TEST_F(DeltaHousekeepingTest, ATableOfNewerWritersIsRefusedBeforeAnythingIsDone) {
  FaultyStore store(lake_.store());
  auto first = create();
  append(first, "SELECT 1 AS id");
  append(first, "SELECT 2 AS id");
  raise_protocol(3);
  auto table = DeltaTable::open(lake_.ports(store), "t");
  ASSERT_TRUE(table);
  std::vector<std::string> written;
  store.play([&](std::string_view operation, std::string_view path) {
    if (operation.starts_with("put")) written.emplace_back(path);
    return Fault::none;
  });
  EXPECT_EQ(compact(*table, {}).error().code, Code::invalid);
  EXPECT_EQ(table->checkpoint().error().code, Code::invalid);
  EXPECT_THAT(written, IsEmpty());
}

TEST_F(DeltaHousekeepingTest, CompactionTakesInColumnsThatCameLater) {
  auto table = create();
  append(table, "SELECT 1 AS id");
  auto evolution = table.add_columns({{"more", "string"}});
  ASSERT_TRUE(table.commit(*evolution));
  append(table, "SELECT 2 AS id, 'x' AS more");
  ASSERT_TRUE(compact(table, {}));
  EXPECT_EQ(table.snapshot().files().size(), 1U);
  EXPECT_THAT(lake_.rows_of(table, "id, more"), ElementsAre("1|NULL", "2|x"));
}

TEST_F(DeltaHousekeepingTest, VacuumRefusesLessThanAWeekUnlessForced) {
  auto table = create();
  auto refused = vacuum(table, {.retention = std::chrono::hours(167)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_TRUE(vacuum(table, {.retention = std::chrono::hours(168)}));
  EXPECT_TRUE(vacuum(table, {.retention = std::chrono::hours(167), .force = true}));
}

TEST_F(DeltaHousekeepingTest, VacuumRefusesLessThanTheTablesOwnRetentionUnlessForced) {
  auto table = create({}, {{"delta.deletedFileRetentionDuration", "interval 30 days"}});
  EXPECT_EQ(vacuum(table, {.retention = std::chrono::hours(719)}).error().code, Code::invalid);
  EXPECT_TRUE(vacuum(table, {.retention = std::chrono::hours(720)}));
  EXPECT_TRUE(vacuum(table, {.retention = std::chrono::hours(719), .force = true}));
}

TEST_F(DeltaHousekeepingTest, VacuumKeepsAsLongAsTheTableOrTheCallerSaysWhicheverIsLonger) {
  auto table = create({}, {{"delta.deletedFileRetentionDuration", "interval 10 days"}});
  for (int days : {9, 11, 13}) {
    auto path = fmt::format("t/{:02}.parquet", days);
    put(path);
    age(path, days);
  }
  auto would_go = [&](int least_days) {
    auto report = vacuum(table, {.least = std::chrono::hours(24 * least_days), .dry_run = true});
    EXPECT_TRUE(report) << report.error().message;
    return report ? report->files : std::vector<std::string>{};
  };
  EXPECT_THAT(would_go(7), ElementsAre("11.parquet", "13.parquet"));
  EXPECT_THAT(would_go(12), ElementsAre("13.parquet"));
}

TEST_F(DeltaHousekeepingTest, VacuumDeletesWhatIsOldAndNeededNoMore) {
  auto table = create();
  append(table, "SELECT 1 AS id");
  append(table, "SELECT 2 AS id");
  ASSERT_TRUE(compact(table, {}));
  put("t/left/behind.parquet");
  auto report = vacuum(table, kAtOnce);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files.size(), 3U);
  EXPECT_EQ(data_files().size(), 1U);
  EXPECT_THAT(lake_.rows_of(table, "id"), ElementsAre("1", "2"));
}

TEST_F(DeltaHousekeepingTest, VacuumKeepsWhatWasRemovedLately) {
  auto table = create();
  append(table, "SELECT 1 AS id");
  auto files = data_files();
  auto replacement = table.replace({});
  ASSERT_TRUE(table.commit(replacement));
  age(files[0], 30);  // the file is old, its removal is not
  auto report = vacuum(table, {});
  ASSERT_TRUE(report);
  EXPECT_THAT(report->files, IsEmpty());
  EXPECT_EQ(data_files(), files);
}

TEST_F(DeltaHousekeepingTest, VacuumKeepsWhatWasRemovedLatelyThoughCheckpointsHaveForgottenIt) {
  auto table = create({}, {{"delta.deletedFileRetentionDuration", "interval 1 millisecond"}});
  append(table, "SELECT 1 AS id");
  auto files = data_files();
  auto replacement = table.replace({});
  ASSERT_TRUE(table.commit(replacement));
  lake_.clock().sleep_for(std::chrono::milliseconds(5));
  ASSERT_TRUE(table.checkpoint());
  auto again = DeltaTable::open(lake_.ports(), "t");
  ASSERT_TRUE(again);
  ASSERT_THAT(again->snapshot().tombstones(), IsEmpty());
  age(files[0], 30);
  auto report = vacuum(*again, {.retention = std::chrono::hours(168)});
  ASSERT_TRUE(report);
  EXPECT_THAT(report->files, IsEmpty());
  EXPECT_EQ(data_files(), files);
  age("t/" + commit_path(2), 8);  // that is when it was removed
  EXPECT_EQ(vacuum(*again, {.retention = std::chrono::hours(168)})->files.size(), 1U);
}

TEST_F(DeltaHousekeepingTest, VacuumLetsATableInItsFolderAlone) {
  auto table = create();
  auto spec = numbers_spec();
  auto inner = DeltaTable::create(lake_.ports(), "t/a/archive", spec);
  ASSERT_TRUE(inner);
  append(*inner, "SELECT 1 AS id");
  for (auto path : {"t/a/archive/x.parquet", "t/a/archive/word=1/x.parquet"}) put(path);
  for (auto path : {"t/a/x.parquet", "t/a/archived.parquet", "t/x.parquet"}) put(path);
  auto report = vacuum(table, kAtOnce);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->files,
              UnorderedElementsAre("a/x.parquet", "a/archived.parquet", "x.parquet"));
  EXPECT_THAT(lake_.rows_of(*inner, "id"), ElementsAre("1"));
}

TEST_F(DeltaHousekeepingTest, VacuumKeepsYoungFilesThatNobodyRefersTo) {
  auto table = create();
  put("t/young.parquet");
  put("t/old.parquet");
  age("t/old.parquet", 8);
  auto report = vacuum(table, {});
  ASSERT_TRUE(report);
  EXPECT_THAT(report->files, ElementsAre("old.parquet"));
  EXPECT_THAT(data_files(), ElementsAre("t/young.parquet"));
}

TEST_F(DeltaHousekeepingTest, VacuumLetsHiddenFilesAloneButNotPartitionsThatLookHidden) {
  auto table = create();
  for (auto path : {"t/_symlink/x", "t/.hidden", "t/a/_tmp/x", "t/_p=1/x.parquet"}) put(path);
  auto report = vacuum(table, kAtOnce);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->files, ElementsAre("_p=1/x.parquet"));
}

TEST_F(DeltaHousekeepingTest, VacuumSaysWhatWouldGo) {
  auto table = create();
  put("t/x.parquet");
  auto options = kAtOnce;
  options.dry_run = true;
  EXPECT_THAT(vacuum(table, options)->files, ElementsAre("x.parquet"));
  EXPECT_EQ(data_files().size(), 1U);
}

TEST_F(DeltaHousekeepingTest, VacuumSparesWhatIsCommittedWhileItLooks) {
  FaultyStore store(lake_.store());
  auto other = create();
  auto files = other.write("SELECT 1 AS id");
  ASSERT_TRUE(files);
  lake_.clock().sleep_for(std::chrono::milliseconds(5));
  auto table = DeltaTable::open(lake_.ports(store), "t");
  ASSERT_TRUE(table);
  store.play([&, done = false](std::string_view operation, std::string_view path) mutable {
    if (operation != "list" || path != "t/" || std::exchange(done, true)) return Fault::none;
    auto transaction = other.append(*files);
    EXPECT_TRUE(other.commit(transaction));
    return Fault::none;
  });
  auto report = vacuum(*table, kAtOnce);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->files, IsEmpty());
  EXPECT_THAT(lake_.rows_of(*table, "id"), ElementsAre("1"));
}

TEST_F(DeltaHousekeepingTest, AStopEndsAVacuumBeforeTheNextFile) {
  FaultyStore store(lake_.store());
  create();
  for (auto path : {"t/a.parquet", "t/b.parquet", "t/c.parquet"}) put(path);
  auto table = DeltaTable::open(lake_.ports(store), "t");
  ASSERT_TRUE(table);
  std::stop_source stop;
  store.play([&](std::string_view operation, std::string_view path) {
    if (operation == "remove" && path == "t/a.parquet") stop.request_stop();
    return Fault::none;
  });
  auto options = kAtOnce;
  options.stop = stop.get_token();
  EXPECT_THAT(vacuum(*table, options)->files, ElementsAre("a.parquet"));
  EXPECT_THAT(data_files(), ElementsAre("t/b.parquet", "t/c.parquet"));
}

TEST_F(DeltaHousekeepingTest, AStopWhileAVacuumLooksDeletesNothing) {
  FaultyStore store(lake_.store());
  create();
  put("t/a.parquet");
  auto table = DeltaTable::open(lake_.ports(store), "t");
  ASSERT_TRUE(table);
  std::stop_source stop;
  store.play([&](std::string_view operation, std::string_view path) {
    if (operation == "list" && path == "t/") stop.request_stop();
    return Fault::none;
  });
  auto options = kAtOnce;
  options.stop = stop.get_token();
  EXPECT_THAT(vacuum(*table, options)->files, IsEmpty());
  EXPECT_EQ(data_files().size(), 1U);
}

TEST_F(DeltaHousekeepingTest, WhatIsGoneIsToldThoughTheStoreIsAwayThen) {
  FaultyStore store(lake_.store());
  create();
  for (auto path : {"t/a.parquet", "t/b.parquet"}) put(path);
  auto table = DeltaTable::open(lake_.ports(store), "t");
  ASSERT_TRUE(table);
  store.play([](std::string_view operation, std::string_view path) {
    return operation == "remove" && path == "t/b.parquet" ? Fault::refused : Fault::none;
  });
  VacuumReport report;
  EXPECT_EQ(vacuum(*table, kAtOnce, report).error().code, Code::unavailable);
  EXPECT_THAT(report.files, ElementsAre("a.parquet"));
}

TEST_F(DeltaHousekeepingTest, AClockThatIsAheadMakesNoFileOld) {
  create();
  put("t/young.parquet");
  put("t/old.parquet");
  age("t/old.parquet", 8);
  FakeClock ahead(UtcMicros{lake_.clock().now().value + 30 * 86'400'000'000});
  auto ports = lake_.ports();
  auto table =
      DeltaTable::open({ports.store, ports.duck, ahead, ports.random, ports.spool_folder}, "t");
  ASSERT_TRUE(table);
  EXPECT_THAT(vacuum(*table, {})->files, ElementsAre("old.parquet"));
  EXPECT_THAT(data_files(), ElementsAre("t/young.parquet"));
}

TEST_F(DeltaHousekeepingTest, VacuumRefusesTablesOfNewerWriters) {
  auto table = create();
  put("t/x.parquet");
  raise_protocol(1);
  EXPECT_EQ(vacuum(table, kAtOnce).error().code, Code::invalid);
  EXPECT_EQ(data_files().size(), 1U);
}

}  // namespace
}  // namespace tillrace::lake
