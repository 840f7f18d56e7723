// Opening a table: checkpoints, leftovers, what is broken; and the log's own clean-up.
#include "lake/delta_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "lake/delta_checkpoint.h"
#include "lake/delta_checkpoint_reader.h"
#include "lake/delta_for_tests.h"
#include "lake/delta_loader.h"
#include "lake/delta_paths.h"
#include "lake/delta_vacuum.h"
#include "lake/faulty_store_for_tests.h"

namespace tillrace::lake {
namespace {

using testing::HasSubstr;

class DeltaLogTest : public testing::Test {
 protected:
  // A table with `rows` versions of one row each, ids from 1.
  DeltaTable filled(int rows, Properties properties = {}) {
    auto spec = numbers_spec();
    spec.properties = std::move(properties);
    auto table = DeltaTable::create(lake_.ports(), "t", spec);
    EXPECT_TRUE(table) << table.error().message;
    for (int i = 1; i <= rows; ++i) append(*table, fmt::format("SELECT {} AS id", i));
    return std::move(*table);
  }
  Result<DeltaTable> open() { return DeltaTable::open(lake_.ports(), "t"); }
  std::filesystem::path in_log(const std::string& name) {
    return scratch_.path() / "store/t/_delta_log" / name;
  }
  void write(const std::string& name, std::string_view text) {
    std::ofstream(in_log(name), std::ios::binary) << text;
  }
  bool is_there(const std::string& path) {
    return std::filesystem::exists(scratch_.path() / "store/t" / path);
  }
  void expect_rows(std::size_t rows) {
    auto table = open();
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_EQ(table->snapshot().files().size(), rows);
    EXPECT_EQ(table->snapshot().version(), static_cast<std::int64_t>(rows));
    EXPECT_EQ(lake_.rows_of(*table, "id").size(), rows);
  }
  // As if the files of the versions below `below` had been written `days` ago.
  void age(std::int64_t below, int days) {
    auto seconds = lake_.clock().now().value / 1'000'000 - days * 86'400L;
    timespec times[2] = {{seconds, 0}, {seconds, 0}};
    for (std::int64_t version = 0; version < below; ++version) {
      auto path = scratch_.path() / "store/t" / commit_path(version);
      ::utimensat(AT_FDCWD, path.c_str(), times, 0);
    }
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake lake_{scratch_.path()};
};

TEST_F(DeltaLogTest, OpensFromTheCheckpointAndTheCommitsAfterIt) {
  filled(23);
  EXPECT_TRUE(is_there(checkpoint_path(10)));
  EXPECT_TRUE(is_there(checkpoint_path(20)));
  expect_rows(23);
  for (int version = 0; version <= 20; ++version) {
    std::filesystem::remove(scratch_.path() / "store/t" / commit_path(version));
  }
  expect_rows(23);
}

TEST_F(DeltaLogTest, ACheckpointKeepsEverything) {
  auto spec = numbers_spec();
  spec.partition_columns = {"word"};
  spec.properties = {{"delta.checkpointInterval", "1000"}};
  spec.name = "n";
  auto created = DeltaTable::create(lake_.ports(), "t", spec);
  ASSERT_TRUE(created);
  auto& table = *created;
  append(table,
         "SELECT range AS id, CASE WHEN range = 1 THEN NULL ELSE 'a/b' END AS word"
         " FROM range(2)");
  auto replacement = table.replace(*table.write("SELECT 7 AS id, 'x' AS word"));
  replacement.txns = {{"app", std::nullopt, 41}};
  ASSERT_TRUE(table.commit(replacement));
  ASSERT_TRUE(table.checkpoint());

  auto actions = read_checkpoint(lake_.ports(), {"t/" + checkpoint_path(2)});
  ASSERT_TRUE(actions) << actions.error().message;
  Snapshot read;
  ASSERT_TRUE(read.apply(std::move(*actions), 2));
  const Snapshot& kept = table.snapshot();
  EXPECT_EQ(read.protocol(), kept.protocol());
  EXPECT_EQ(read.metadata(), kept.metadata());
  EXPECT_EQ(read.txns(), kept.txns());
  EXPECT_EQ(read.tombstones().size(), 2U);
  ASSERT_EQ(read.files().size(), 1U);
  AddFile expected = kept.files().begin()->second;
  expected.data_change = false;
  EXPECT_EQ(read.files().begin()->second, expected);
}

TEST_F(DeltaLogTest, TombstonesThatHaveExpiredAreNotInTheCheckpoint) {
  auto table = filled(1, {{"delta.deletedFileRetentionDuration", "interval 0 seconds"}});
  auto replacement = table.replace({});
  ASSERT_TRUE(table.commit(replacement));
  lake_.clock().sleep_for(std::chrono::milliseconds(5));
  ASSERT_TRUE(table.checkpoint());
  EXPECT_TRUE(open()->snapshot().tombstones().empty());
}

TEST_F(DeltaLogTest, TheHintMayBeMissingBrokenOldOrWrong) {
  filled(23);
  std::filesystem::remove(in_log("_last_checkpoint"));
  expect_rows(23);
  for (auto text : {"", "{", "{\"version\":10,\"size\":3}", "{\"version\":15}",
                    "{\"version\":1000000}", "{\"version\":-3}", "{\"version\":20,\"parts\":7}"}) {
    write("_last_checkpoint", text);
    expect_rows(23);
  }
}

TEST_F(DeltaLogTest, ABrokenCheckpointIsPassedOver) {
  filled(23);
  auto path = scratch_.path() / "store/t" / checkpoint_path(20);
  std::filesystem::resize_file(path, 100);
  expect_rows(23);
  std::ofstream(path, std::ios::binary) << "no parquet at all";
  expect_rows(23);
  std::filesystem::remove(path);
  expect_rows(23);
}

TEST_F(DeltaLogTest, ACheckpointInPartsCountsWhenAllAreThere) {
  filled(12);
  auto whole = scratch_.path() / "store/t" / checkpoint_path(10);
  auto part = [&](int number) {
    return in_log(fmt::format("{:020}.checkpoint.{:010}.0000000002.parquet", 10, number));
  };
  ASSERT_TRUE(lake_.duck().run(fmt::format(
      "COPY (SELECT * FROM read_parquet('{0}') WHERE add IS NULL) TO '{1}' (FORMAT parquet);"
      "COPY (SELECT * FROM read_parquet('{0}') WHERE add IS NOT NULL) TO '{2}' (FORMAT parquet)",
      whole.string(), part(1).string(), part(2).string())));
  std::filesystem::remove(whole);
  for (int version = 0; version <= 10; ++version) {
    std::filesystem::remove(scratch_.path() / "store/t" / commit_path(version));
  }
  expect_rows(12);
  std::filesystem::remove(part(2));
  EXPECT_EQ(open().error().code, Code::corrupt);
}

TEST_F(DeltaLogTest, LeftoversInTheLogAreLetAlone) {
  filled(3);
  write("00000000000000000004.json.tmp", "half a comm");
  write("00000000000000000002.crc", "{}");
  write(".00000000000000000004.json.swp", "x");
  write("00000000000000000002.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json", "{}");
  std::filesystem::create_directory(in_log("_sidecars"));
  write("_sidecars/x.parquet", "x");
  expect_rows(3);
}

TEST_F(DeltaLogTest, AHoleInTheLogStopsTheReader) {
  filled(5);
  std::filesystem::remove(scratch_.path() / "store/t" / commit_path(3));
  auto table = open();
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, Code::corrupt);
  EXPECT_THAT(table.error().message, HasSubstr("version 3"));
}

TEST_F(DeltaLogTest, ALogWithoutABeginningStopsTheReader) {
  filled(5);
  std::filesystem::remove(scratch_.path() / "store/t" / commit_path(0));
  EXPECT_EQ(open().error().code, Code::corrupt);
}

TEST_F(DeltaLogTest, ABrokenCommitStopsTheReader) {
  filled(2);
  write("00000000000000000002.json", "{\"add\":{\"path\"");
  EXPECT_EQ(open().error().code, Code::corrupt);
}

TEST_F(DeltaLogTest, ATableBeyondTheProfileIsRefused) {
  filled(1);
  write("00000000000000000002.json",
        R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,)"
        R"("readerFeatures":["columnMapping"],"writerFeatures":["columnMapping"]}})");
  auto table = open();
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, Code::invalid);
  EXPECT_THAT(table.error().message, HasSubstr("columnMapping"));
}

TEST_F(DeltaLogTest, ATableForNewerWritersIsReadButNotWritten) {
  auto table = filled(1);
  write("00000000000000000002.json", R"({"protocol":{"minReaderVersion":1,"minWriterVersion":4}})"
                                     "\n");
  auto transaction = table.append({});
  transaction.read_version = 2;
  ASSERT_TRUE(table.refresh());
  EXPECT_EQ(table.commit(transaction).error().code, Code::invalid);
  EXPECT_EQ(lake_.rows_of(table, "id").size(), 1U);
}

TEST_F(DeltaLogTest, ATableWithInvariantsIsReadButNotWritten) {
  auto spec = numbers_spec();
  spec.schema.columns[0].metadata = R"({"delta.invariants":"{}"})";
  auto table = DeltaTable::create(lake_.ports(), "t", spec);
  ASSERT_TRUE(table);
  auto transaction = table->append(*table->write("SELECT 1 AS id"));
  EXPECT_EQ(table->commit(transaction).error().code, Code::invalid);
}

TEST_F(DeltaLogTest, ATableWithInvariantsWithinAColumnIsReadButNotWritten) {
  auto nested = [](const std::string& field) {
    return R"({"type":"struct","fields":[{"name":"a","type":"long",)" + field + "}]}";
  };
  const std::string bad[] = {
      nested(R"("nullable":true,"metadata":{"delta.invariants":"{}"})"),
      nested(R"("nullable":false,"metadata":{})"),
      R"({"type":"array","elementType":"long","containsNull":false})",
      R"({"type":"map","keyType":"long","valueType":"long","valueContainsNull":false})"};
  const std::string good = nested(R"("nullable":true,"metadata":{"comment":"\"nullable\":false"})");
  for (const auto& type : {bad[0], bad[1], bad[2], bad[3], good}) {
    auto spec = numbers_spec();
    spec.schema.columns.push_back({"deep", type});
    std::filesystem::remove_all(scratch_.path() / "store/t");
    auto table = DeltaTable::create(lake_.ports(), "t", spec);
    ASSERT_TRUE(table) << table.error().message;
    auto transaction = table->append(*table->write("SELECT 1 AS id"));
    auto done = table->commit(transaction);
    EXPECT_EQ(done.has_value(), type == good) << type;
    EXPECT_TRUE(done || done.error().code == Code::invalid);
  }
}

TEST_F(DeltaLogTest, PropertiesThatMeanNothingStopCleaningAndVacuumOnly) {
  auto table = filled(12);
  write("00000000000000000013.json", R"({"metaData":{"id":"x","format":{"provider":"parquet"},)"
                                     R"("schemaString":"{\"type\":\"struct\",\"fields\":[)"
                                     R"({\"name\":\"id\",\"type\":\"long\",\"nullable\":true,)"
                                     R"(\"metadata\":{}}]}","partitionColumns":[],"configuration":)"
                                     R"({"delta.deletedFileRetentionDuration":"a while",)"
                                     R"("delta.logRetentionDuration":"a while",)"
                                     R"("delta.checkpointInterval":"often"}}})");
  ASSERT_TRUE(table.refresh());
  age(13, 10'000);
  for (int i = 14; i <= 20; ++i) EXPECT_EQ(append(table, fmt::format("SELECT {} AS id", i)), i);
  EXPECT_TRUE(is_there(checkpoint_path(20)));
  DeltaLog log(lake_.store(), "t");
  EXPECT_EQ(clean_log(lake_.ports(), log, table.snapshot()).value(), 0U);
  EXPECT_EQ(vacuum(table, {}).error().code, Code::invalid);
  EXPECT_TRUE(vacuum(table, {.retention = std::chrono::hours(168)}));
}

TEST_F(DeltaLogTest, ALivingTableForgetsTombstonesThatHaveExpired) {
  auto table = filled(1, {{"delta.deletedFileRetentionDuration", "interval 0 seconds"},
                          {"delta.checkpointInterval", "3"}});
  auto reader = open();
  ASSERT_TRUE(reader);
  auto replacement = table.replace({});
  ASSERT_TRUE(table.commit(replacement));
  EXPECT_EQ(table.snapshot().tombstones().size(), 1U);
  lake_.clock().sleep_for(std::chrono::milliseconds(5));
  append(table, "SELECT 2 AS id");
  EXPECT_TRUE(table.snapshot().tombstones().empty());
  ASSERT_TRUE(reader->refresh());
  EXPECT_TRUE(reader->snapshot().tombstones().empty());
}

TEST_F(DeltaLogTest, ATombstoneThatHasNotExpiredIsKept) {
  auto table = filled(1, {{"delta.checkpointInterval", "2"}});
  auto replacement = table.replace({});
  ASSERT_TRUE(table.commit(replacement));
  ASSERT_TRUE(table.refresh());
  EXPECT_EQ(table.snapshot().tombstones().size(), 1U);
}

TEST_F(DeltaLogTest, CleaningKeepsWhatTheRetentionNeeds) {
  auto table = filled(35);
  age(26, 31);
  DeltaLog log(lake_.store(), "t");
  auto gone = clean_log(lake_.ports(), log, table.snapshot());
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_EQ(*gone, 21U);  // commits 0 to 19 and the checkpoint of 10: the one of 20 begins all
  EXPECT_FALSE(is_there(commit_path(19)));
  EXPECT_TRUE(is_there(commit_path(20)));
  expect_rows(35);
  EXPECT_EQ(table.at_version(25)->files().size(), 25U);
  EXPECT_EQ(table.at_version(20)->files().size(), 20U);
  EXPECT_EQ(table.at_version(19).error().code, Code::not_found);
}

TEST_F(DeltaLogTest, WhatAnInterruptedCleaningLeftIsNoLongerThereAndNotBroken) {
  auto table = filled(35);
  for (int version = 0; version < 15; ++version) {
    std::filesystem::remove(scratch_.path() / "store/t" / commit_path(version));
  }
  EXPECT_EQ(table.at_version(10)->files().size(), 10U);
  EXPECT_EQ(table.at_version(9).error().code, Code::not_found);
  for (int version = 11; version < 20; ++version) {
    EXPECT_EQ(table.at_version(version).error().code, Code::not_found) << version;
  }
  EXPECT_EQ(table.at_version(20)->files().size(), 20U);
  EXPECT_EQ(table.at_version(35)->files().size(), 35U);
}

TEST_F(DeltaLogTest, ABrokenCheckpointOfAVersionThatIsThereIsNoMissingVersion) {
  auto table = filled(12);
  std::filesystem::remove(scratch_.path() / "store/t" / commit_path(3));
  std::filesystem::resize_file(scratch_.path() / "store/t" / checkpoint_path(10), 100);
  EXPECT_EQ(table.at_version(12).error().code, Code::corrupt);
}

TEST_F(DeltaLogTest, ACheckpointThatIsGoneIsNoMissingTable) {
  filled(12);
  std::filesystem::remove(scratch_.path() / "store/t" / commit_path(3));
  class Distant final : public FaultyStore {
   public:
    using FaultyStore::FaultyStore;
    Result<std::string> get_range(std::string_view path, std::uint64_t, std::uint64_t) override {
      return fail(Code::not_found, "get_range {}: there is no such file", path);
    }
    std::optional<std::filesystem::path> local_path(std::string_view) const override { return {}; }
  };
  Distant distant(lake_.store());
  EXPECT_EQ(DeltaTable::open(lake_.ports(distant), "t").error().code, Code::corrupt);
  EXPECT_FALSE(DeltaTable::open_or_create(lake_.ports(distant), "t", numbers_spec()));
}

TEST_F(DeltaLogTest, CleaningTakesNothingYoungOrWithoutACheckpointBehindIt) {
  auto table = filled(12);
  DeltaLog log(lake_.store(), "t");
  EXPECT_EQ(clean_log(lake_.ports(), log, table.snapshot()).value(), 0U);
  age(5, 31);  // the checkpoint of 10 is too young to begin with
  EXPECT_EQ(clean_log(lake_.ports(), log, table.snapshot()).value(), 0U);
}

TEST_F(DeltaLogTest, CleaningIsOffWhereTheTableSaysSo) {
  auto table = filled(12, {{"delta.enableExpiredLogCleanup", "false"}});
  age(12, 90);
  DeltaLog log(lake_.store(), "t");
  EXPECT_EQ(clean_log(lake_.ports(), log, table.snapshot()).value(), 0U);
}

TEST_F(DeltaLogTest, AReaderThatIsFarBehindALogThatWasCleanedCatchesUp) {
  filled(3);
  auto late = open();
  ASSERT_TRUE(late);
  auto table = open();
  for (int i = 4; i <= 25; ++i) append(*table, fmt::format("SELECT {} AS id", i));
  age(25, 31);
  DeltaLog log(lake_.store(), "t");
  ASSERT_TRUE(clean_log(lake_.ports(), log, table->snapshot()));
  ASSERT_TRUE(late->refresh());
  EXPECT_EQ(late->snapshot().files().size(), 25U);
}

TEST_F(DeltaLogTest, OtherWritersCheckpointsOnlyMoveTheHintForward) {
  auto table = filled(21);
  auto old = table.at_version(5);
  ASSERT_TRUE(old);
  DeltaLog log(lake_.store(), "t");
  ASSERT_TRUE(write_checkpoint(lake_.ports(), log, *old));
  EXPECT_EQ(log.last_checkpoint().value(), 20);
}

}  // namespace
}  // namespace tillrace::lake
