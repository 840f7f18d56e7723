// Checkpoints as other writers may make them: columns and fields more or fewer than ours.
#include "lake/delta_checkpoint_reader.h"

#include <gmock/gmock.h>

#include "base/thread.h"
#include "lake/delta_for_tests.h"

namespace tillrace::lake {
namespace {

using testing::HasSubstr;

constexpr const char* kProtocol =
    "SELECT {'minReaderVersion': 1, 'minWriterVersion': 2} AS protocol";
constexpr const char* kMetadata =
    "SELECT {'id': 'm', 'format': {'provider': 'parquet'}, 'schemaString': '{\"type\":\"struct\","
    "\"fields\":[]}', 'partitionColumns': ['p']::VARCHAR[], 'configuration': MAP {'k': 'v'}}"
    " AS metaData";

class CheckpointReader : public testing::Test {
 protected:
  // A checkpoint with the rows of these queries, a column each.
  std::string make(const std::vector<std::string>& rows) {
    std::string all;
    for (const auto& row : rows) all += (all.empty() ? "" : " UNION ALL BY NAME ") + row;
    std::string name = fmt::format("{}.parquet", ++made_);
    auto copied =
        lake_.duck().run(fmt::format("COPY ({}) TO {} (FORMAT parquet)", all,
                                     sql_text((scratch_.path() / "store" / name).string())));
    EXPECT_TRUE(copied) << copied.error().message;
    return name;
  }
  Result<std::vector<Action>> read(const std::vector<std::string>& rows) {
    return read_checkpoint(lake_.ports(), {make(rows)});
  }
  void expect_refused(const std::vector<std::string>& rows, Code code, const std::string& why) {
    auto actions = read(rows);
    ASSERT_FALSE(actions) << rows.back();
    EXPECT_EQ(actions.error().code, code) << actions.error().message;
    EXPECT_THAT(actions.error().message, HasSubstr(why));
  }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  Lake lake_{scratch_.path()};
  int made_ = 0;
};

TEST_F(CheckpointReader, FieldsThatAreOptionalMayBeMissing) {
  auto actions = read({kProtocol, kMetadata,
                       "SELECT {'path': 'a', 'partitionValues': MAP {'p': '1'}, 'size': 5::BIGINT,"
                       " 'modificationTime': 7::BIGINT, 'dataChange': false} AS \"add\"",
                       "SELECT {'path': 'b', 'dataChange': true} AS remove"});
  ASSERT_TRUE(actions) << actions.error().message;
  ASSERT_EQ(actions->size(), 4U);
  EXPECT_EQ(std::get<AddFile>((*actions)[2]), (AddFile{.path = "a",
                                                       .partition_values = {{"p", "1"}},
                                                       .size = 5,
                                                       .modification_time_ms = 7,
                                                       .data_change = false,
                                                       .stats = {},
                                                       .tags = {}}));
  EXPECT_EQ(std::get<RemoveFile>((*actions)[3]), (RemoveFile{.path = "b",
                                                             .deletion_timestamp_ms = 0,
                                                             .data_change = true,
                                                             .partition_values = {},
                                                             .size = {}}));
}

TEST_F(CheckpointReader, ColumnsAndFieldsThatAreUnknownArePassedOver) {
  auto actions = read(
      {kProtocol, kMetadata, "SELECT {'appId': 'x', 'version': 3::BIGINT, 'later': 1} AS txn",
       "SELECT {'path': 'a', 'partitionValues': MAP {'p': NULL::VARCHAR}, 'size': 5::BIGINT,"
       " 'modificationTime': 7::BIGINT, 'dataChange': false, 'stats': '{}',"
       " 'stats_parsed': {'numRecords': 1}, 'partitionValues_parsed': {'p': 2}, 'baseRowId': 4,"
       " 'deletionVector': NULL::STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR),"
       " 'tags': MAP {'t': 'u'}} AS \"add\"",
       "SELECT {'path': 'b', 'dataChange': false, 'deletionTimestamp': 9::BIGINT,"
       " 'size': 6::BIGINT, 'extendedFileMetadata': true, 'partitionValues': MAP {'p': ''}, "
       "'stats': 's'} AS remove",
       "SELECT {'domain': 'd', 'configuration': ''} AS domainMetadata", "SELECT 1 AS later"});
  ASSERT_TRUE(actions) << actions.error().message;
  ASSERT_EQ(actions->size(), 5U);
  EXPECT_EQ(std::get<Txn>((*actions)[2]).version, 3);
  const auto& add = std::get<AddFile>((*actions)[3]);
  EXPECT_EQ(add.partition_values, (PartitionValues{{"p", std::nullopt}}));
  EXPECT_EQ(add.stats, "{}");
  EXPECT_EQ(add.tags, (Properties{{"t", "u"}}));
  const auto& remove = std::get<RemoveFile>((*actions)[4]);
  EXPECT_EQ(remove.partition_values, (PartitionValues{{"p", std::nullopt}}));
  EXPECT_EQ(remove.deletion_timestamp_ms, 9);
  EXPECT_EQ(remove.size, 6);
}

TEST_F(CheckpointReader, TextsMayBeBinariesWithoutAName) {
  auto actions = read({kProtocol, kMetadata,
                       "SELECT {'path': 'a'::BLOB, 'partitionValues': MAP {'p'::BLOB: '1'::BLOB},"
                       " 'size': 5::BIGINT, 'modificationTime': 7::BIGINT, 'dataChange': false,"
                       " 'stats': '{\"numRecords\":1}'::BLOB} AS \"add\""});
  ASSERT_TRUE(actions) << actions.error().message;
  const auto& add = std::get<AddFile>((*actions)[2]);
  EXPECT_EQ(add.path, "a");
  EXPECT_EQ(add.partition_values, (PartitionValues{{"p", "1"}}));
  EXPECT_EQ(add.stats, "{\"numRecords\":1}");
}

TEST_F(CheckpointReader, ACheckpointWithoutFilesHasTheRest) {
  auto actions = read({kProtocol, kMetadata});
  ASSERT_TRUE(actions) << actions.error().message;
  EXPECT_EQ(actions->size(), 2U);
}

TEST_F(CheckpointReader, PartsMayHaveDifferentColumns) {
  auto first = make({kProtocol, kMetadata});
  auto second = make({"SELECT {'path': 'b', 'dataChange': true} AS remove"});
  auto actions = read_checkpoint(lake_.ports(), {first, second});
  ASSERT_TRUE(actions) << actions.error().message;
  EXPECT_EQ(actions->size(), 3U);
}

TEST_F(CheckpointReader, WhatTheProtocolRequiresMayNotBeMissing) {
  const std::pair<std::string, const char*> refused[] = {
      {"SELECT {'dataChange': true} AS remove", "remove.path is missing"},
      {"SELECT {'path': 'a'} AS remove", "remove.dataChange is missing"},
      {"SELECT {'path': 'a', 'partitionValues': MAP {'p': '1'}, 'modificationTime': 7::BIGINT,"
       " 'dataChange': false} AS \"add\"",
       "add.size is missing"},
      {"SELECT {'path': 'a', 'size': 5::BIGINT, 'modificationTime': 7::BIGINT,"
       " 'dataChange': false} AS \"add\"",
       "add.partitionValues is missing"},
      {"SELECT {'appId': 'x'} AS txn", "txn.version is missing"},
  };
  for (const auto& [row, why] : refused) {
    expect_refused({kProtocol, kMetadata, row}, Code::corrupt, why);
  }
}

TEST_F(CheckpointReader, ValuesOfAnotherTypeAreCorrupt) {
  expect_refused({kProtocol, kMetadata, "SELECT {'path': 'a', 'dataChange': 'perhaps'} AS remove"},
                 Code::corrupt, "cannot be read");
  expect_refused({kProtocol, kMetadata, "SELECT 5 AS \"add\""}, Code::corrupt, "cannot be read");
}

TEST_F(CheckpointReader, DeletionVectorsAreRefused) {
  expect_refused({kProtocol, kMetadata,
                  "SELECT {'path': 'a', 'partitionValues': MAP {'p': '1'}, 'size': 5::BIGINT,"
                  " 'modificationTime': 7::BIGINT, 'dataChange': false, 'deletionVector':"
                  " {'storageType': 'u', 'pathOrInlineDv': 'x', 'sizeInBytes': 3}} AS \"add\""},
                 Code::invalid, "deletion vectors");
}

TEST_F(CheckpointReader, WhatTheEngineLacksIsNoFaultOfTheFile) {
  auto large = make(
      {kProtocol, kMetadata,
       "SELECT {'path': 'a' || range, 'partitionValues': MAP {'p': '1'}, 'size': 5::BIGINT,"
       " 'modificationTime': 7::BIGINT, 'dataChange': false, 'stats': repeat(md5(range::VARCHAR),"
       " 10)} AS \"add\" FROM range(100000)"});
  {
    auto interrupting = named_thread("interrupting", [&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        lake_.clock().sleep_for(std::chrono::milliseconds(3));
        lake_.duck().interrupt();
      }
    });
    EXPECT_EQ(read_checkpoint(lake_.ports(), {large}).error().code, Code::unavailable);
  }
  EXPECT_TRUE(read_checkpoint(lake_.ports(), {large}));
  ASSERT_TRUE(lake_.duck().run("SET memory_limit = '1MB'"));
  EXPECT_EQ(read_checkpoint(lake_.ports(), {large}).error().code, Code::exhausted);
}

TEST_F(CheckpointReader, WhatIsNoParquetIsCorruptAndWhatIsNotThereIsTold) {
  scratch_.file("store/broken.parquet", "PAR1 no PAR1");
  auto actions = read_checkpoint(lake_.ports(), {"broken.parquet"});
  ASSERT_FALSE(actions);
  EXPECT_EQ(actions.error().code, Code::corrupt);
  EXPECT_THAT(actions.error().message, HasSubstr("broken.parquet"));
}

}  // namespace
}  // namespace tillrace::lake
