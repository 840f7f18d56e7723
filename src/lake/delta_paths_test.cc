#include "lake/delta_paths.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "lake/store_path.h"

namespace tillrace::lake {
namespace {

TEST(DeltaPaths, LogFilesHaveTwentyDigits) {
  EXPECT_EQ(commit_path(7), "_delta_log/00000000000000000007.json");
  EXPECT_EQ(checkpoint_path(10), "_delta_log/00000000000000000010.checkpoint.parquet");
}

TEST(DeltaPaths, KnowsTheFilesOfTheLog) {
  using Kind = LogFile::Kind;
  EXPECT_EQ(parse_log_name("00000000000000000007.json"), (LogFile{Kind::commit, 7}));
  EXPECT_EQ(parse_log_name("00000000000000000010.checkpoint.parquet"),
            (LogFile{Kind::checkpoint, 10}));
  EXPECT_EQ(parse_log_name("00000000000000000010.checkpoint.0000000002.0000000003.parquet"),
            (LogFile{Kind::checkpoint, 10, 2, 3}));
}

TEST(DeltaPaths, PassesOverWhatIsNoFileOfTheLog) {
  for (auto name :
       {"", "_last_checkpoint", "7.json", "00000000000000000007.json.tmp",
        "0000000000000000000x.json", "-0000000000000000007.json", "00000000000000000007.crc",
        "00000000000000000010.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet",
        "00000000000000000010.checkpoint.0000000004.0000000003.parquet",
        "00000000000000000010.checkpoint.0000000000.0000000003.parquet",
        "00000000000000000004.00000000000000000006.compacted.json",
        ".00000000000000000007.json.swp", "99999999999999999999.json"}) {
    EXPECT_EQ(parse_log_name(name), std::nullopt) << name;
  }
}

TEST(DeltaPaths, PathsAreEncodedAsUris) {
  EXPECT_EQ(encode_file_path("p=a b%3A/x#?.parquet"), "p=a%20b%253A/x%23%3F.parquet");
  EXPECT_EQ(decode_file_path("p=a%20b%253A/x%23%3f.parquet").value(), "p=a b%3A/x#?.parquet");
  EXPECT_EQ(decode_file_path("K\xC3\xB6ln").value(), "K\xC3\xB6ln");
}

TEST(DeltaPaths, EveryPathOfAStoreIsReadBack) {
  EXPECT_TRUE(rc::check([](const std::vector<std::string>& parts) {
    std::string path = "x";
    for (const auto& part : parts) path += "/y" + part;
    RC_PRE(path.find("//") == std::string::npos && !path.ends_with('/'));
    for (auto bad : {"/./", "/../"}) RC_PRE((path + '/').find(bad) == std::string::npos);
    RC_ASSERT(decode_file_path(encode_file_path(path)).value() == path);
  }));
}

TEST(DeltaPaths, RefusesFilesOutsideTheTable) {
  for (auto path : {"/x", "file:/x", "s3a://bucket/x", "abfss://c@a/x", "../x", "a/../x", "a//x",
                    "%2E%2E/x", "", "a/", "."}) {
    EXPECT_EQ(decode_file_path(path).error().code, Code::invalid) << path;
  }
  for (auto path : {"a%", "a%2", "a%zz", "%"}) {
    EXPECT_EQ(decode_file_path(path).error().code, Code::corrupt) << path;
  }
  EXPECT_TRUE(decode_file_path("a/b:c"));  // no scheme: the colon comes after a '/'
}

TEST(DeltaPaths, PartitionFoldersAreEscapedAsHiveDoes) {
  EXPECT_EQ(partition_folder({}, {}), "");
  EXPECT_EQ(partition_folder({"d", "c"}, {{"c", "a/b:c=%"}, {"d", "2026-01-01"}}),
            "d=2026-01-01/c=a%2Fb%3Ac%3D%25/");
  EXPECT_EQ(partition_folder({"c"}, {{"c", std::nullopt}}), "c=__HIVE_DEFAULT_PARTITION__/");
  EXPECT_EQ(partition_folder({"c"}, {{"c", "end."}}), "c=end%2E/");
}

TEST(DeltaPaths, APartitionFolderIsAlwaysAPathOfAStore) {
  EXPECT_TRUE(rc::check([](const std::string& value) {
    std::string folder = partition_folder({"c"}, {{"c", value}});
    RC_ASSERT(folder.empty() || folder.substr(0, folder.size() - 1).find('/') == std::string::npos);
    RC_ASSERT(folder.size() <= 255);
  }));
}

}  // namespace
}  // namespace tillrace::lake
