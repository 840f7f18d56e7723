#include "lake/uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/matchers_for_tests.h"
#include "lake/store_path.h"

namespace tillrace::lake {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(AzureRoot, NamesContainerAccountAndPath) {
  auto root = parse_azure_root("abfss://lake@shop1.dfs.core.windows.net/tillrace/prod");
  ASSERT_THAT(root, Succeeds());
  EXPECT_EQ(root->container, "lake");
  EXPECT_EQ(root->account, "shop1");
  EXPECT_EQ(root->suffix, "core.windows.net");
  EXPECT_EQ(root->path, "tillrace/prod");
  EXPECT_EQ(blob_endpoint(*root).text(), "https://shop1.blob.core.windows.net");
  EXPECT_TRUE(blob_endpoint(*root).is_tls);
}

TEST(AzureRoot, APathMayBeMissingOrEndWithASlash) {
  EXPECT_EQ(parse_azure_root("abfss://lake@shop1.dfs.core.windows.net")->path, "");
  EXPECT_EQ(parse_azure_root("abfss://lake@shop1.dfs.core.windows.net/")->path, "");
  EXPECT_EQ(parse_azure_root("abfss://lake@shop1.dfs.core.windows.net/a b/")->path, "a b");
  EXPECT_EQ(parse_azure_root("abfss://lake@shop1.dfs.core.chinacloudapi.cn/a")->suffix,
            "core.chinacloudapi.cn");
}

TEST(AzureRoot, AnythingElseIsInvalidAndSaysWhatWouldBeRight) {
  for (std::string uri : {"",
                          "abfss://",
                          "abfs://lake@shop1.dfs.core.windows.net/a",
                          "https://shop1.blob.core.windows.net/lake",
                          "abfss://shop1.dfs.core.windows.net/lake",
                          "abfss://lake@shop1.blob.core.windows.net/a",
                          "abfss://@shop1.dfs.core.windows.net/a",
                          "abfss://lake@.dfs.core.windows.net/a",
                          "abfss://la@shop1.dfs.core.windows.net/a",
                          "abfss://Lake@shop1.dfs.core.windows.net/a",
                          "abfss://-lake@shop1.dfs.core.windows.net/a",
                          "abfss://la--ke@shop1.dfs.core.windows.net/a",
                          "abfss://lake@Shop.dfs.core.windows.net/a",
                          "abfss://lake@sh.op1.dfs.core.windows.net/a",
                          "abfss://lake@shop1.dfs./a",
                          "abfss://lake@shop1.dfs.core.windows.net:443/a",
                          "abfss://lake@shop1.dfs..net/a",
                          "abfss://lake@shop1.dfs.core.windows.net//a",
                          "abfss://lake@shop1.dfs.core.windows.net/a//",
                          "abfss://lake@shop1.dfs.core.windows.net/../a",
                          "abfss://lake@shop1.dfs.core.windows.net/.",
                          "abfss://lake@shop1.dfs.core.windows.net/a%20b",
                          "abfss://lake@shop1.dfs.core.windows.net/a?b",
                          "abfss://lake@shop1.dfs.core.windows.net/a#b",
                          "abfss://lake@shop1.dfs.core.windows.net/a\nb"}) {
    auto root = parse_azure_root(uri);
    ASSERT_THAT(root, FailsWith(Code::invalid)) << uri;
    EXPECT_THAT(root.error().message, HasSubstr("abfss://CONTAINER@ACCOUNT")) << uri;
    EXPECT_THAT(root.error().message, Not(HasSubstr("\n"))) << uri;
  }
}

TEST(AzureRoot, AHostLongerThanNamesMayBeIsInvalid) {
  std::string suffix = std::string(239, 'x');  // with "shop1.blob." 250 bytes
  EXPECT_THAT(parse_azure_root("abfss://lake@shop1.dfs." + suffix + "/a"), Succeeds());
  EXPECT_THAT(parse_azure_root("abfss://lake@shop1.dfs." + suffix + "xxxx/a"),
              FailsWith(Code::invalid));
}

TEST(AzureRoot, IsToldFromAFolder) {
  EXPECT_TRUE(is_azure_root("abfss://lake@shop1.dfs.core.windows.net"));
  EXPECT_TRUE(is_azure_root("s3://elsewhere"));
  EXPECT_FALSE(is_azure_root("tillrace-data/lake"));
  EXPECT_FALSE(is_azure_root("/srv/lake"));
}

TEST(Endpoint, NamesHostPortAndPath) {
  auto azurite = parse_endpoint("http://127.0.0.1:10000/devstoreaccount1/");
  ASSERT_THAT(azurite, Succeeds());
  EXPECT_EQ(azurite->origin, "http://127.0.0.1:10000");
  EXPECT_EQ(azurite->path, "/devstoreaccount1");
  EXPECT_TRUE(azurite->is_here);
  EXPECT_FALSE(azurite->is_tls);
  EXPECT_EQ(parse_endpoint("https://shop1.blob.core.windows.net")->path, "");
  EXPECT_FALSE(parse_endpoint("https://shop1.blob.core.windows.net")->is_here);
  EXPECT_TRUE(parse_endpoint("http://[::1]:80/a/b")->is_here);
  EXPECT_TRUE(parse_endpoint("http://localhost:80")->is_here);
  EXPECT_FALSE(parse_endpoint("http://localhost.example.com")->is_here);
}

TEST(Endpoint, AnythingElseIsInvalidAndNoPasswordIsShown) {
  for (std::string url :
       {"", "http://", "https:///a", "ftp://a", "127.0.0.1:10000", "http://a:0", "http://a:65536",
        "http://a:b", "http://a b", "http://a/b?c", "http://a/b#c", "http://a/%20", "http://[::1",
        "http://[]", "http://a/../b", "http://a//b", "http://user:secret@a/b"}) {
    auto endpoint = parse_endpoint(url);
    ASSERT_THAT(endpoint, FailsWith(Code::invalid)) << url;
    EXPECT_THAT(endpoint.error().message, Not(HasSubstr("secret")));
  }
}

TEST(EncodePath, KeepsSlashesAndEncodesTheRest) {
  EXPECT_EQ(encode_path("a b/c%d/e+f?g#h"), "a%20b/c%25d/e%2Bf%3Fg%23h");
  EXPECT_EQ(encode_path("ü"), "%C3%BC");
  EXPECT_EQ(encode_path("/a/"), "/a/");
  EXPECT_EQ(encode_path(""), "");
}

TEST(StorePath, FolderAndJoin) {
  EXPECT_EQ(folder_of("a/b/c"), "a/b");
  EXPECT_EQ(folder_of("a"), "");
  EXPECT_EQ(join_paths("", "a"), "a");
  EXPECT_EQ(join_paths("a/b", "c"), "a/b/c");
  EXPECT_EQ(join_paths("a", ""), "a");
}

TEST(StorePath, LimitsAreKept) {
  EXPECT_THAT(check_path(std::string(254, 'x')), Succeeds());
  EXPECT_THAT(check_path(std::string(255, 'x')), FailsWith(Code::invalid));
  std::string four = "a/" + std::string(254, 'x') + "/" + std::string(254, 'x') + "/" +
                     std::string(254, 'x') + "/";
  EXPECT_THAT(check_path(four + std::string(1024 - four.size(), 'y')),
              FailsWith(Code::invalid));  // 257 in its last part
  four += std::string(200, 'y') + "/";
  EXPECT_THAT(check_path(four + std::string(1024 - four.size(), 'y')), Succeeds());
  EXPECT_THAT(check_path(four + std::string(1025 - four.size(), 'y')), FailsWith(Code::invalid));
}

}  // namespace
}  // namespace tillrace::lake
