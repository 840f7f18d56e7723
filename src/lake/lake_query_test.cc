#include "lake/lake_query.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <atomic>
#include <cstdlib>

#include "lake/azurite_for_tests.h"
#include "lake/delta_for_tests.h"
#include "lake/matchers_for_tests.h"
#include "lake/store_path.h"

namespace tillrace::lake {
namespace {

using namespace std::string_literals;

namespace fs = std::filesystem;

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Texts = LakeQuery::Texts;

class LakeQueryTest : public testing::Test {
 protected:
  DeltaTable create(const std::string& path, const std::string& select = "") {
    auto table = DeltaTable::create(lake_.ports(), path, numbers_spec());
    EXPECT_THAT(table, Succeeds());
    if (!select.empty()) append(*table, select);
    return std::move(*table);
  }
  // The rows, columns separated by '|'; or the error.
  static Result<std::vector<std::string>> rows_of(LakeQuery& query, const std::string& sql,
                                                  Texts texts = Texts::plain,
                                                  std::optional<std::uint64_t> limit = {}) {
    auto columns = query.columns(sql);
    if (!columns) return fail(columns.error());
    auto rows = query.rows(sql, *columns, texts, limit);
    if (!rows) return fail(rows.error());
    std::vector<std::string> out;
    while (true) {
      auto more = rows->next();
      if (!more) return fail(query.meant(more.error()));
      if (!*more) return out;
      std::string line;
      for (std::size_t i = 0; i < columns->size(); ++i)
        line += (i > 0 ? "|" : "") + (rows->is_null(i) ? "NULL" : std::string(rows->text(i)));
      out.push_back(line);
    }
  }
  // By a session of its own, as a command is.
  Result<std::vector<std::string>> ask(const std::string& sql, Texts texts = Texts::plain) {
    Lake fresh(scratch_.path(), ++seed_);
    LakeQuery query(fresh.ports());
    if (auto opened = query.open_tables(sql); !opened) return fail(opened.error());
    return rows_of(query, sql, texts);
  }
  void expect(const std::string& sql, const std::vector<std::string>& rows) {
    auto answer = ask(sql);
    ASSERT_THAT(answer, Succeeds()) << sql;
    EXPECT_EQ(*answer, rows) << sql;
  }
  template <class Visit>
  void each_data_file(const std::string& table, const Visit& visit) {
    for (const auto& entry : fs::recursive_directory_iterator(scratch_.path() / "store" / table))
      if (entry.path().filename().string().starts_with("part-")) visit(entry.path());
  }
  fs::path a_data_file(const std::string& table) {
    fs::path found;
    each_data_file(table, [&](const fs::path& file) { found = file; });
    return found;
  }
  // All that the lake's folder holds.
  std::vector<std::string> lake_files() {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(scratch_.path() / "store"))
      if (entry.is_regular_file())
        files.push_back(fmt::format("{} {}", entry.path().string(), entry.file_size()));
    std::ranges::sort(files);
    return files;
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake lake_{scratch_.path()};
  std::uint64_t seed_ = 1;
};

TEST_F(LakeQueryTest, TablesAreViewsNamedByTheirPath) {
  create("bronze/transactions", "SELECT 1 AS id, 'a' AS word");
  create("plain", "SELECT 2 AS id");
  create("shop/silver/sales", "SELECT 3 AS id");
  expect("SELECT id, word FROM bronze.transactions", {"1|a"});
  expect("from BRONZE.Transactions", {"1|a"});
  expect("SELECT * FROM plain", {"2|NULL"});
  expect("SELECT id FROM \"shop/silver\".sales", {"3"});
  expect("SELECT a.id + b.id FROM bronze.transactions a, plain b", {"3"});
}

TEST_F(LakeQueryTest, EveryFormOfAQueryIsTaken) {
  create("bronze/numbers", "SELECT i AS id, 'w' || i AS word FROM range(3) r(i)");
  for (const char* sql :
       {"SELECT max(id) FROM bronze.numbers;", "  SELECT max(id) FROM bronze.numbers -- why",
        "SELECT max(id) FROM bronze.numbers; -- why", "/* x */ FROM bronze.numbers SELECT max(id)",
        "WITH x AS (FROM bronze.numbers) SELECT max(id) FROM x",
        "SELECT id FROM bronze.numbers ORDER BY id DESC LIMIT 1",
        "SELECT 2 WHERE EXISTS (FROM bronze.numbers WHERE word = 'w2')"}) {
    expect(sql, {"2"});
  }
  EXPECT_THAT(*ask("DESCRIBE bronze.numbers"),
              ElementsAre(HasSubstr("id|BIGINT"), HasSubstr("word|VARCHAR")));
  EXPECT_THAT(*ask("SUMMARIZE bronze.numbers"), testing::SizeIs(2));
  expect("VALUES (1), (2)", {"1", "2"});
  expect(
      "PIVOT bronze.numbers ON word IN ('w2') USING max(id) GROUP BY id ORDER BY id DESC LIMIT 1",
      {"2|2"});
  expect("UNPIVOT (SELECT id FROM bronze.numbers LIMIT 1) ON id", {"id|0"});
  expect("FROM range(2)", {"0", "1"});
}

TEST_F(LakeQueryTest, WithoutATableAllAreListedWithTheirColumns) {
  create("bronze/numbers", "SELECT 1 AS id");
  create("silver/words");
  EXPECT_THAT(*ask("SHOW ALL TABLES"),
              ElementsAre(HasSubstr("bronze|numbers|[id, word]"), HasSubstr("silver|words")));
  expect(
      "SELECT table_schema, table_name, count(*) FROM information_schema.columns "
      "GROUP BY ALL ORDER BY ALL",
      {"bronze|numbers|2", "silver|words|2"});
}

TEST_F(LakeQueryTest, RowsThatWereNotForeseenAreRefusedAndNotMissing) {
  create("bronze/numbers", "SELECT 1 AS id");
  auto refused = ask("SELECT * FROM query('FROM bron' || 'ze.num' || 'bers')");
  EXPECT_THAT(refused, FailsWith(Code::invalid));
}

TEST_F(LakeQueryTest, ATableIsReadAtOneVersionHoweverOftenItIsNamed) {
  auto table = create("t1", "SELECT 1 AS id");
  Lake fresh(scratch_.path(), 7);
  LakeQuery query(fresh.ports());
  std::string sql = "SELECT count(*) FROM t1 a, t1 b";
  ASSERT_THAT(query.open_tables(sql), Succeeds());
  append(table, "SELECT 2 AS id");
  EXPECT_THAT(*rows_of(query, sql), ElementsAre("1"));
  expect(sql, {"4"});
}

TEST_F(LakeQueryTest, AnOlderVersionIsReadByItsNameAndAsT) {
  auto table = create("bronze/numbers", "SELECT 1 AS id");
  append(table, "SELECT 2 AS id");
  auto past = table.at_version(1);
  ASSERT_THAT(past, Succeeds());
  LakeQuery query(lake_.ports());
  ASSERT_THAT(query.open_table("bronze/numbers", *past), Succeeds());
  EXPECT_THAT(*rows_of(query, "SELECT count(*) FROM t"), ElementsAre("1"));
  EXPECT_THAT(*rows_of(query, "SELECT count(*) FROM bronze.numbers"), ElementsAre("1"));
}

TEST_F(LakeQueryTest, ATableThatIsCalledTIsT) {
  auto table = create("t", "SELECT 1 AS id");
  LakeQuery query(lake_.ports());
  ASSERT_THAT(query.open_table("t", table.snapshot()), Succeeds());
  EXPECT_THAT(*rows_of(query, "SELECT count(*) FROM t"), ElementsAre("1"));
}

TEST_F(LakeQueryTest, NothingButAQueryIsTaken) {
  create("bronze/numbers", "SELECT 1 AS id");
  auto before = lake_files();
  std::string out = (scratch_.path() / "store/bronze/numbers/out.parquet").string();
  for (const std::string& sql :
       {"COPY (SELECT 1) TO '" + out + "'",
        "COPY bronze.numbers TO '" + out + "'",
        "SELECT 1; COPY (SELECT 1) TO '" + out + "'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '" + out + "'",
        "SELECT 1); COPY (SELECT 1) TO '" + out + "'; SELECT (1",
        "SELECT '1'')'; COPY (SELECT 1) TO '" + out + "'; --",
        "ATTACH '" + out + "' AS x"s,
        "EXPORT DATABASE '" + out + "'"s,
        "INSERT INTO bronze.numbers VALUES (2, 'x')"s,
        "DELETE FROM bronze.numbers"s,
        "UPDATE bronze.numbers SET id = 2"s,
        "DROP VIEW bronze.numbers"s,
        "CREATE TABLE x AS SELECT 1"s,
        "CREATE OR REPLACE VIEW bronze.numbers AS SELECT 9"s,
        "WITH x AS (DELETE FROM bronze.numbers RETURNING id) SELECT * FROM x"s,
        "SET memory_limit = '1TB'"s,
        "PRAGMA threads = 64"s,
        "INSTALL httpfs"s,
        "LOAD httpfs"s,
        "CHECKPOINT"s,
        "BEGIN"s,
        "CALL pragma_version()"s,
        "PREPARE x AS SELECT 1"s,
        ""s,
        ";"s,
        "-- nothing"s,
        "SELEC 1"s,
        "SELECT"s,
        "SELECT ?"s,
        "\0"s,
        "SELECT 1; SELECT 2"s}) {
    EXPECT_THAT(ask(sql), FailsWith(Code::invalid)) << sql;
  }
  EXPECT_EQ(lake_files(), before);
}

// Some of DuckDB's functions write files, or run what nobody has seen, in the midst of a query.
TEST_F(LakeQueryTest, FunctionsThatChangeSomethingAreRefusedWhereverTheyStand) {
  create("bronze/numbers", "SELECT 1 AS id");
  std::string victim = scratch_.file("victim", "old").string();
  std::string folder = (scratch_.path() / "logs").string();
  std::string profile = "enable_profiling(save_location = '" + victim + "')";
  std::string nested = sql_text("FROM " + profile);
  for (const std::string& sql :
       {"FROM " + profile,
        "FROM system.main.\"Enable_Profiling\"(save_location = '" + victim + "')",
        "FROM enable_logging('QueryLog', storage = 'file', storage_path = '" + folder + "')",
        "SELECT * FROM bronze.numbers, " + profile, "SELECT (SELECT count(*) FROM " + profile + ")",
        "SELECT 1 LIMIT (SELECT count(*) FROM " + profile + ")",
        "FROM range((SELECT count(*) FROM " + profile + "))",
        "WITH x AS MATERIALIZED (FROM " + profile + ") FROM x",
        "WITH RECURSIVE x AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM x, " + profile +
            " WHERE a < 3) FROM x",
        "SUMMARIZE FROM " + profile, "PIVOT " + profile + " ON Success IN (true)",
        "FROM query(" + nested + ")",
        "FROM query('from ena' || 'ble_profiling(save_location = ''" + victim + "'')')",
        "FROM query(CASE WHEN current_query() LIKE 'EXPLAIN%' THEN 'SELECT 1' ELSE " + nested +
            " END)",
        "FROM json_execute_serialized_sql(json_serialize_sql(" + nested + "))"}) {
    auto refused = ask(sql);
    EXPECT_THAT(refused, FailsWith(Code::invalid)) << sql;
    EXPECT_THAT(refused.error().message, HasSubstr("is not taken")) << sql;
    LakeQuery query(lake_.ports());
    EXPECT_THAT(query.write_parquet(sql, scratch_.path() / "out.parquet"), FailsWith(Code::invalid))
        << sql;
  }
  EXPECT_THAT(ask("SELECT 1"), Succeeds());
  EXPECT_EQ(*read_file(victim), "old");
  EXPECT_FALSE(fs::exists(folder));
}

// A new version of DuckDB may bring more: each has to be judged.
TEST_F(LakeQueryTest, EveryTableFunctionOfDuckDbIsKnownToReadOrIsRefused) {
  auto names =
      ask("SELECT DISTINCT function_name FROM duckdb_functions() "
          "WHERE function_type IN ('table', 'table_macro') ORDER BY 1");
  ASSERT_THAT(names, Succeeds());
  LakeQuery query(lake_.ports());
  std::vector<std::string> refused;
  for (const std::string& name : *names) {
    auto rows = query.rows("FROM " + name + "()", {{"x", "VARCHAR"}}, Texts::plain);
    if (!rows && rows.error().message.ends_with("is not taken here")) refused.push_back(name);
  }
  EXPECT_THAT(refused, ElementsAre("arrow_scan", "arrow_scan_dumb", "check_peg_parser",
                                   "checkpoint", "disable_logging", "disable_peg_parser",
                                   "disable_profiling", "duckdb_secrets", "enable_logging",
                                   "enable_peg_parser", "enable_profiling", "force_checkpoint",
                                   "json_execute_serialized_sql", "query", "seq_scan",
                                   "sql_auto_complete", "truncate_duckdb_logs", "which_secret"));
}

TEST_F(LakeQueryTest, FilesOfThisMachineMayBeRead) {
  auto csv = scratch_.file("prices.csv", "id,price\n1,2.5\n");
  create("bronze/numbers", "SELECT 1 AS id");
  expect("SELECT price FROM bronze.numbers JOIN '" + csv.string() + "' USING (id)", {"2.5"});
}

TEST_F(LakeQueryTest, AnUnknownTableIsToldTheNearest) {
  create("bronze/transactions");
  for (const char* sql : {"FROM bronze.transactoins", "SELECT 1 FROM transactions"}) {
    auto refused = ask(sql);
    EXPECT_THAT(refused, FailsWith(Code::not_found));
    EXPECT_THAT(refused.error().message, HasSubstr("did you mean 'bronze.transactions'?"));
  }
  EXPECT_THAT(ask("SELECT nope FROM bronze.transactions"), FailsWith(Code::invalid));
}

TEST_F(LakeQueryTest, AnErrorInTheMiddleOfTheRowsIsSaid) {
  create("bronze/numbers",
         "SELECT i AS id, CASE WHEN i = 4999 THEN 'x' ELSE '1' END AS word "
         "FROM range(5000) r(i)");
  EXPECT_THAT(ask("SELECT CAST(word AS INTEGER) FROM bronze.numbers"), FailsWith(Code::invalid));
}

TEST_F(LakeQueryTest, ATableWhoseLatestVersionLacksAFileIsBroken) {
  create("bronze/numbers", "SELECT 1 AS id");
  each_data_file("bronze/numbers", [](const fs::path& file) { fs::remove(file); });
  auto refused = ask("FROM bronze.numbers");
  EXPECT_THAT(refused, FailsWith(Code::corrupt));
  EXPECT_THAT(refused.error().message, HasSubstr("part-"));
}

TEST_F(LakeQueryTest, AnOlderVersionWhoseFilesAreGoneIsNotThereAnyMore) {
  auto table = create("numbers", "SELECT 1 AS id");
  each_data_file("numbers", [](const fs::path& file) { fs::remove(file); });
  auto replaced = table.replace(*table.write("SELECT 2 AS id, 'w' AS word"));
  ASSERT_THAT(table.commit(replaced), Succeeds());
  expect("SELECT id FROM numbers", {"2"});
  LakeQuery query(lake_.ports());
  auto refused = query.open_table("numbers", *table.at_version(1));
  EXPECT_THAT(refused, FailsWith(Code::not_found));
  EXPECT_THAT(refused.error().message, HasSubstr("version 1 are gone; vacuum keeps them 168 h"));
}

TEST_F(LakeQueryTest, ABrokenDataFileIsNoErrorOfTheSql) {
  create("cut", "SELECT 1 AS id");
  each_data_file("cut", [](const fs::path& file) { fs::resize_file(file, 100); });
  EXPECT_THAT(ask("FROM cut"), FailsWith(Code::corrupt));

  create("garbled", "SELECT i AS id, 'w' || i AS word FROM range(10000) r(i)");
  auto whole = read_file(a_data_file("garbled"));
  for (std::size_t begin : {4U, 2'000U}) {  // the head of the first page, and its rows
    std::string bytes = *whole;
    bytes.replace(begin, bytes.size() / 2, bytes.size() / 2, 'x');
    ASSERT_TRUE(write_file_atomically(a_data_file("garbled"), bytes));
    EXPECT_THAT(ask("SELECT max(id), max(word) FROM garbled"), FailsWith(Code::corrupt));
  }
  Lake fresh(scratch_.path(), ++seed_);
  LakeQuery query(fresh.ports());
  ASSERT_THAT(query.open_tables("garbled"), Succeeds());
  EXPECT_THAT(query.write_parquet("FROM garbled", scratch_.path() / "out.parquet"),
              FailsWith(Code::corrupt));
  auto own = scratch_.file("own.parquet", "no Parquet");
  EXPECT_THAT(ask("FROM '" + own.string() + "'"), FailsWith(Code::invalid)) << "the user's own";
}

TEST_F(LakeQueryTest, BesidesATableThatIsReadAtAVersionNoneIsOpen) {
  auto table = create("numbers", "SELECT 1 AS id");
  create("others", "SELECT 1 AS id");
  LakeQuery query(lake_.ports());
  ASSERT_THAT(query.open_table("numbers", table.snapshot()), Succeeds());
  auto refused = rows_of(query, "FROM t JOIN others USING (id)");
  EXPECT_THAT(refused, FailsWith(Code::not_found));
  EXPECT_THAT(refused.error().message, HasSubstr("only `t` is open here"));
}

TEST_F(LakeQueryTest, ABrokenTableStopsOnlyThoseWhoNameIt) {
  create("bronze/numbers", "SELECT 1 AS id");
  ASSERT_TRUE(lake_.store().put("bronze/broken/_delta_log/00000000000000000000.json", "{"));
  expect("SELECT id FROM bronze.numbers", {"1"});
  expect("SELECT 1", {"1"});
  auto refused = ask("SELECT * FROM bronze.broken");
  EXPECT_THAT(refused, FailsWith(Code::corrupt));
  EXPECT_THAT(refused.error().message, HasSubstr("bronze/broken"));
}

TEST_F(LakeQueryTest, ColumnsHaveNamesAndTypes) {
  LakeQuery query(lake_.ports());
  auto columns = query.columns(
      "SELECT 1 AS a, 2.50 AS b, 'x' AS c, true AS d, [1] AS e, {'k': 1} AS f, now() AS g, "
      "1 AS a, 1e0 AS \"h \"\"i\"\"\"");
  ASSERT_THAT(columns, Succeeds());
  std::vector<std::string> told;
  for (const auto& column : *columns)
    told.push_back(fmt::format("{} {}", column.name, static_cast<int>(column.kind)));
  EXPECT_THAT(told,
              ElementsAre("a 1", "b 1", "c 0", "d 2", "e 3", "f 3", "g 0", "a_1 1", "h \"i\" 1"));
}

TEST_F(LakeQueryTest, TextsForJsonAreJsonOrNull) {
  const std::string sql =
      "SELECT 12345678901234567890123456789.5::DECIMAL(38,1) AS a, 'NaN'::DOUBLE AS b, "
      "'-Infinity'::FLOAT AS c, [1, NULL] AS d, {'k': 'v\"I'} AS e, ['NaN'::DOUBLE] AS f, "
      "true AS g, 1.5::DOUBLE AS h";
  EXPECT_THAT(*ask(sql, Texts::json),
              ElementsAre("12345678901234567890123456789.5|NULL|NULL|[1,null]|{\"k\":\"v\\\"I\"}|"
                          "NULL|true|1.5"));
  EXPECT_THAT(*ask(sql), ElementsAre(HasSubstr("|nan|-inf|[1, NULL]|")));
}

TEST_F(LakeQueryTest, ALimitCutsTheRows) {
  LakeQuery query(lake_.ports());
  EXPECT_THAT(*rows_of(query, "FROM range(100) ORDER BY 1 DESC", Texts::plain, 2),
              ElementsAre("99", "98"));
  EXPECT_THAT(*rows_of(query, "FROM range(100)", Texts::plain, 0), IsEmpty());
}

TEST_F(LakeQueryTest, AParquetFileIsThereInWholeOrNotAtAll) {
  LakeQuery query(lake_.ports());
  fs::path file = scratch_.path() / "out.parquet";
  auto rows = query.write_parquet("SELECT i AS id FROM range(1000) r(i)", file);
  ASSERT_THAT(rows, Succeeds());
  EXPECT_EQ(*rows, 1'000U);
  std::string sum = "SELECT sum(id) FROM '" + file.string() + "'";
  EXPECT_THAT(*rows_of(query, sum), ElementsAre("499500"));

  auto failed = query.write_parquet(
      "SELECT CASE WHEN i = 900000 THEN error('no') ELSE i END FROM range(1000000) r(i)", file);
  EXPECT_THAT(failed, FailsWith(Code::invalid));
  EXPECT_THAT(*rows_of(query, sum), ElementsAre("499500")) << "the older one stays";
  for (const auto& entry : fs::directory_iterator(scratch_.path()))
    EXPECT_FALSE(entry.path().filename().string().starts_with(".out")) << entry.path();

  ASSERT_THAT(query.write_parquet("SELECT 7 AS id", file, 1), Succeeds());
  EXPECT_THAT(*rows_of(query, sum), ElementsAre("7"));
}

TEST_F(LakeQueryTest, AFileThatIsNoFileIsNotReplaced) {
  LakeQuery query(lake_.ports());
  for (const char* path : {"/dev/null", "/dev", "/nowhere/out.parquet"})
    EXPECT_THAT(query.write_parquet("SELECT 1", path), FailsWith(Code::invalid)) << path;
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(LakeQueryTest, ALinkStaysAndWhatItLeadsToIsReplaced) {
  auto target = scratch_.file("target", "old");
  fs::create_symlink(target, scratch_.path() / "link");
  LakeQuery query(lake_.ports());
  ASSERT_THAT(query.write_parquet("SELECT 1 AS id", scratch_.path() / "link"), Succeeds());
  EXPECT_TRUE(fs::is_symlink(scratch_.path() / "link"));
  EXPECT_THAT(*rows_of(query, "SELECT id FROM read_parquet('" + target.string() + "')"),
              ElementsAre("1"));
}

TEST(ViewNames, AreQuotedWhereTheyHaveToBe) {
  EXPECT_EQ(view_name("bronze/transactions").sql(), "bronze.transactions");
  EXPECT_EQ(view_name("plain").sql(), "plain");
  EXPECT_EQ(view_name("deep/in/folders").sql(), "\"deep/in\".folders");
  EXPECT_EQ(view_name("1st/a b").sql(), "\"1st\".\"a b\"");
  EXPECT_EQ(view_name("a\"b/c").sql(), "\"a\"\"b\".c");
}

TEST(MayName, WantsTheWholeNameInAnyCase) {
  ViewName name = view_name("gold/sales");
  for (const char* sql : {"FROM gold.sales", "from GOLD.Sales s", "FROM \"gold\".\"sales\"",
                          "FROM gold . sales", "memory.gold.sales"})
    EXPECT_TRUE(may_name(sql, name)) << sql;
  for (const char* sql : {"FROM gold.sales_by_hour", "FROM golden.sales", "FROM silver.sales",
                          "FROM gold.Ésales", "SELECT gold", ""})
    EXPECT_FALSE(may_name(sql, name)) << sql;
  EXPECT_TRUE(may_name("FROM plain", view_name("plain")));
  EXPECT_FALSE(may_name("FROM plainer", view_name("plain")));
}

// However odd a table's name: who writes it as sql() does is understood, by us and by DuckDB.
TEST_F(LakeQueryTest, WhateverATableIsCalledItsViewIsFound) {
  LakeQuery query(lake_.ports());
  DuckSession& duck = lake_.duck();
  EXPECT_TRUE(rc::check([&] {
    auto letters = rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(
        rc::gen::element<std::string>("a", "Z", "0", "_", " ", "-", "\"", "'", ".", ";", "%", "+",
                                      "#", "?", "&", "=", "(", ")", "[", "]", "ä", "Ö", "--")));
    std::string table = fmt::format("{}/{}x", fmt::join(*letters, ""), fmt::join(*letters, ""));
    RC_PRE(check_path(table).has_value());
    std::string sql = "SELECT * FROM " + view_name(table).sql();
    RC_ASSERT(may_name(sql, view_name(table)));
    ViewName name = view_name(table);
    std::string schema = sql_name(name.schema);
    RC_ASSERT(duck.run("CREATE SCHEMA IF NOT EXISTS " + schema + "; CREATE OR REPLACE VIEW " +
                       schema + "." + sql_name(name.view) + " AS SELECT 1 AS one")
                  .has_value());
    auto rows = rows_of(query, sql);
    RC_ASSERT(rows.has_value());
  }));
}

// The same over a store elsewhere.
class LakeQueryAzuriteTest : public LakeQueryTest {
 protected:
  void SetUp() override {
    if (!Azurite::shared()) {
      if (std::getenv("CI")) FAIL() << "Azurite is absent";
      GTEST_SKIP() << "Azurite is absent; `tools/install.sh test` installs it";
    }
    container_ = std::make_unique<AzuriteContainer>(*Azurite::shared());
    auto opened = AzureStore::open(container_->options(Azurite::shared()->endpoint()),
                                   lake_.clock(), random_, metrics_);
    ASSERT_THAT(opened, Succeeds());
    store_ = std::move(*opened);
    counting_ = std::make_unique<CountingStore>(*store_);
  }
  void fill(const std::string& path, const std::vector<std::string>& selects) {
    auto table = DeltaTable::create(lake_.ports(*store_), path, numbers_spec());
    ASSERT_THAT(table, Succeeds());
    for (const auto& select : selects) append(*table, select);
  }
  Result<std::vector<std::string>> ask(const std::string& sql,
                                       std::uint64_t most_bytes = 10'000'000) {
    Lake fresh(scratch_.path(), ++seed_);
    auto cache = FileCache::open({scratch_.path() / "cache", container_->name(), most_bytes},
                                 fresh.clock(), random_);
    if (!cache) return fail(cache.error());
    LakeQuery query(fresh.ports(*counting_), cache->get());
    if (auto opened = query.open_tables(sql); !opened) return fail(opened.error());
    return rows_of(query, sql);
  }

  // Counts the data files that are asked for.
  class CountingStore final : public Store {
   public:
    explicit CountingStore(Store& store) : store_(store) {}
    std::atomic<int> data_files = 0;

    Status put_if_absent(std::string_view path, std::string_view bytes) override {
      return store_.put_if_absent(path, bytes);
    }
    Status put(std::string_view path, std::string_view bytes) override {
      return store_.put(path, bytes);
    }
    Status put_file(std::string_view path, const fs::path& local) override {
      return store_.put_file(path, local);
    }
    Result<std::string> get(std::string_view path) override { return store_.get(path); }
    Result<std::string> get_range(std::string_view path, std::uint64_t offset,
                                  std::uint64_t length) override {
      if (path.find("/part-") != std::string_view::npos) ++data_files;
      return store_.get_range(path, offset, length);
    }
    Status list(std::string_view prefix, std::string_view after, const Visit& visit) override {
      return store_.list(prefix, after, visit);
    }
    Status remove(std::string_view path) override { return store_.remove(path); }
    Result<StoredFile> head(std::string_view path) override { return store_.head(path); }
    std::optional<fs::path> local_path(std::string_view path) const override {
      return store_.local_path(path);
    }

   private:
    Store& store_;
  };

  SystemRandom random_;
  Metrics metrics_;
  std::unique_ptr<AzuriteContainer> container_;
  std::unique_ptr<AzureStore> store_;
  std::unique_ptr<CountingStore> counting_;
};

TEST_F(LakeQueryAzuriteTest, OnlyFilesOfNamedTablesAreFetchedAndOnlyOnce) {
  fill("bronze/numbers", {"SELECT 1 AS id", "SELECT 2 AS id"});
  fill("bronze/others", {"SELECT 3 AS id"});
  EXPECT_THAT(*ask("SELECT sum(id) FROM bronze.numbers"), ElementsAre("3"));
  EXPECT_EQ(counting_->data_files, 2);
  EXPECT_THAT(*ask("SELECT sum(id) FROM bronze.numbers"), ElementsAre("3"));
  EXPECT_EQ(counting_->data_files, 2);
  EXPECT_THAT(*ask("SELECT sum(a.id) FROM bronze.numbers a, bronze.others b"), ElementsAre("3"));
  EXPECT_EQ(counting_->data_files, 3);
}

TEST_F(LakeQueryAzuriteTest, ColumnsAloneFetchNothing) {
  fill("bronze/numbers", {"SELECT 1 AS id"});
  EXPECT_THAT(*ask("SHOW ALL TABLES"), ElementsAre(HasSubstr("bronze|numbers|[id, word]")));
  EXPECT_EQ(counting_->data_files, 0);
}

TEST_F(LakeQueryAzuriteTest, WhatHasNoRoomInTheCacheIsSaid) {
  fill("bronze/numbers", {"SELECT 1 AS id"});
  auto refused = ask("FROM bronze.numbers", 100);
  EXPECT_THAT(refused, FailsWith(Code::exhausted));
  EXPECT_THAT(refused.error().message, HasSubstr("bronze/numbers"));
}

TEST_F(LakeQueryAzuriteTest, WithoutACacheItIsRefused) {
  fill("bronze/numbers", {"SELECT 1 AS id"});
  LakeQuery query(lake_.ports(*store_));
  EXPECT_THAT(query.open_tables("FROM bronze.numbers"), FailsWith(Code::unavailable));
}

}  // namespace
}  // namespace tillrace::lake
