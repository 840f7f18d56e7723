// Small logs, written by hand from the protocol's text, and the state that each must give.
#include <gmock/gmock.h>

#include "lake/delta_decoder.h"
#include "lake/delta_for_tests.h"
#include "lake/delta_scan.h"
#include "lake/delta_snapshot.h"

namespace tillrace::lake {
namespace {

constexpr std::string_view kStart =
    R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})"
    "\n"
    R"({"metaData":{"id":"t","format":{"provider":"parquet","options":{}},"schemaString":)"
    R"("{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,)"
    R"(\"metadata\":{}}]}","partitionColumns":[],"configuration":{}}})"
    "\n";

std::string add(const std::string& path, int size = 1) {
  return R"({"add":{"path":")" + path + R"(","partitionValues":{},"size":)" + std::to_string(size) +
         R"(,"modificationTime":1,"dataChange":true}})" + "\n";
}
std::string gone(const std::string& path) {
  return R"({"remove":{"path":")" + path + R"(","deletionTimestamp":9,"dataChange":true}})" + "\n";
}
std::string txn(const std::string& app, int version) {
  return R"({"txn":{"appId":")" + app + R"(","version":)" + std::to_string(version) + "}}\n";
}

struct Golden {
  const char* name;
  std::vector<std::string> commits;  // after kStart, which is the beginning of the first
  std::vector<std::string> files;    // by decoded path, in order
  std::vector<std::string> tombstones;
};

const Golden kGolden[] = {
    {"an empty table", {""}, {}, {}},
    {"adds of several versions", {add("a"), add("b") + add("c"), ""}, {"a", "b", "c"}, {}},
    {"a removal", {add("a") + add("b"), gone("a")}, {"b"}, {"a"}},
    {"removed and added again", {add("a"), gone("a"), add("a")}, {"a"}, {}},
    {"added and removed in one commit, whose order means nothing",
     {add("a"), add("b") + gone("a")},
     {"b"},
     {"a"}},
    {"a removal of what never was", {add("a"), gone("never")}, {"a"}, {"never"}},
    {"one path in two encodings", {add("a%20b"), gone("a b")}, {}, {"a b"}},
    {"a path with what URIs escape",
     {add("p=a%253Ab/x%23%3F%25.parquet")},
     {"p=a%3Ab/x#?%.parquet"},
     {}},
    {"the same file again", {add("a"), add("a", 7)}, {"a"}, {}},
    {"actions that a reader passes over",
     {add("a") +
      "{\"cdc\":{\"path\":\"c\",\"partitionValues\":{},\"size\":1,\"dataChange\":false}}\n"
      "{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"\",\"removed\":false}}\n"
      "{\"somethingNew\":{\"x\":[1,{}]}}\n"},
     {"a"},
     {}},
};

Result<Snapshot> replayed(const std::vector<std::string>& commits) {
  ActionDecoder decoder;
  Snapshot snapshot;
  for (std::size_t version = 0; version < commits.size(); ++version) {
    std::string text = (version == 0 ? std::string(kStart) : "") + commits[version];
    auto actions = decoder.decode_commit(text);
    if (!actions) return fail(actions.error());
    auto applied = snapshot.apply(std::move(*actions), static_cast<std::int64_t>(version));
    if (!applied) return fail(applied.error());
  }
  return snapshot;
}

template <class Map>
std::vector<std::string> keys(const Map& map) {
  std::vector<std::string> out;
  for (const auto& [key, value] : map) out.push_back(key);
  return out;
}

TEST(DeltaGolden, EveryLogGivesItsState) {
  for (const auto& golden : kGolden) {
    auto snapshot = replayed(golden.commits);
    ASSERT_TRUE(snapshot) << golden.name << ": " << snapshot.error().message;
    EXPECT_EQ(keys(snapshot->files()), golden.files) << golden.name;
    EXPECT_EQ(keys(snapshot->tombstones()), golden.tombstones) << golden.name;
    EXPECT_EQ(snapshot->version() + 1, static_cast<std::int64_t>(golden.commits.size()));
  }
}

TEST(DeltaGolden, TheLatestOfAFileCounts) {
  auto snapshot = replayed({add("a", 1), add("a", 7)});
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->files().at("a").size, 7);
}

TEST(DeltaGolden, TheLatestMarkOfAnApplicationCountsThoughItGoesBack) {
  auto snapshot = replayed({txn("a", 5) + txn("b", 1), txn("a", 7), txn("a", 3)});
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->txn("a"), 3);
  EXPECT_EQ(snapshot->txn("b"), 1);
}

TEST(DeltaGolden, TheLatestMetadataAndProtocolCount) {
  auto snapshot =
      replayed({"", R"({"metaData":{"id":"t","format":{"provider":"parquet"},"schemaString":)"
                    R"("{\"type\":\"struct\",\"fields\":[{\"name\":\"x\",\"type\":\"date\",)"
                    R"(\"nullable\":true,\"metadata\":{}}]}","partitionColumns":["x"],)"
                    R"("configuration":{"k":"v"}}})"
                    "\n"
                    R"({"protocol":{"minReaderVersion":1,"minWriterVersion":5}})"});
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->schema().columns.at(0).type, "date");
  EXPECT_EQ(snapshot->metadata().configuration.at("k"), "v");
  EXPECT_EQ(snapshot->protocol().min_writer_version, 5);
}

TEST(DeltaGolden, LogsThatMayNotBeReadAreRefused) {
  const std::pair<std::string, Code> refused[] = {
      {R"({"protocol":{"minReaderVersion":2,"minWriterVersion":5}})", Code::invalid},
      {R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["x"]}})",
       Code::invalid},
      {add("/elsewhere/a"), Code::invalid},
      {add("s3://bucket/a"), Code::invalid},
      {add("a%"), Code::corrupt},
      {R"({"metaData":{"id":"t","schemaString":"{","partitionColumns":[]}})", Code::corrupt},
      {R"({"metaData":{"id":"t","schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"v\",)"
       R"(\"type\":\"variant\",\"nullable\":true,\"metadata\":{}}]}"}})",
       Code::invalid},
  };
  for (const auto& [line, code] : refused) {
    auto snapshot = replayed({"", line});
    ASSERT_FALSE(snapshot) << line;
    EXPECT_EQ(snapshot.error().code, code) << line << ": " << snapshot.error().message;
  }
}

TEST(DeltaGolden, ALogWithoutProtocolOrMetadataIsCorrupt) {
  for (auto text :
       {R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})", "",
        R"({"metaData":{"id":"t","schemaString":"{\"type\":\"struct\",\"fields\":[]}"}})"}) {
    auto actions = ActionDecoder().decode_commit(text);
    ASSERT_TRUE(actions);
    EXPECT_EQ(Snapshot().apply(std::move(*actions), 0).error().code, Code::corrupt) << text;
  }
}

// Partition values are texts of the log alone: the files have none of these columns, and folders
// mean nothing.
class DeltaGoldenTable : public testing::Test {
 protected:
  // A table of one data file, with one row whose id is 1, by a hand-written log.
  void make(const std::string& columns, const std::string& partition_columns,
            const std::string& values) {
    auto file = scratch_.path() / "store/t/file.parquet";
    std::filesystem::create_directories(scratch_.path() / "store/t/_delta_log");
    ASSERT_TRUE(lake_.duck().run("COPY (SELECT 1::BIGINT AS id) TO " + sql_text(file.string()) +
                                 " (FORMAT parquet)"));
    scratch_.file(
        "store/t/_delta_log/00000000000000000000.json",
        R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})"
        "\n"
        R"({"metaData":{"id":"t","format":{"provider":"parquet","options":{}},"schemaString":)"
        R"("{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,)"
        R"(\"metadata\":{}})" +
            columns + R"(]}","partitionColumns":[)" + partition_columns +
            R"(],"configuration":{}}})"
            "\n"
            R"({"add":{"path":"file.parquet","partitionValues":{)" +
            values + R"(},"size":1,"modificationTime":1,"dataChange":true}})" + "\n");
  }
  static std::string column(const std::string& name, const std::string& type) {
    return R"(,{\"name\":\")" + name + R"(\",\"type\":\")" + type +
           R"(\",\"nullable\":true,\"metadata\":{}})";
  }
  std::vector<std::string> rows() {
    auto table = DeltaTable::open(lake_.ports(), "t");
    EXPECT_TRUE(table) << table.error().message;
    return table ? lake_.rows_of(*table) : std::vector<std::string>();
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake lake_{scratch_.path()};
};

struct PartitionValue {
  const char* type;
  const char* text;   // as the log has it, in JSON
  const char* value;  // as DuckDB shows it
};
const PartitionValue kPartitionValues[] = {
    {"string", R"("a/b c=%3D:é\"\\")", R"(a/b c=%3D:é"\)"},
    {"string", R"("__HIVE_DEFAULT_PARTITION__")", "__HIVE_DEFAULT_PARTITION__"},
    {"string", R"("null")", "null"},
    {"string", R"("")", "NULL"},
    {"string", "null", "NULL"},
    {"long", R"("-9223372036854775808")", "-9223372036854775808"},
    {"integer", R"("2147483647")", "2147483647"},
    {"short", R"("-32768")", "-32768"},
    {"byte", R"("127")", "127"},
    {"byte", R"("")", "NULL"},
    {"double", R"("1.5E-3")", "0.0015"},
    {"float", R"("-0.25")", "-0.25"},
    {"boolean", R"("true")", "true"},
    {"boolean", "null", "NULL"},
    {"date", R"("1582-10-15")", "1582-10-15"},
    {"date", R"("")", "NULL"},
    {"timestamp", R"("2021-09-08 11:11:11")", "2021-09-08 11:11:11+00"},
    {"timestamp", R"("2021-09-08 11:11:11.000001")", "2021-09-08 11:11:11.000001+00"},
    {"timestamp", R"("2021-09-08T11:11:11.123456Z")", "2021-09-08 11:11:11.123456+00"},
    {"timestamp", R"("1970-01-01T00:00:00.000000Z")", "1970-01-01 00:00:00+00"},
    {"decimal(10,2)", R"("-12345678.90")", "-12345678.90"},
    {"decimal(38,10)", R"("1")", "1.0000000000"},
    {"binary", R"("A\u0001")", R"(A\x01)"},
};

TEST_F(DeltaGoldenTable, PartitionValuesOfEveryTypeAreReadAsTheProtocolWritesThem) {
  for (const auto& [type, text, value] : kPartitionValues) {
    make(column("p", type), R"("p")", std::string(R"("p":)") + text);
    EXPECT_EQ(rows(), std::vector<std::string>{std::string("1|") + value}) << type << ' ' << text;
  }
}

TEST_F(DeltaGoldenTable, APartitionValueThatIsNotThereIsNull) {
  make(column("p", "long") + column("q", "string"), R"("p","q")", R"("q":"x")");
  EXPECT_EQ(rows(), std::vector<std::string>{"1|NULL|x"});
}

TEST_F(DeltaGoldenTable, APartitionValueOfAnotherTypeIsRefusedWhenItIsRead) {
  make(column("p", "long"), R"("p")", R"("p":"many")");
  auto table = DeltaTable::open(lake_.ports(), "t");
  ASSERT_TRUE(table);
  auto scan = Scan::of(lake_.ports(), "t", table->snapshot());
  ASSERT_TRUE(scan);
  auto read = lake_.duck().query(scan->sql());
  EXPECT_FALSE(read && read->next());
}

TEST_F(DeltaGoldenTable, AColumnThatTheFileLacksIsNullAndOneThatItHasBesidesIsPassedOver) {
  make(column("later", "decimal(9,3)"), "", "");
  EXPECT_EQ(rows(), std::vector<std::string>{"1|NULL"});
}

}  // namespace
}  // namespace tillrace::lake
