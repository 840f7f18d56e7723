#include "lake/duck.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/scratch_for_tests.h"

namespace tillrace::lake {
namespace {

class DuckTest : public testing::Test {
 protected:
  Result<std::string> one(const std::string& sql) {
    auto rows = session_.query(sql);
    if (!rows) return fail(rows.error());
    auto more = rows->next();
    if (!more) return fail(more.error());
    return std::string(rows->text(0));
  }

  Duck duck_ = std::move(*Duck::open({.memory_limit_mb = 100, .threads = 1, .temp_folder = {}}));
  DuckSession session_ = std::move(*DuckSession::open(duck_));
};

TEST_F(DuckTest, GivesRowsOneAfterTheOther) {
  auto rows = session_.query("SELECT range AS n, 'v' || range AS t FROM range(5000)");
  ASSERT_TRUE(rows);
  EXPECT_THAT(rows->columns(), testing::ElementsAre("n", "t"));
  std::int64_t expected = 0;
  while (*rows->next()) {
    ASSERT_EQ(rows->integer(0), expected);
    ASSERT_EQ(rows->text(1), "v" + std::to_string(expected));
    ++expected;
  }
  EXPECT_EQ(expected, 5000);
  EXPECT_FALSE(*rows->next());
}

TEST_F(DuckTest, TellsNullsAndMaps) {
  auto rows =
      session_.query("SELECT NULL::VARCHAR, MAP {'a': 'x', 'b': NULL}, MAP {'c': MAP {'d': 'y'}}");
  ASSERT_TRUE(rows && *rows->next());
  EXPECT_TRUE(rows->is_null(0));
  EXPECT_FALSE(rows->is_null(1));
  EXPECT_EQ(rows->map(1), (DuckRows::Map{{"a", "x"}, {"b", std::nullopt}}));
  EXPECT_EQ(rows->maps(2).at("c").at("d"), "y");
}

TEST_F(DuckTest, SaysWhatIsWrong) {
  EXPECT_EQ(session_.run("SELEC 1").error().code, Code::invalid);
  EXPECT_EQ(session_.query("SELECT * FROM missing").error().code, Code::invalid);
  EXPECT_EQ(session_.query("SELECT * FROM '/nowhere/x.parquet'").error().code, Code::unavailable);
  EXPECT_EQ(session_.run("COPY (SELECT 1) TO '/nowhere/x.parquet'").error().code,
            Code::unavailable);
}

TEST(DuckSpill, EndsAtItsLimit) {
  ScratchFolder scratch;
  for (auto [most, enough] :
       {std::pair{std::uint64_t{1} << 30, true}, {1 << 20, false}, {0, false}}) {
    auto duck = Duck::open({.memory_limit_mb = 50,
                            .threads = 1,
                            .temp_folder = scratch.path() / std::to_string(most),
                            .most_temp_bytes = most});
    ASSERT_TRUE(duck) << duck.error().message;
    auto session = DuckSession::open(*duck);
    Status sorted = session->run(
        "CREATE TEMP TABLE sorted AS "
        "SELECT md5(i::VARCHAR) AS a, md5((i + 1)::VARCHAR) AS b FROM range(2000000) r(i) ORDER BY "
        "a");
    ASSERT_EQ(sorted.has_value(), enough) << most;
    EXPECT_TRUE(enough || sorted.error().code == Code::exhausted) << most;
  }
}

TEST_F(DuckTest, AFailureInTheMiddleOfTheRowsIsTold) {
  EXPECT_EQ(one("SELECT CAST(CAST('x' || range AS BIGINT) AS VARCHAR) FROM range(3)").error().code,
            Code::invalid);
}

TEST_F(DuckTest, KeepsToItsMemoryLimit) {
  auto status = session_.run(
      "CREATE TABLE t AS SELECT repeat('x', 1000) || range AS s"
      " FROM range(1000000)");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::exhausted);
}

TEST_F(DuckTest, SpillsWhereItMay) {
  ScratchFolder scratch{ScratchFolder::On::in_memory};
  auto duck = Duck::open({.memory_limit_mb = 100, .threads = 1, .temp_folder = scratch.path()});
  ASSERT_TRUE(duck);
  auto session = DuckSession::open(*duck);
  auto status = session->run(
      "CREATE TABLE t AS SELECT repeat('x', 1000) || range AS s"
      " FROM range(200000)");
  EXPECT_TRUE(status) << status.error().message;
}

TEST_F(DuckTest, TimesAreInUtc) {
  EXPECT_EQ(one("SELECT CAST(TIMESTAMPTZ '2026-01-01 02:00:00+02' AS VARCHAR)").value(),
            "2026-01-01 00:00:00+00");
}

TEST_F(DuckTest, FetchesAndLoadsNothingByItself) {
  EXPECT_FALSE(session_.run("SELECT * FROM delta_scan('/nowhere')"));
  EXPECT_EQ(one("SELECT CAST(count(*) AS VARCHAR) FROM duckdb_extensions() WHERE installed AND"
                " extension_name IN ('parquet', 'json', 'icu')")
                .value(),
            "3");
}

TEST_F(DuckTest, AppendsRows) {
  ASSERT_TRUE(
      session_.run("CREATE TABLE t (n BIGINT, s VARCHAR, d DECIMAL(10,2), taken TIMESTAMPTZ)"));
  auto appender = DuckAppender::open(session_, "t");
  ASSERT_TRUE(appender);
  ASSERT_TRUE(appender->integer(1).text({"a\0b", 3}).text("1.25").time({1'000'000}).end_row());
  ASSERT_TRUE(appender->integer(2).null().null().null().end_row());
  ASSERT_TRUE(appender->close());
  EXPECT_EQ(one("SELECT CAST(max(strlen(s)) AS VARCHAR) FROM t").value(), "3");
  EXPECT_EQ(one("SELECT string_agg(n || ':' || coalesce(d || '@' || epoch_us(taken), '-'), ',')"
                " FROM t")
                .value(),
            "1:1.25@1000000,2:-");
}

TEST_F(DuckTest, RefusesValuesThatDoNotFit) {
  ASSERT_TRUE(session_.run("CREATE TABLE t (d DECIMAL(4,2), n BIGINT)"));
  auto appender = DuckAppender::open(session_, "t");
  ASSERT_TRUE(appender);
  EXPECT_EQ(appender->text("many").integer(1).end_row().error().code, Code::invalid);
  EXPECT_FALSE(appender->close());
  EXPECT_EQ(DuckAppender::open(session_, "missing").error().code, Code::not_found);
}

// Numbers from 0 to `end`, handed to whoever asks; one of them can be refused. None is given before
// there are `least_shares`.
class Numbers final : public DuckSource {
 public:
  explicit Numbers(std::int64_t end, std::int64_t refused = -1, int least_shares = 1)
      : end_(end), refused_(refused), least_shares_(least_shares) {}
  const std::vector<DuckColumn>& columns() const override { return columns_; }
  std::unique_ptr<Share> open_share() override {
    ++shares;
    return std::make_unique<Some>(*this);
  }
  std::atomic<int> shares = 0;

 private:
  struct Some final : Share {
    explicit Some(Numbers& numbers) : all(numbers) {}
    Result<std::size_t> fill(DuckChunk& chunk) override {
      for (int ms = 0; all.shares < all.least_shares_; ++ms) {
        if (ms == 20'000) return fail(Code::unavailable, "{} shares", all.shares.load());
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      std::size_t row = 0;
      for (; row < DuckChunk::kRows; ++row) {
        std::int64_t number = all.next_++;
        if (number >= all.end_) break;
        if (number == all.refused_) return fail(Code::corrupt, "no {}", number);
        chunk.bigint(0, row, number);
        chunk.text(1, row, "number " + std::to_string(number));
      }
      return row;
    }
    Numbers& all;
  };
  const std::vector<DuckColumn> columns_ = {{"n", DuckType::bigint}, {"t", DuckType::text}};
  const std::int64_t end_, refused_;
  const int least_shares_;
  std::atomic<std::int64_t> next_ = 0;
};

TEST_F(DuckTest, RowsOfASourceComeInOrderAndOnce) {
  Numbers numbers(10'000);
  auto name = session_.offer(numbers);
  ASSERT_TRUE(name);
  auto rows = session_.query("SELECT n, t FROM " + *name);
  ASSERT_TRUE(rows);
  std::int64_t expected = 0;
  for (; *rows->next(); ++expected) {
    ASSERT_EQ(rows->integer(0), expected);
    ASSERT_EQ(rows->text(1), "number " + std::to_string(expected));
  }
  EXPECT_EQ(expected, 10'000);
  EXPECT_EQ(numbers.shares, 1);
}

TEST_F(DuckTest, ThreadsShareASourceWhereOrderIsNotKept) {
  ScratchFolder folder;
  auto duck =
      Duck::open({.memory_limit_mb = 100, .threads = 2, .keeps_order = false, .temp_folder = {}});
  ASSERT_TRUE(duck);
  auto session = DuckSession::open(*duck);
  ASSERT_TRUE(session);
  Numbers numbers(300'000, -1, 2);
  auto name = session->offer(numbers);
  ASSERT_TRUE(name);
  std::string file = sql_text((folder.path() / "x.parquet").string());
  ASSERT_TRUE(session->run("COPY (SELECT * FROM " + *name + ") TO " + file +
                           " (FORMAT parquet, ROW_GROUP_SIZE 20480)"));
  EXPECT_EQ(numbers.shares, 2);
  EXPECT_EQ(one("SELECT count(*) || ' ' || count(DISTINCT n) || ' ' || max(n) || ' ' ||"
                " bool_and(t = 'number ' || n) FROM " +
                file)
                .value(),
            "300000 300000 299999 true");
}

TEST_F(DuckTest, AFailureOfASourceEndsTheStatementWithItsWords) {
  Numbers numbers(10'000, 5'000);
  auto name = session_.offer(numbers);
  ASSERT_TRUE(name);
  auto sum = one("SELECT sum(n)::BIGINT::VARCHAR FROM " + *name);
  ASSERT_FALSE(sum);
  EXPECT_EQ(sum.error().code, Code::invalid);
  EXPECT_THAT(sum.error().message, testing::HasSubstr("no 5000"));
}

TEST_F(DuckTest, RefusesOptionsThatMeanNothing) {
  EXPECT_EQ(Duck::open({.memory_limit_mb = 100, .threads = 0, .temp_folder = {}}).error().code,
            Code::invalid);
}

TEST_F(DuckTest, QuotesTextsAndNames) {
  EXPECT_EQ(one("SELECT " + sql_text("it's; --")).value(), "it's; --");
  EXPECT_EQ(one("SELECT " + sql_name("a\"b") + " FROM (SELECT 'x' AS \"a\"\"b\")").value(), "x");
}

}  // namespace
}  // namespace tillrace::lake
