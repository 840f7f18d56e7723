// Commits whose answer is lost, or that never happened, and a log that is not as it should be.
#include <gmock/gmock.h>

#include "lake/delta_for_tests.h"
#include "lake/delta_paths.h"
#include "lake/faulty_store_for_tests.h"

namespace tillrace::lake {
namespace {

using testing::ElementsAre;

class DeltaFaultTest : public testing::Test {
 protected:
  DeltaTable create() {
    auto table = DeltaTable::create(lake_.ports(store_), "t", numbers_spec());
    EXPECT_TRUE(table) << table.error().message;
    return std::move(*table);
  }
  DeltaTable open() {
    auto table = DeltaTable::open(lake_.ports(), "t");
    EXPECT_TRUE(table) << table.error().message;
    return std::move(*table);
  }
  // The first `times` calls of `operation` on a commit have `fault`.
  void commits_fail(std::string operation, Fault fault, int times) {
    store_.play([=](std::string_view asked, std::string_view path) mutable {
      bool hit = asked == operation && path.ends_with(".json") && times > 0;
      if (hit) --times;
      return hit ? fault : Fault::none;
    });
  }
  // It happens, and neither its answer nor any look at it comes through.
  void commit_without_an_answer(DeltaTable& table, Transaction& transaction) {
    store_.play([](std::string_view operation, std::string_view path) {
      if (!path.ends_with(".json")) return Fault::none;
      if (operation == "put_if_absent") return Fault::answer_lost;
      return operation == "get" ? Fault::refused : Fault::none;
    });
    ASSERT_EQ(table.commit(transaction).error().code, Code::unavailable);
    store_.play({});
  }
  Transaction one_row(const DeltaTable& table, int id) {
    auto files = table.write("SELECT " + std::to_string(id) + " AS id");
    EXPECT_TRUE(files);
    return table.append(*files);
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake lake_{scratch_.path()};
  FaultyStore store_{lake_.store()};
};

TEST_F(DeltaFaultTest, ACommitWhoseAnswerWasLostIsFoundAndNotRepeated) {
  auto table = create();
  auto transaction = one_row(table, 1);
  commits_fail("put_if_absent", Fault::answer_lost, 1);
  EXPECT_EQ(table.commit(transaction).value(), 1);
  EXPECT_EQ(open().snapshot().version(), 1);
  EXPECT_THAT(lake_.rows_of(open(), "id"), ElementsAre("1"));
}

TEST_F(DeltaFaultTest, ACommitThatIsFoundIsPutOnceMoreBeforeItCounts) {
  auto table = create();
  auto transaction = one_row(table, 1);
  int puts = 0;
  store_.play([&](std::string_view operation, std::string_view path) {
    bool put = operation == "put_if_absent" && path.ends_with(".json");
    return put && ++puts < 3 ? Fault::answer_lost : Fault::none;
  });
  EXPECT_EQ(table.commit(transaction).value(), 1);
  EXPECT_EQ(puts, 3);
  auto next = one_row(table, 2);
  commits_fail("put_if_absent", Fault::answer_lost, 100);
  EXPECT_EQ(table.commit(next).error().code, Code::unavailable);
  store_.play({});
  EXPECT_EQ(table.commit(next).value(), 2);
  EXPECT_THAT(lake_.rows_of(open(), "id"), ElementsAre("1", "2"));
}

TEST_F(DeltaFaultTest, ACommitThatIsFoundLaterKeepsHouseToo) {
  auto table = create();
  for (int i = 1; i < 10; ++i) append(table, fmt::format("SELECT {} AS id", i));
  auto transaction = one_row(table, 10);
  commits_fail("put_if_absent", Fault::answer_lost, 100);
  ASSERT_EQ(table.commit(transaction).error().code, Code::unavailable);
  store_.play({});
  EXPECT_EQ(table.commit(transaction).value(), 10);
  EXPECT_TRUE(lake_.store().head("t/" + checkpoint_path(10)));
}

TEST_F(DeltaFaultTest, ACommitThatDidNotHappenIsTriedAgain) {
  auto table = create();
  auto transaction = one_row(table, 1);
  commits_fail("put_if_absent", Fault::refused, 2);
  EXPECT_EQ(table.commit(transaction).value(), 1);
}

TEST_F(DeltaFaultTest, WhenTheAnswerIsLostAndAnotherHadTheVersionTheCommitMovesOn) {
  auto table = create();
  auto other = open();
  auto transaction = one_row(table, 1);
  append(other, "SELECT 2 AS id");
  commits_fail("put_if_absent", Fault::answer_lost, 1);
  EXPECT_EQ(table.commit(transaction).value(), 2);
  EXPECT_THAT(lake_.rows_of(open(), "id"), ElementsAre("1", "2"));
}

TEST_F(DeltaFaultTest, WhatNeverGetsAnAnswerMayHaveHappened) {
  auto table = create();
  auto transaction = one_row(table, 1);
  commits_fail("put_if_absent", Fault::refused, 100);
  EXPECT_EQ(table.commit(transaction).error().code, Code::unavailable);
}

TEST_F(DeltaFaultTest, TheSameTransactionAgainIsLookedForFirst) {
  auto table = create();
  auto transaction = one_row(table, 1);
  commit_without_an_answer(table, transaction);
  auto other = open();
  append(other, "SELECT 2 AS id");
  EXPECT_EQ(table.commit(transaction).value(), 1);
  EXPECT_THAT(lake_.rows_of(open(), "id"), ElementsAre("1", "2"));
  EXPECT_EQ(open().snapshot().version(), 2);
}

TEST_F(DeltaFaultTest, TheSameTransactionAgainIsDoneWhenItIsNowhere) {
  auto table = create();
  auto transaction = one_row(table, 1);
  transaction.txns = {{"sink", std::nullopt, 5}};
  commits_fail("put_if_absent", Fault::refused, 3);
  ASSERT_EQ(table.commit(transaction).error().code, Code::unavailable);
  EXPECT_EQ(table.commit(transaction).value(), 1);
  EXPECT_EQ(table.commit(transaction).value(), 1);
  EXPECT_THAT(lake_.rows_of(open(), "id"), ElementsAre("1"));
}

TEST_F(DeltaFaultTest, ATryThatTheLogNoLongerTellsOfMayHaveHappened) {
  auto table = create();
  auto transaction = one_row(table, 1);
  commit_without_an_answer(table, transaction);
  auto other = open();
  for (int i = 2; i <= 10; ++i) append(other, "SELECT 2 AS id");  // the tenth makes a checkpoint
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(lake_.store().remove("t/" + commit_path(i)));
  auto again = table.commit(transaction);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::unavailable) << again.error().message;
  EXPECT_THAT(again.error().message, testing::HasSubstr("version 1"));
  EXPECT_EQ(open().snapshot().version(), 10);
}

TEST_F(DeltaFaultTest, ATryInATableThatCannotBeReadAnyMoreMayHaveHappened) {
  auto table = create();
  auto transaction = one_row(table, 1);
  commit_without_an_answer(table, transaction);
  ASSERT_TRUE(lake_.store().put_if_absent(
      "t/" + commit_path(2),
      R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["other"],)"
      R"("writerFeatures":["other"]}})"));
  EXPECT_EQ(table.commit(transaction).error().code, Code::unavailable);
}

TEST_F(DeltaFaultTest, ANewTransactionAfterALostOneSeesTheMoveOfItsMark) {
  auto table = create();
  auto lost = one_row(table, 1);
  lost.txns = {{"sink", std::nullopt, 5}};
  store_.play([](std::string_view operation, std::string_view path) {
    bool commit = path.ends_with(".json");
    return commit && operation == "put_if_absent" ? Fault::answer_lost
           : commit && operation == "get"         ? Fault::refused
                                                  : Fault::none;
  });
  ASSERT_FALSE(table.commit(lost));
  store_.play({});
  auto again = one_row(table, 1);
  again.txns = {{"sink", std::nullopt, 5}};
  EXPECT_EQ(table.commit(again).error().code, Code::conflict);
  EXPECT_EQ(table.snapshot().txn("sink"), 5);
}

TEST_F(DeltaFaultTest, ACommitStandsThoughItsCheckpointCannotBeWritten) {
  auto table = create();
  store_.play([](std::string_view, std::string_view path) {
    return path.find("checkpoint") != std::string_view::npos ? Fault::refused : Fault::none;
  });
  for (int i = 1; i <= 10; ++i) EXPECT_EQ(append(table, fmt::format("SELECT {} AS id", i)), i);
  EXPECT_EQ(open().snapshot().files().size(), 10U);
}

TEST_F(DeltaFaultTest, FilesOfAFailedWriteAreTakenAwayWhereTheyCanBe) {
  auto spec = numbers_spec();
  spec.partition_columns = {"word"};
  auto table = DeltaTable::create(lake_.ports(store_), "p", spec);
  ASSERT_TRUE(table);
  store_.play([n = 0](std::string_view operation, std::string_view) mutable {
    return operation == "put_file" && ++n == 2 ? Fault::refused : Fault::none;
  });
  EXPECT_EQ(table->write("SELECT range AS id, 'w' || range AS word FROM range(3)").error().code,
            Code::unavailable);
  int left = 0;
  ASSERT_TRUE(lake_.store().list("p/word", [&](const StoredFile&) { return ++left > 0; }));
  EXPECT_EQ(left, 0);
}

TEST_F(DeltaFaultTest, AnUnavailableStoreIsNoMissingTable) {
  create();
  store_.play([](std::string_view, std::string_view) { return Fault::refused; });
  EXPECT_EQ(DeltaTable::open(lake_.ports(store_), "t").error().code, Code::unavailable);
}

}  // namespace
}  // namespace tillrace::lake
