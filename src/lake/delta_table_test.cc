#include "lake/delta_table.h"

#include <gmock/gmock.h>

#include "lake/data_files.h"
#include "lake/delta_compaction.h"
#include "lake/delta_for_tests.h"
#include "lake/delta_paths.h"

namespace tillrace::lake {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DeltaTableTest : public testing::Test {
 protected:
  DeltaTable create(const TableSpec& spec = numbers_spec()) {
    auto table = DeltaTable::create(lake_.ports(), "t", spec);
    EXPECT_TRUE(table) << table.error().message;
    return std::move(*table);
  }
  DeltaTable open() {
    auto table = DeltaTable::open(lake_.ports(), "t");
    EXPECT_TRUE(table) << table.error().message;
    return std::move(*table);
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake lake_{scratch_.path()};
};

TEST_F(DeltaTableTest, HasTheRowsThatWereAppended) {
  auto table = create();
  EXPECT_EQ(append(table, "SELECT 1 AS id, 'a' AS word"), 1);
  EXPECT_EQ(append(table, "SELECT 2 AS id, NULL AS word"), 2);
  EXPECT_THAT(lake_.rows_of(table), ElementsAre("1|a", "2|NULL"));
  EXPECT_THAT(lake_.rows_of(open()), ElementsAre("1|a", "2|NULL"));
}

TEST_F(DeltaTableTest, ColumnsGoByNameAndThoseLeftOutAreNull) {
  auto table = create();
  append(table, "SELECT 'b' AS WORD, '7' AS id");
  append(table, "SELECT 8 AS id");
  EXPECT_THAT(lake_.rows_of(table), ElementsAre("7|b", "8|NULL"));
}

TEST_F(DeltaTableTest, RefusesAColumnThatTheTableHasNot) {
  auto table = create();
  auto files = table.write("SELECT 1 AS id, 2 AS other");
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, Code::invalid);
  EXPECT_THAT(files.error().message, HasSubstr("other"));
}

TEST_F(DeltaTableTest, RefusesANullWhereNoneMayBe) {
  auto spec = numbers_spec();
  spec.schema.columns[0].nullable = false;
  auto table = create(spec);
  EXPECT_EQ(table.write("SELECT NULL AS id").error().code, Code::invalid);
  EXPECT_TRUE(table.write("SELECT 1 AS id"));
}

TEST_F(DeltaTableTest, IsNotFoundWhereThereIsNone) {
  EXPECT_EQ(DeltaTable::open(lake_.ports(), "t").error().code, Code::not_found);
}

TEST_F(DeltaTableTest, IsCreatedOnce) {
  create();
  EXPECT_EQ(DeltaTable::create(lake_.ports(), "t", numbers_spec()).error().code, Code::conflict);
}

TEST_F(DeltaTableTest, RefusesSchemasThatOthersCouldNotRead) {
  const Schema bad[] = {
      {{{"a b", "long"}}},  {{{"id", "long"}, {"ID", "string"}}},
      {{{"id", "uint64"}}}, {{{"id", "decimal(39,2)"}}},
      {{{"", "long"}}},
  };
  for (const auto& schema : bad) {
    auto spec = numbers_spec();
    spec.schema = schema;
    EXPECT_EQ(DeltaTable::create(lake_.ports(), "t", spec).error().code, Code::invalid);
  }
  auto spec = numbers_spec();
  spec.partition_columns = {"id", "word"};
  EXPECT_EQ(DeltaTable::create(lake_.ports(), "t", spec).error().code, Code::invalid);
  spec.partition_columns = {"missing"};
  EXPECT_EQ(DeltaTable::create(lake_.ports(), "t", spec).error().code, Code::invalid);
}

TEST_F(DeltaTableTest, PartitionsByAnyValueThatATextCanHave) {
  auto spec = numbers_spec();
  spec.partition_columns = {"word"};
  auto table = create(spec);
  append(table,
         "SELECT * FROM (VALUES (1, 'a b/c%:='), (2, NULL), (3, 'Köln''s'), (4, 'end.'),"
         " (5, repeat('ü', 32)), (6, '..'), (7, '')) t(id, word)");
  auto expected = std::vector<std::string>{
      "1|a b/c%:=", "2|NULL", "3|Köln's", "4|end.", "5|üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü",
      "6|..",       "7|NULL"};
  EXPECT_EQ(lake_.rows_of(table), expected);
  EXPECT_EQ(lake_.rows_of(open()), expected);
}

TEST_F(DeltaTableTest, RefusesATextThatIsTooLongForAPartition) {
  auto spec = numbers_spec();
  spec.partition_columns = {"word"};
  auto table = create(spec);
  EXPECT_TRUE(table.write("SELECT 1 AS id, repeat('x', 64) AS word"));
  EXPECT_EQ(table.write("SELECT 1 AS id, repeat('x', 65) AS word").error().code, Code::invalid);
}

TEST_F(DeltaTableTest, PartitionsByTimesInUtc) {
  auto spec = numbers_spec();
  spec.schema.columns.push_back({"taken", "timestamp"});
  spec.partition_columns = {"taken"};
  auto table = create(spec);
  append(table, "SELECT 1 AS id, TIMESTAMPTZ '2026-01-01 12:00:00.000001+02' AS taken");
  auto file = table.snapshot().files().begin()->second;
  EXPECT_EQ(file.partition_values.at("taken"), "2026-01-01T10:00:00.000001Z");
  EXPECT_THAT(lake_.rows_of(table, "id, taken"), ElementsAre("1|2026-01-01 10:00:00.000001+00"));
}

TEST_F(DeltaTableTest, AnAppendOfNoRowsHasNoFiles) {
  auto table = create();
  auto files = table.write("SELECT 1 AS id WHERE false");
  ASSERT_TRUE(files);
  EXPECT_TRUE(files->empty());
}

TEST_F(DeltaTableTest, ReplacesAllRowsInOneVersion) {
  auto table = create();
  append(table, "SELECT 1 AS id");
  auto files = table.write("SELECT 2 AS id");
  auto transaction = table.replace(*files);
  EXPECT_EQ(table.commit(transaction).value(), 2);
  EXPECT_THAT(lake_.rows_of(table, "id"), ElementsAre("2"));
}

TEST_F(DeltaTableTest, ReadsThePastByVersionAndByTime) {
  auto table = create();
  append(table, "SELECT 1 AS id");
  auto between = lake_.clock().now();
  lake_.clock().sleep_for(std::chrono::milliseconds(20));
  append(table, "SELECT 2 AS id");
  EXPECT_THAT(lake_.rows_of(table, *table.at_version(1), "id"), ElementsAre("1"));
  EXPECT_EQ(table.at_version(0)->files().size(), 0U);
  EXPECT_EQ(table.at_version(3).error().code, Code::not_found);
  EXPECT_EQ(table.at_version(-1).error().code, Code::not_found);
  EXPECT_EQ(table.at_time(between)->version(), 1);
  EXPECT_EQ(table.at_time(lake_.clock().now())->version(), 2);
  EXPECT_EQ(table.at_time(UtcMicros{0}).error().code, Code::not_found);
}

TEST_F(DeltaTableTest, IsNotReadByTimeWhereItsCommitsHaveTimesOfTheirOwn) {
  auto spec = numbers_spec();
  spec.properties["delta.enableInCommitTimestamps"] = "True";
  auto table = create(spec);
  auto refused = table.at_time(lake_.clock().now());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_THAT(refused.error().message, HasSubstr("version"));
  EXPECT_TRUE(table.at_version(0));
}

TEST_F(DeltaTableTest, ColumnsThatAreAddedAreNullInOlderRows) {
  auto table = create();
  append(table, "SELECT 1 AS id, 'a' AS word");
  auto evolution = table.add_columns({{"price", "decimal(10,2)"}});
  ASSERT_TRUE(evolution);
  EXPECT_EQ(table.commit(*evolution).value(), 2);
  append(table, "SELECT 2 AS id, 'b' AS word, 1.5 AS price");
  EXPECT_THAT(lake_.rows_of(open()), ElementsAre("1|a|NULL", "2|b|1.50"));
}

TEST_F(DeltaTableTest, RefusesToAddAColumnThatIsThereOrMayNotBeNull) {
  auto table = create();
  EXPECT_EQ(table.add_columns({{"ID", "long"}}).error().code, Code::invalid);
  EXPECT_EQ(table.add_columns({{"n", "long", false}}).error().code, Code::invalid);
}

TEST_F(DeltaTableTest, AMarkIsComparedAndSet) {
  auto table = create();
  auto move = [&](std::optional<std::int64_t> from, std::int64_t to) {
    auto transaction = table.append({});
    transaction.txns = {{"sink", from, to}};
    return table.commit(transaction);
  };
  EXPECT_TRUE(move(std::nullopt, 10));
  EXPECT_EQ(move(std::nullopt, 11).error().code, Code::conflict);
  EXPECT_EQ(move(9, 11).error().code, Code::conflict);
  EXPECT_TRUE(move(10, 11));
  EXPECT_EQ(open().snapshot().txn("sink"), 11);
  EXPECT_EQ(open().snapshot().txn("other"), std::nullopt);
}

TEST_F(DeltaTableTest, OfTwoThatMoveOneMarkTheLaterGivesUpAndKnowsWhy) {
  auto first = create();
  auto second = open();
  auto ours = second.append(*second.write("SELECT 1 AS id"));
  ours.txns = {{"sink", std::nullopt, 1}};
  auto theirs = first.append(*first.write("SELECT 1 AS id"));
  theirs.txns = {{"sink", std::nullopt, 1}};
  ASSERT_TRUE(first.commit(theirs));
  EXPECT_EQ(second.commit(ours).error().code, Code::conflict);
  EXPECT_EQ(second.snapshot().txn("sink"), 1);
  EXPECT_THAT(lake_.rows_of(second, "id"), ElementsAre("1"));
}

TEST_F(DeltaTableTest, AppendsStepOverOthersAppends) {
  auto first = create();
  auto second = open();
  append(first, "SELECT 1 AS id");
  append(first, "SELECT 2 AS id");
  EXPECT_EQ(append(second, "SELECT 3 AS id"), 3);
  EXPECT_THAT(lake_.rows_of(second, "id"), ElementsAre("1", "2", "3"));
}

TEST_F(DeltaTableTest, ReplacingGivesUpWhenRowsWereAddedMeanwhile) {
  auto first = create();
  append(first, "SELECT 1 AS id");
  auto second = open();
  auto replacement = second.replace(*second.write("SELECT 9 AS id"));
  append(first, "SELECT 2 AS id");
  EXPECT_EQ(second.commit(replacement).error().code, Code::conflict);
  EXPECT_THAT(lake_.rows_of(second, "id"), ElementsAre("1", "2"));
}

TEST_F(DeltaTableTest, ReplacingGivesUpThoughTheTableWasRefreshedBeforeTheCommit) {
  auto first = create();
  append(first, "SELECT 1 AS id");
  auto second = open();
  auto replacement = second.replace(*second.write("SELECT 9 AS id"));
  append(first, "SELECT 2 AS id");
  ASSERT_TRUE(second.refresh());
  EXPECT_EQ(second.commit(replacement).error().code, Code::conflict);
}

TEST_F(DeltaTableTest, ReplacingSomeFilesGivesUpWhenOthersWereRemovedMeanwhile) {
  auto first = create();
  append(first, "SELECT 1 AS id");
  append(first, "SELECT 2 AS id");
  auto second = open();
  const AddFile one = second.snapshot().files().begin()->second;
  auto only = [&](bool same) {
    return [&one, same](const AddFile& file) { return (file.path == one.path) == same; };
  };
  auto ours = second.replace(*second.write("SELECT 9 AS id"), only(true));
  auto theirs = first.replace({}, only(false));
  ASSERT_TRUE(first.commit(theirs));
  EXPECT_EQ(second.commit(ours).error().code, Code::conflict);
}

TEST_F(DeltaTableTest, ReplacingSomeFilesPassesOverACompactionOfOthers) {
  auto spec = numbers_spec();
  spec.partition_columns = {"word"};
  auto first = create(spec);
  for (const char* word : {"a", "b", "b"})
    append(first, fmt::format("SELECT 1 AS id, '{}' AS word", word));
  auto second = open();
  auto ours = second.replace(
      {}, [](const AddFile& file) { return file.partition_values.at("word") == "a"; });
  ASSERT_TRUE(compact(first, {}));
  EXPECT_TRUE(second.commit(ours));
}

TEST_F(DeltaTableTest, EveryWriterGivesUpWhenTheSchemaWasChangedMeanwhile) {
  auto first = create();
  auto second = open();
  auto ours = second.append(*second.write("SELECT 1 AS id"));
  auto evolution = first.add_columns({{"more", "string"}});
  ASSERT_TRUE(first.commit(*evolution));
  EXPECT_EQ(second.commit(ours).error().code, Code::conflict);
  ours.read_version = second.snapshot().version();
  EXPECT_TRUE(second.commit(ours));
}

TEST_F(DeltaTableTest, OfTwoThatRemoveOneFileTheLaterGivesUp) {
  auto first = create();
  append(first, "SELECT 1 AS id");
  append(first, "SELECT 2 AS id");
  auto second = open();
  auto both = second.compaction({}, {});
  for (const auto& [path, file] : second.snapshot().files()) {
    both.remove.push_back({.path = file.path,
                           .deletion_timestamp_ms = 1,
                           .data_change = false,
                           .partition_values = {},
                           .size = {}});
  }
  ASSERT_TRUE(compact(first, {}));
  EXPECT_EQ(second.commit(both).error().code, Code::conflict);
}

TEST_F(DeltaTableTest, ATransactionThatHappenedIsNotDoneAgain) {
  auto table = create();
  auto transaction = table.append(*table.write("SELECT 1 AS id"));
  ASSERT_EQ(table.commit(transaction).value(), 1);
  append(table, "SELECT 2 AS id");
  EXPECT_EQ(table.commit(transaction).value(), 1);
  EXPECT_EQ(table.snapshot().version(), 2);
}

TEST_F(DeltaTableTest, AnAppendOnlyTableLosesNothingButMayBeCompacted) {
  auto spec = numbers_spec();
  spec.properties["delta.appendOnly"] = "true";
  auto table = create(spec);
  append(table, "SELECT 1 AS id");
  append(table, "SELECT 2 AS id");
  auto replacement = table.replace({});
  EXPECT_EQ(table.commit(replacement).error().code, Code::invalid);
  auto report = compact(table, {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files_after, 1U);
  EXPECT_THAT(lake_.rows_of(table, "id"), ElementsAre("1", "2"));
}

TEST_F(DeltaTableTest, ACommitTellsWhatItWas) {
  auto table = create();
  append(table, "SELECT 1 AS id");
  auto info = table.commit_info(1);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->operation, "WRITE");
  EXPECT_EQ(info->operation_parameters.at("mode"), "Append");
  EXPECT_TRUE(info->is_blind_append);
  EXPECT_EQ(info->read_version, 0);
  EXPECT_EQ(info->txn_id.size(), 36U);
  EXPECT_EQ(table.commit_info(7).error().code, Code::not_found);
}

}  // namespace
}  // namespace tillrace::lake
