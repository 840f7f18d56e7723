#include "lake/duck.h"

#include <gmock/gmock.h>

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
