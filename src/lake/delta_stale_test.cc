// A writer that was away while others went on and the log was cleaned: its next commit must not
// land where no reader comes by.
#include <gmock/gmock.h>

#include "lake/delta_checkpoint.h"
#include "lake/delta_for_tests.h"
#include "lake/delta_paths.h"
#include "lake/faulty_store_for_tests.h"

namespace tillrace::lake {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr std::chrono::hours kPastRetention{24 * 31};

class DeltaStaleTest : public testing::Test {
 protected:
  DeltaTable create(const std::string& log_retention) {
    auto spec = numbers_spec();
    spec.properties = {{"delta.logRetentionDuration", log_retention},
                       {"delta.checkpointInterval", "1000"}};
    auto table = DeltaTable::create(ports(lake_.store()), "t", spec);
    EXPECT_TRUE(table) << table.error().message;
    return std::move(*table);
  }
  DeltaTable open(Store& store) {
    auto table = DeltaTable::open(ports(store), "t");
    EXPECT_TRUE(table) << table.error().message;
    return std::move(*table);
  }
  LakePorts ports(Store& store) {
    auto ports = lake_.ports(store);
    return {store, ports.duck, clock_, ports.random, ports.spool_folder};
  }
  // Others commit `commits` times, write a checkpoint of the last, and clean the log before it.
  void go_on_and_clean(DeltaTable& table, int commits) {
    for (int i = 1; i <= commits; ++i) append(table, fmt::format("SELECT {} AS id", i));
    ASSERT_TRUE(table.checkpoint());
    DeltaLog log(lake_.store(), "t");
    ASSERT_TRUE(clean_log(ports(lake_.store()), log, table.snapshot()));
    EXPECT_EQ(lake_.store().head("t/" + commit_path(1)).error().code, Code::not_found);
  }
  // Does `work` before the first call of `operation` on the log.
  void meanwhile(std::string operation, std::function<void()> work) {
    store_.play([=, done = false](std::string_view asked, std::string_view path) mutable {
      bool hit = asked == operation && path.find("_delta_log") != std::string_view::npos;
      if (hit && !std::exchange(done, true)) work();
      return Fault::none;
    });
  }
  Transaction one_row(const DeltaTable& table, int id) {
    return table.append(*table.write(fmt::format("SELECT {} AS id", id)));
  }
  bool is_there(std::int64_t version) {
    return lake_.store().head("t/" + commit_path(version)).has_value();
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake lake_{scratch_.path()};
  FakeClock clock_{lake_.clock().now()};
  FaultyStore store_{lake_.store()};
};

TEST_F(DeltaStaleTest, AWriterThatWasAwayLongerThanTheRetentionLosesNoRow) {
  auto busy = create("interval 30 days");
  auto idle = open(store_);
  clock_.advance(kPastRetention);
  go_on_and_clean(busy, 4);
  auto early = one_row(idle, 100);
  EXPECT_EQ(idle.commit(early).error().code, Code::conflict);
  EXPECT_FALSE(is_there(1));
  EXPECT_EQ(append(idle, "SELECT 100 AS id"), 5);
  EXPECT_THAT(lake_.rows_of(open(lake_.store()), "id"), ElementsAre("1", "2", "3", "4", "100"));
}

TEST_F(DeltaStaleTest, AWriterThatWasAwayForMinutesLooksFirst) {
  auto busy = create("interval 30 days");
  auto idle = open(store_);
  append(busy, "SELECT 1 AS id");
  int lists = 0;
  int puts_at_once = 0;
  store_.play([&](std::string_view operation, std::string_view) {
    if (operation == "list") ++lists;
    if (operation == "put_if_absent" && lists == 0) ++puts_at_once;
    return Fault::none;
  });
  clock_.advance(DeltaTable::kLongestTrust - std::chrono::seconds(1));
  EXPECT_EQ(append(idle, "SELECT 2 AS id"), 2);  // finds version 1 by its conflict
  EXPECT_EQ(puts_at_once, 1);
  clock_.advance(DeltaTable::kLongestTrust);
  append(busy, "SELECT 3 AS id");
  lists = 0;
  EXPECT_EQ(append(idle, "SELECT 4 AS id"), 4);
  EXPECT_EQ(lists, 1);
  EXPECT_EQ(puts_at_once, 1);
}

// With no retention at all the versions go while the commit is under way.
TEST_F(DeltaStaleTest, ACommitPutWhereTheLogWasCleanedIsNoCommit) {
  for (int others : {2, 5}) {
    SCOPED_TRACE(others);
    std::filesystem::remove_all(scratch_.path() / "store/t");
    auto busy = create("interval 0 seconds");
    auto slow = open(store_);
    auto transaction = one_row(slow, 100);
    clock_.advance(std::chrono::hours(1));
    ASSERT_TRUE(slow.refresh());
    meanwhile("put_if_absent", [&] { go_on_and_clean(busy, others); });
    EXPECT_EQ(slow.commit(transaction).error().code, Code::conflict);
    EXPECT_FALSE(is_there(1));
    EXPECT_EQ(slow.snapshot().version(), others);
    EXPECT_EQ(slow.commit(transaction).error().code, Code::unavailable) << "the log tells no more";
    EXPECT_EQ(append(slow, "SELECT 100 AS id"), others + 1);
    EXPECT_EQ(lake_.rows_of(open(lake_.store()), "id").size(),
              static_cast<std::size_t>(others + 1));
  }
}

TEST_F(DeltaStaleTest, ACommitThatOthersFollowAtOnceIsOne) {
  auto busy = create("interval 0 seconds");
  auto slow = open(store_);
  auto transaction = one_row(slow, 100);
  bool placed = false;
  store_.play([&](std::string_view operation, std::string_view) {
    if (operation == "put_if_absent") placed = true;
    if (operation == "list" && std::exchange(placed, false)) {
      clock_.advance(std::chrono::hours(1));
      go_on_and_clean(busy, 3);
    }
    return Fault::none;
  });
  EXPECT_EQ(slow.commit(transaction).value_or(-1), 1);
  EXPECT_EQ(slow.snapshot().version(), 4);
  EXPECT_THAT(lake_.rows_of(open(lake_.store()), "id"), UnorderedElementsAre("1", "2", "3", "100"));
}

TEST_F(DeltaStaleTest, WhetherItCountsIsFoundOutLaterWhenItCannotBeNow) {
  auto busy = create("interval 0 seconds");
  auto slow = open(store_);
  auto transaction = one_row(slow, 100);
  bool placed = false;
  store_.play([&](std::string_view operation, std::string_view path) {
    if (operation == "put_if_absent" && !std::exchange(placed, true)) {
      clock_.advance(std::chrono::hours(1));
      go_on_and_clean(busy, 3);
    }
    return operation == "list" && placed && path.ends_with("_delta_log/") ? Fault::refused
                                                                          : Fault::none;
  });
  ASSERT_EQ(slow.commit(transaction).error().code, Code::unavailable);
  ASSERT_TRUE(is_there(1));
  store_.play({});
  EXPECT_EQ(slow.commit(transaction).error().code, Code::conflict);
  EXPECT_FALSE(is_there(1));
  EXPECT_THAT(lake_.rows_of(open(lake_.store()), "id"), ElementsAre("1", "2", "3"));
}

TEST_F(DeltaStaleTest, ATableWhoseBeginningWasCleanedIsNotCreatedAgain) {
  auto busy = create("interval 0 seconds");
  clock_.advance(std::chrono::hours(1));
  go_on_and_clean(busy, 3);
  EXPECT_EQ(DeltaTable::create(ports(lake_.store()), "t", numbers_spec()).error().code,
            Code::conflict);
  EXPECT_EQ(open(lake_.store()).snapshot().version(), 3);
}

}  // namespace
}  // namespace tillrace::lake
