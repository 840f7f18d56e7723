#include "lake/delta_decoder.h"

#include <gmock/gmock.h>

namespace tillrace::lake {
namespace {

using testing::HasSubstr;

template <class T>
T decoded(std::string_view line) {
  auto action = ActionDecoder().decode(line);
  EXPECT_TRUE(action) << action.error().message;
  EXPECT_TRUE(action && *action && std::holds_alternative<T>(**action)) << line;
  return action && *action ? std::get<T>(**action) : T{};
}

Error error_of(std::string_view line) {
  auto action = ActionDecoder().decode(line);
  EXPECT_FALSE(action) << line;
  return action ? Error{} : action.error();
}

TEST(DeltaDecoder, ReadsTheExamplesOfTheProtocol) {
  auto add = decoded<AddFile>(
      R"({"add":{"path":"date=2017-12-10/part-000...c000.gz.parquet",)"
      R"("partitionValues":{"date":"2017-12-10"},"size":841454,"modificationTime":1512909768000,)"
      R"("dataChange":true,"baseRowId":4071,"defaultRowCommitVersion":41,)"
      R"("stats":"{\"numRecords\":1,\"minValues\":{\"val..."}})");
  EXPECT_EQ(add.path, "date=2017-12-10/part-000...c000.gz.parquet");
  EXPECT_EQ(add.partition_values.at("date"), "2017-12-10");
  EXPECT_EQ(add.size, 841454);
  EXPECT_EQ(add.stats, R"({"numRecords":1,"minValues":{"val...)");

  auto remove = decoded<RemoveFile>(
      R"({"remove":{"path":"part-00001-9.snappy.parquet","deletionTimestamp":1515488792485,)"
      R"("baseRowId":4071,"defaultRowCommitVersion":41,"dataChange":true}})");
  EXPECT_EQ(remove.deletion_timestamp_ms, 1515488792485);
  EXPECT_EQ(remove.size, std::nullopt);

  auto txn =
      decoded<Txn>(R"({"txn":{"appId":"3ba13872-2d47-4e17-86a0-21afd2a22395","version":364475}})");
  EXPECT_EQ(txn.version, 364475);

  auto info = decoded<CommitInfo>(
      R"({"commitInfo":{"timestamp":1515491537026,"userId":"100121","operation":"INSERT",)"
      R"("operationParameters":{"mode":"Append","partitionBy":"[]","n":3,"list":[1]},)"
      R"("notebook":{"notebookId":"4443029"},"clusterId":"1027-202406-pooh991"}})");
  EXPECT_EQ(info.operation, "INSERT");
  EXPECT_EQ(info.operation_parameters.at("mode"), "Append");
  EXPECT_EQ(info.operation_parameters.at("list"), "[1]");
}

TEST(DeltaDecoder, ReadsMetadataWithEverythingInIt) {
  auto metadata = decoded<Metadata>(
      R"({"metaData":{"createdTime":7,"configuration":{"delta.appendOnly":"true"},)"
      R"("partitionColumns":["a","b"],"schemaString":"{}","format":{"provider":"parquet",)"
      R"("options":{}},"description":null,"name":"n","id":"x","unheard":[{}]}})");
  EXPECT_EQ(metadata.id, "x");
  EXPECT_EQ(metadata.name, "n");
  EXPECT_EQ(metadata.partition_columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(metadata.configuration.at("delta.appendOnly"), "true");
  EXPECT_EQ(metadata.created_time_ms, 7);
}

TEST(DeltaDecoder, WhatIsWrittenIsReadBack) {
  const Action actions[] = {
      CommitInfo{1, "WRITE", {{"mode", "\"Append\"\n"}}, "e", "id", 3, true},
      Protocol{},
      Protocol{3, 7, {"vacuumProtocolCheck"}, {"appendOnly", "vacuumProtocolCheck"}},
      Metadata{"id", "n", "d", "{\"a\":1}", {"p"}, {{"k", "v"}}, 5},
      Txn{"app", 9, 10},
      Txn{"app", -9, {}},
      AddFile{"a%20b", {{"p", "1"}, {"q", std::nullopt}}, 1, 2, false, "{}", {{"t", "u"}}},
      RemoveFile{"x", 5, true, {{"p", std::nullopt}}, 7},
      RemoveFile{"x", 5, false, {}, {}},
  };
  for (const auto& action : actions) {
    auto read = ActionDecoder().decode(to_json(action));
    ASSERT_TRUE(read && *read) << to_json(action);
    EXPECT_EQ(**read, action) << to_json(action);
  }
}

TEST(DeltaDecoder, PassesOverWhatAReaderNeedNotKnow) {
  for (auto line : {R"({"cdc":{"path":"x"}})", R"({"domainMetadata":{"domain":"d"}})",
                    R"({"checkpointMetadata":{"version":1}})", R"({"brand_new":7})", "{}",
                    R"({"add":null,"remove":null})"}) {
    auto action = ActionDecoder().decode(line);
    ASSERT_TRUE(action) << action.error().message;
    EXPECT_FALSE(*action) << line;
  }
}

TEST(DeltaDecoder, AnEmptyPartitionValueIsANull) {
  auto add = decoded<AddFile>(R"({"add":{"path":"x","partitionValues":{"p":"","q":null},"size":1,)"
                              R"("modificationTime":1,"dataChange":true}})");
  EXPECT_EQ(add.partition_values.at("p"), std::nullopt);
  EXPECT_EQ(add.partition_values.at("q"), std::nullopt);
}

TEST(DeltaDecoder, RefusesLinesThatAreCorrupt) {
  for (auto line :
       {"", "7", "[]", "{", "{\"add\":", "{\"add\":7}", "{\"add\":{}}", "{\"txn\":{\"appId\":1}}",
        "{\"txn\":{\"appId\":\"a\",\"version\":1.5}}", "{\"txn\":{\"appId\":\"a\"}}",
        "{\"protocol\":{\"minReaderVersion\":-1,\"minWriterVersion\":2}}",
        "{\"protocol\":{\"minReaderVersion\":1}}", "{\"metaData\":{\"id\":\"x\"}}",
        "{\"remove\":{\"path\":\"x\"}}",
        "{\"add\":{\"path\":\"x\",\"size\":1,\"modificationTime\":1,\"dataChange\":true}}",
        "{\"add\":{\"path\":\"x\",\"partitionValues\":{\"p\":1},\"size\":1,\"modificationTime\":1,"
        "\"dataChange\":true}}"}) {
    EXPECT_EQ(error_of(line).code, Code::corrupt) << line;
  }
}

TEST(DeltaDecoder, NamesTheFieldThatIsMissing) {
  EXPECT_THAT(error_of(R"({"txn":{"appId":"a"}})").message, HasSubstr("txn.version"));
}

TEST(DeltaDecoder, RefusesDeletionVectorsAndOtherFormatsAsBeyondIt) {
  EXPECT_EQ(error_of(R"({"add":{"path":"x","partitionValues":{},"size":1,"modificationTime":1,)"
                     R"("dataChange":true,"deletionVector":{"storageType":"u"}}})")
                .code,
            Code::invalid);
  EXPECT_EQ(
      error_of(R"({"metaData":{"id":"x","format":{"provider":"orc"},"schemaString":"{}"}})").code,
      Code::invalid);
}

TEST(DeltaDecoder, ReadsACommitAndNamesTheLineThatIsWrong) {
  ActionDecoder decoder;
  auto commit = decoder.decode_commit(
      "{\"txn\":{\"appId\":\"a\",\"version\":1}}\r\n\n"
      "{\"cdc\":{}}\n{\"txn\":{\"appId\":\"b\",\"version\":2}}");
  ASSERT_TRUE(commit);
  EXPECT_EQ(commit->size(), 2U);
  auto broken = decoder.decode_commit("{}\n{\"txn\":\n");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("line 2"));
}

TEST(DeltaDecoder, ReadsThePointerToTheLastCheckpoint) {
  ActionDecoder decoder;
  EXPECT_EQ(decoder.decode_last_checkpoint(R"({"version":20,"size":7,"parts":3})")->version, 20);
  for (auto text : {"", "7", "{}", "{\"version\":-1}", "{\"version\":\"1\"}", "{\"version\":20"}) {
    EXPECT_EQ(decoder.decode_last_checkpoint(text).error().code, Code::corrupt) << text;
  }
}

TEST(DeltaProtocol, TablesBeyondTheProfileAreRefusedByName) {
  EXPECT_TRUE(check_readable({1, 2, {}, {}}));
  EXPECT_TRUE(check_readable({1, 7, {}, {"rowTracking"}}));
  EXPECT_TRUE(check_readable({3, 7, {"vacuumProtocolCheck"}, {}}));
  EXPECT_THAT(check_readable({2, 5, {}, {}}).error().message, HasSubstr("column mapping"));
  EXPECT_THAT(check_readable({3, 7, {"deletionVectors"}, {}}).error().message,
              HasSubstr("deletionVectors"));
  EXPECT_FALSE(check_readable({4, 7, {}, {}}));
  EXPECT_TRUE(check_writable({1, 2, {}, {}}));
  EXPECT_TRUE(check_writable({1, 7, {}, {"appendOnly", "invariants"}}));
  EXPECT_FALSE(check_writable({1, 3, {}, {}}));
  EXPECT_THAT(check_writable({1, 7, {}, {"rowTracking"}}).error().message,
              HasSubstr("rowTracking"));
  EXPECT_FALSE(check_writable({2, 2, {}, {}}));
}

}  // namespace
}  // namespace tillrace::lake
