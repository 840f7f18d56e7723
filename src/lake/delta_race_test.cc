// Writers and a compactor at once on one table, and what two writers do in any order.
#include <gmock/gmock.h>

#include <set>

#include "base/thread.h"
#include "lake/delta_compaction.h"
#include "lake/delta_for_tests.h"
#include "lake/delta_vacuum.h"

namespace tillrace::lake {
namespace {

constexpr int kAppends = 25;

// Appends its own ids, and its count of them as a mark, until it has kAppends of them.
void append_all(const std::filesystem::path& folder, int writer) {
  Lake lake(folder, static_cast<std::uint64_t>(writer + 10));
  auto table = DeltaTable::open(lake.ports(), "t");
  ASSERT_TRUE(table) << table.error().message;
  std::string app_id = fmt::format("writer-{}", writer);
  for (int i = 0; i < kAppends; ++i) {
    auto files = table->write(fmt::format("SELECT {} AS id", writer * 1000 + i));
    ASSERT_TRUE(files) << files.error().message;
    auto transaction = table->append(*files);
    transaction.txns = {{app_id, i == 0 ? std::nullopt : std::optional<std::int64_t>(i), i + 1}};
    auto version = table->commit(transaction);
    ASSERT_TRUE(version) << version.error().message;
  }
}

void compact_until(const std::filesystem::path& folder, std::stop_token stop) {
  Lake lake(folder, 99);
  auto table = DeltaTable::open(lake.ports(), "t");
  ASSERT_TRUE(table) << table.error().message;
  while (!stop.stop_requested()) {
    auto report = compact(*table, {});
    ASSERT_TRUE(report) << report.error().message;
  }
}

TEST(DeltaRace, TwoWritersAndACompactorLoseAndDoubleNothing) {
  ScratchFolder scratch{ScratchFolder::On::in_memory};
  Lake lake(scratch.path());
  ASSERT_TRUE(DeltaTable::create(lake.ports(), "t", numbers_spec()));
  {
    auto compactor = named_thread(
        "compactor", [&](std::stop_token stop) { compact_until(scratch.path(), std::move(stop)); });
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 2; ++writer) {
      writers.push_back(named_thread(fmt::format("writer-{}", writer), [&, writer](const auto&) {
        append_all(scratch.path(), writer);
      }));
    }
  }
  auto table = DeltaTable::open(lake.ports(), "t");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(lake.rows_of(*table, "count(*), count(DISTINCT id)"),
            std::vector<std::string>{fmt::format("{0}|{0}", 2 * kAppends)});
  EXPECT_EQ(table->snapshot().txn("writer-0"), kAppends);
  EXPECT_EQ(table->snapshot().txn("writer-1"), kAppends);
  // Whichever way the table is opened, it is the same.
  auto replayed = table->at_version(table->snapshot().version());
  ASSERT_TRUE(replayed);
  EXPECT_EQ(replayed->files().size(), table->snapshot().files().size());
}

TEST(DeltaRace, OfManyThatCreateOneTableOneDoes) {
  ScratchFolder scratch{ScratchFolder::On::in_memory};
  std::atomic<int> created = 0;
  std::atomic<int> opened = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.push_back(named_thread("creator", [&, i](const auto&) {
        Lake lake(scratch.path(), static_cast<std::uint64_t>(i + 1));
        if (DeltaTable::create(lake.ports(), "t", numbers_spec())) ++created;
        if (DeltaTable::open_or_create(lake.ports(), "t", numbers_spec())) ++opened;
      }));
    }
  }
  EXPECT_EQ(created, 1);
  EXPECT_EQ(opened, 4);
}

// What the table should be: rows by version, and the mark.
struct Model {
  std::vector<std::multiset<std::string>> versions{{}};
  std::optional<std::int64_t> mark;
  const std::multiset<std::string>& now() const { return versions.back(); }
};

class TwoWriters {
 public:
  TwoWriters() : spec_(numbers_spec()) {
    spec_.partition_columns = {"word"};
    spec_.properties = {{"delta.checkpointInterval", "4"}};
    tables_.push_back(std::move(*DeltaTable::create(first_.ports(), "t", spec_)));
    tables_.push_back(std::move(*DeltaTable::open(second_.ports(), "t")));
  }

  // One operation of one writer, on the table and on the model; their outcomes must agree.
  void step(int operation, int writer, int id) {
    auto& table = tables_[static_cast<std::size_t>(writer)];
    bool fresh =
        table.snapshot().version() + 1 == static_cast<std::int64_t>(model_.versions.size());
    switch (operation) {
      case 0: return append_row(table, id);
      case 1: return replace_by(table, id, fresh);
      case 2: return move_mark(table, id);
      case 3: return merge(table);
      case 4: EXPECT_TRUE(table.refresh().has_value()); return;
      case 5: EXPECT_TRUE(table.checkpoint().has_value()); return;
      default: return look_back(table, id);
    }
  }

  void check() {
    for (auto& table : tables_) {
      EXPECT_TRUE(table.refresh().has_value());
      EXPECT_TRUE(rows(table, table.snapshot()) == model_.now());
      EXPECT_TRUE(table.snapshot().txn("app") == model_.mark);
    }
    auto anew = DeltaTable::open(first_.ports(), "t");
    EXPECT_TRUE(anew.has_value());
    EXPECT_TRUE(rows(*anew, anew->snapshot()) == model_.now());
  }

 private:
  std::multiset<std::string> rows(const DeltaTable& table, const Snapshot& snapshot) {
    auto lines = first_.rows_of(table, snapshot);
    return {lines.begin(), lines.end()};
  }
  static std::string select(int id) {
    return fmt::format("SELECT {} AS id, {} AS word", id,
                       id % 3 == 0 ? "NULL" : fmt::format("'w{}'", id % 3));
  }
  static std::string row(int id) {
    return fmt::format("{}|{}", id, id % 3 == 0 ? "NULL" : fmt::format("w{}", id % 3));
  }

  void append_row(DeltaTable& table, int id) {
    auto transaction = table.append(*table.write(select(id)));
    EXPECT_TRUE(table.commit(transaction).has_value());
    auto next = model_.now();
    next.insert(row(id));
    model_.versions.push_back(std::move(next));
  }
  // Only who has seen all data may replace it; compactions in between are not data.
  void replace_by(DeltaTable& table, int id, bool fresh) {
    auto transaction = table.replace(*table.write(select(id)));
    auto done = table.commit(transaction);
    EXPECT_TRUE(!fresh || done.has_value());
    if (!done) {
      EXPECT_TRUE(done.error().code == Code::conflict);
      return;
    }
    model_.versions.push_back({row(id)});
  }
  void move_mark(DeltaTable& table, int id) {
    auto transaction = table.append({});
    auto known = table.snapshot().txn("app");
    transaction.txns = {{"app", known, id}};
    auto done = table.commit(transaction);
    EXPECT_TRUE(done.has_value() == (known == model_.mark));
    if (!done) return;
    model_.mark = id;
    model_.versions.push_back(model_.now());
  }
  void merge(DeltaTable& table) {
    auto before = static_cast<std::int64_t>(model_.versions.size());
    EXPECT_TRUE(compact(table, {}).has_value());
    for (auto v = before; v <= table.snapshot().version(); ++v) {
      model_.versions.push_back(model_.now());
    }
  }
  void look_back(DeltaTable& table, int id) {
    auto version = static_cast<std::size_t>(id) % model_.versions.size();
    auto snapshot = table.at_version(static_cast<std::int64_t>(version));
    EXPECT_TRUE(snapshot.has_value());
    EXPECT_TRUE(rows(table, *snapshot) == model_.versions[version]);
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake first_{scratch_.path(), 1};
  Lake second_{scratch_.path(), 2};
  TableSpec spec_;
  std::vector<DeltaTable> tables_;
  Model model_;
};

TEST(DeltaRace, TwoWritersInAnyOrderGiveWhatTheModelSays) {
  constexpr std::uint64_t kSeeds = 6;
  constexpr int kSteps = 25;
  for (std::uint64_t seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    SeededRandom random(seed);
    auto below = [&](std::uint64_t bound) { return static_cast<int>(random.below(bound)); };
    TwoWriters writers;
    for (int i = 0; i < kSteps; ++i) writers.step(below(7), below(2), below(50));
    writers.check();
  }
}

}  // namespace
}  // namespace tillrace::lake
