#include "lake/delta_inspect.h"

#include <gmock/gmock.h>

#include "lake/delta_compaction.h"
#include "lake/delta_for_tests.h"
#include "lake/matchers_for_tests.h"

namespace tillrace::lake {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DeltaInspectTest : public testing::Test {
 protected:
  DeltaTable create(const std::string& path) {
    auto table = DeltaTable::create(lake_.ports(), path, numbers_spec());
    EXPECT_THAT(table, Succeeds());
    return std::move(*table);
  }
  std::string refusal(const std::string& name) {
    auto found = find_table(lake_.ports(), name);
    EXPECT_THAT(found, FailsWith(Code::not_found));
    return found ? "" : found.error().message;
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake lake_{scratch_.path()};
};

TEST_F(DeltaInspectTest, AnEmptyLakeHasNoTables) {
  auto tables = list_tables(lake_.store());
  ASSERT_THAT(tables, Succeeds());
  EXPECT_THAT(*tables, IsEmpty());
  EXPECT_THAT(refusal("bronze/transactions"), HasSubstr("the lake has no tables"));
}

TEST_F(DeltaInspectTest, TablesAreListedInOrderWithTheirPaths) {
  for (const char* path : {"silver/sales", "bronze/transactions", "plain", "a/b/c"}) create(path);
  auto tables = list_tables(lake_.store());
  ASSERT_THAT(tables, Succeeds());
  EXPECT_THAT(*tables, ElementsAre("a/b/c", "bronze/transactions", "plain", "silver/sales"));
}

TEST_F(DeltaInspectTest, FoldersWithoutALogAreNoTables) {
  ASSERT_TRUE(lake_.store().put("bronze/files/part-1.parquet", "x"));
  ASSERT_TRUE(lake_.store().put("bronze/odd/_delta_log/readme.txt", "x"));
  ASSERT_TRUE(lake_.store().put("bronze/late/_delta_log/_last_checkpoint", "{}"));
  auto tables = list_tables(lake_.store());
  ASSERT_THAT(tables, Succeeds());
  EXPECT_THAT(*tables, IsEmpty());
}

TEST_F(DeltaInspectTest, ATableIsFoundByItsPathAndWithDots) {
  create("bronze/transactions");
  for (const char* name : {"bronze/transactions", "bronze.transactions"}) {
    auto found = find_table(lake_.ports(), name);
    ASSERT_THAT(found, Succeeds());
    EXPECT_EQ(found->path(), "bronze/transactions");
  }
}

TEST_F(DeltaInspectTest, AMistypedNameIsToldTheNearest) {
  create("bronze/transactions");
  create("silver/sales");
  EXPECT_THAT(refusal("bronze/transactoins"), HasSubstr("did you mean 'bronze/transactions'?"));
  EXPECT_THAT(refusal("bronze.transactoins"), HasSubstr("did you mean 'bronze/transactions'?"));
  EXPECT_THAT(refusal("sale"), HasSubstr("did you mean 'silver/sales'?"));
  EXPECT_THAT(refusal("customers"), HasSubstr("tables: bronze/transactions, silver/sales"));
}

TEST_F(DeltaInspectTest, WhatCanBeNoTablesNameIsNotFoundEither) {
  create("plain");
  for (const char* name : {"", "/", "../plain", "plain/", "a//b", "\x01"}) {
    EXPECT_THAT(refusal(name), HasSubstr("there is no table"));
  }
}

TEST_F(DeltaInspectTest, ATableBeyondTheProfileIsSaidToBeSo) {
  ASSERT_TRUE(lake_.store().put("t/_delta_log/00000000000000000000.json",
                                R"({"protocol":{"minReaderVersion":9,"minWriterVersion":9}})"));
  EXPECT_THAT(find_table(lake_.ports(), "t"), FailsWith(Code::invalid));
}

TEST_F(DeltaInspectTest, ManyTablesAreNotAllNamed) {
  std::vector<std::string> known;
  for (int i = 0; i < 30; ++i) known.push_back(fmt::format("some/table_{}", i));
  EXPECT_THAT(hint_for("zzzzzzzzzzzzzzzz", known), testing::EndsWith("some/table_9, ..."));
}

TEST_F(DeltaInspectTest, SizesAreThoseOfTheFiles) {
  auto table = create("t");
  EXPECT_EQ(size_of(table.snapshot()).rows, 0);
  append(table, "SELECT i AS id FROM range(10) r(i)");
  append(table, "SELECT i AS id FROM range(5) r(i)");
  auto size = size_of(table.snapshot());
  EXPECT_EQ(size.files, 2U);
  EXPECT_EQ(size.rows, 15);
  std::uint64_t bytes = 0;
  ASSERT_TRUE(lake_.store().list("t/part-", [&](const StoredFile& file) {
    bytes += file.bytes;
    return true;
  }));
  EXPECT_EQ(size.bytes, bytes);
}

TEST_F(DeltaInspectTest, RowsAreUnknownWithoutStatistics) {
  auto table = create("t");
  append(table, "SELECT 1 AS id");
  auto files = table.write("SELECT 2 AS id");
  ASSERT_THAT(files, Succeeds());
  files->front().stats.clear();
  auto transaction = table.append(*files);
  ASSERT_THAT(table.commit(transaction), Succeeds());
  EXPECT_EQ(size_of(table.snapshot()).rows, std::nullopt);
  auto history = history_of(table, 10);
  ASSERT_THAT(history, Succeeds());
  EXPECT_EQ(history->at(0).rows_added, std::nullopt);
  EXPECT_EQ(history->at(1).rows_added, 1);
}

TEST(RowsInStats, AreReadAndNothingElseIs) {
  EXPECT_EQ(rows_in_stats(R"({"numRecords":7,"minValues":{"a":1}})"), 7);
  EXPECT_EQ(rows_in_stats(R"({"numRecords":0})"), 0);
  for (const char* odd :
       {"", "{", "[]", "7", "null", R"({"numRecords":-1})", R"({"numRecords":"7"})",
        R"({"numRecords":1.5})", R"({"numRecords":null})", R"({"records":7})",
        R"({"numRecords":9223372036854775808})"}) {
    EXPECT_EQ(rows_in_stats(odd), std::nullopt) << odd;
  }
}

TEST_F(DeltaInspectTest, HistoryTellsWhatEachVersionDidTheNewestFirst) {
  auto table = create("t");
  append(table, "SELECT i AS id FROM range(10) r(i)");
  append(table, "SELECT i AS id FROM range(5) r(i)");
  ASSERT_THAT(compact(table, {}), Succeeds());
  auto files = table.write("SELECT 1 AS id");
  auto replacement = table.replace(*files);
  ASSERT_THAT(table.commit(replacement), Succeeds());

  auto history = history_of(table, 100);
  ASSERT_THAT(history, Succeeds());
  ASSERT_EQ(history->size(), 5U);
  std::vector<std::string> told;
  for (const auto& each : *history)
    told.push_back(fmt::format("{} {} +{} -{} files +{} -{}", each.version, each.operation,
                               each.rows_added.value_or(-1), each.rows_removed.value_or(-1),
                               each.files_added, each.files_removed));
  EXPECT_THAT(told, ElementsAre("4 WRITE +1 -15 files +1 -1", "3 OPTIMIZE +15 -15 files +1 -2",
                                "2 WRITE +5 -0 files +1 -0", "1 WRITE +10 -0 files +1 -0",
                                "0 CREATE TABLE +0 -0 files +0 -0"));
  for (std::size_t i = 1; i < history->size(); ++i)
    EXPECT_LT(history->at(i).written, history->at(i - 1).written);
  EXPECT_GT(history->at(2).bytes_added, 0U);
}

TEST_F(DeltaInspectTest, ATimeOfTheHistoryReadsThatVersion) {
  auto table = create("t");
  for (int i = 0; i < 3; ++i) append(table, fmt::format("SELECT {} AS id", i));
  auto history = history_of(table, 100);
  ASSERT_THAT(history, Succeeds());
  for (const auto& each : *history) {
    auto snapshot = table.at_time(each.written);
    ASSERT_THAT(snapshot, Succeeds());
    EXPECT_EQ(snapshot->version(), each.version);
  }
}

TEST_F(DeltaInspectTest, OnlySoManyVersionsAreReadAndTheirRowsAreStillKnown) {
  auto table = create("t");
  for (int i = 0; i < 15; ++i) append(table, "SELECT 1 AS id");
  auto files = table.write("SELECT 1 AS id");
  auto replacement = table.replace(*files);
  ASSERT_THAT(table.commit(replacement), Succeeds());
  auto history = history_of(table, 2);
  ASSERT_THAT(history, Succeeds());
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ(history->at(0).version, 16);
  EXPECT_EQ(history->at(0).rows_removed, 15);
  EXPECT_THAT(*history_of(table, 0), IsEmpty());
}

TEST_F(DeltaInspectTest, RowsOfAFileFromBeforeTheLogAreUnknown) {
  auto table = create("t");
  for (int i = 0; i < 12; ++i) append(table, "SELECT 1 AS id");
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(lake_.store().remove(fmt::format("t/_delta_log/{:020}.json", i)));
  auto files = table.write("SELECT 1 AS id");
  auto replacement = table.replace(*files);
  ASSERT_THAT(table.commit(replacement), Succeeds());
  auto history = history_of(table, 100);
  ASSERT_THAT(history, Succeeds());
  ASSERT_EQ(history->size(), 4U);
  EXPECT_EQ(history->front().rows_removed, std::nullopt);
  EXPECT_EQ(history->back().version, 10);
}

TEST_F(DeltaInspectTest, ABrokenCommitIsCorrupt) {
  auto table = create("t");
  append(table, "SELECT 1 AS id");
  ASSERT_TRUE(lake_.store().put("t/_delta_log/00000000000000000001.json", "{"));
  EXPECT_THAT(history_of(table, 10), FailsWith(Code::corrupt));
}

}  // namespace
}  // namespace tillrace::lake
