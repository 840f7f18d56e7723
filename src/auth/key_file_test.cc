#include "auth/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/scratch_for_tests.h"

namespace tillrace::auth {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kSecond = 1'000'000;

StoredKey some_key(std::string id = "abcdefghij") {
  return {std::move(id),           "till \"7\"",    {Scope::ingest, Scope::read},
          sha256("secret"),        {100 * kSecond}, UtcMicros{200 * kSecond},
          UtcMicros{150 * kSecond}};
}

std::string key_with(std::string_view from, std::string_view to) {
  std::string text = encode_keys({some_key()});
  std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

Error refusal(std::string_view text) {
  auto keys = decode_keys(text);
  EXPECT_FALSE(keys) << text;
  return keys ? Error{Code::invalid, "taken"} : keys.error();
}

TEST(KeyFileTest, KeysAreReadAsTheyWereWritten) {
  StoredKey plain = some_key("aaaaaaaaaa");
  plain.expires_at.reset();
  plain.revoked_at.reset();
  std::vector<StoredKey> keys = {some_key(), plain};
  auto read = decode_keys(encode_keys(keys));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, keys);
  EXPECT_TRUE(decode_keys(encode_keys({}))->empty());
}

// The example of docs/formats/api-keys.md.
TEST(KeyFileTest, TheFormatIsFixed) {
  EXPECT_EQ(encode_keys({some_key()}),
            "{\"version\":1,\"keys\":[\n"
            R"({"id":"abcdefghij","name":"till \"7\"","scopes":["ingest","read"],)"
            R"("secret_sha256":"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",)"
            R"("created_at":100,"expires_at":200,"revoked_at":150})"
            "\n]}\n");
}

TEST(KeyFileTest, EveryTruncationIsCorrupt) {
  std::string text = encode_keys({some_key()});
  for (std::size_t length = 0; length < text.size() - 1; ++length)
    EXPECT_EQ(refusal(text.substr(0, length)).code, Code::corrupt) << length;
}

TEST(KeyFileTest, WhatIsNoKeyFileIsCorrupt) {
  for (const char* text :
       {"[]", "null", "{}", R"({"keys":[]})", R"({"version":"1","keys":[]})",
        R"({"version":1.0,"keys":[]})", R"({"version":0,"keys":[]})", R"({"version":-1,"keys":[]})",
        R"({"version":1})", R"({"version":1,"keys":{}})", R"({"version":1,"keys":[1]})",
        R"({"version":1,"keys":[{}]})", R"({"version":1,"version":1,"keys":[]})",
        R"({"version":1,"keys":[],"keys":[]})", R"({"version":1,"keys":[],"more":1})",
        R"({"version":1,"keys":[]} x)", "{\"version\":1,\"keys\":[\"\xff\"]}"})
    EXPECT_EQ(refusal(text).code, Code::corrupt) << text;
}

TEST(KeyFileTest, ABrokenKeyIsCorruptAndSaysWhich) {
  const std::vector<std::pair<const char*, const char*>> kBreaks = {
      {"\"abcdefghij\"", "\"abcdefghi\""},
      {"\"abcdefghij\"", "\"abcdefghi1\""},
      {"\"abcdefghij\"", "7"},
      {"\"id\"", "\"ID\""},
      {"till", ""},
      {"\"till \\\"7\\\"\"", "\"\""},
      {"till", "t\\u0007ll"},
      {"[\"ingest\",\"read\"]", "[]"},
      {"[\"ingest\",\"read\"]", "[\"root\"]"},
      {"[\"ingest\",\"read\"]", "[1]"},
      {"[\"ingest\",\"read\"]", "\"ingest\""},
      {"2bb80d", "2BB80D"},
      {"2bb80d", "2bb80"},
      {"2bb80d", "2bb80dd"},
      {"2bb80d", "zbb80d"},
      {":100,", ":null,"},
      {":100,", ":\"100\","},
      {":100,", ":-1,"},
      {":100,", ":253402300800,"},
      {":100,", ":1e3,"},
      {":200,", ":true,"},
      {":150}", ":\"\"}"},
      {":150}", ":150,\"revoked_at\":null}"},
      {":150}", ":150,\"note\":\"\"}"},
  };
  for (const auto& [from, to] : kBreaks) {
    if (std::string_view(from) == "till" && *to == '\0') continue;
    Error error = refusal(key_with(from, to));
    EXPECT_EQ(error.code, Code::corrupt) << to;
    EXPECT_THAT(error.message, HasSubstr("key 1: ")) << to;
  }
}

TEST(KeyFileTest, ATimeThatIsMissingIsNotTakenForNever) {
  EXPECT_EQ(decode_keys(key_with("\"expires_at\":200", "\"expires_at\":null"))->front().expires_at,
            std::nullopt);
  EXPECT_EQ(refusal(key_with("\"expires_at\":200,", "")).code, Code::corrupt);
  EXPECT_EQ(refusal(key_with(",\"revoked_at\":150", "")).code, Code::corrupt);
}

TEST(KeyFileTest, TheSameIdTwiceIsCorrupt) {
  Error error = refusal(encode_keys({some_key(), some_key()}));
  EXPECT_EQ(error.code, Code::corrupt);
  EXPECT_THAT(error.message, HasSubstr("key 2: its id is there twice"));
}

TEST(KeyFileTest, ANewerVersionIsNoDamage) {
  for (const char* text : {R"({"version":2,"keys":"elsewhere"})", R"({"version":2})"}) {
    Error error = refusal(text);
    EXPECT_EQ(error.code, Code::invalid);
    EXPECT_THAT(error.message, HasSubstr("newer tillrace"));
  }
}

TEST(KeyFileTest, TheNumberOfKeysIsLimited) {
  std::vector<StoredKey> keys(kMostKeys, some_key());
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (std::size_t digit = 0, rest = i; digit < 4; ++digit, rest /= 26)
      keys[i].id[digit] = static_cast<char>('a' + rest % 26);
  std::string text = encode_keys(keys);
  EXPECT_LT(text.size(), kMostKeyFileBytes);
  auto read = decode_keys(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->size(), kMostKeys);
  keys.push_back(some_key("zzzzzzzzzz"));
  EXPECT_EQ(refusal(encode_keys(keys)).code, Code::corrupt);
}

TEST(KeyFileTest, ReadingAFileThatIsNotThereGivesNoKeys) {
  ScratchFolder folder;
  auto keys = read_key_file(folder.path() / "keys.json");
  ASSERT_TRUE(keys);
  EXPECT_TRUE(keys->empty());
}

TEST(KeyFileTest, AFileThatOthersMayReadOrWriteIsRefused) {
  ScratchFolder folder;
  for (unsigned mode : {0644U, 0640U, 0660U, 0602U, 0620U, 0777U}) {
    auto path = folder.file("keys.json", encode_keys({some_key()}), mode);
    auto keys = read_key_file(path);
    ASSERT_FALSE(keys) << mode;
    EXPECT_EQ(keys.error().code, Code::invalid);
    EXPECT_THAT(keys.error().message, HasSubstr("chmod 600"));
  }
  for (unsigned mode : {0600U, 0400U})
    EXPECT_TRUE(read_key_file(folder.file("keys.json", encode_keys({some_key()}), mode)));
}

TEST(KeyFileTest, WhatIsNoFileIsRefusedWithoutWaiting) {
  ScratchFolder folder;
  EXPECT_EQ(read_key_file(folder.path()).error().code, Code::corrupt);
  auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(read_key_file(pipe).error().code, Code::corrupt);
}

TEST(KeyFileTest, AFileBeyondTheLimitIsNotRead) {
  ScratchFolder folder;
  auto path = folder.file("keys.json", "");
  std::filesystem::resize_file(path, kMostKeyFileBytes + 1);
  auto keys = read_key_file(path);
  ASSERT_FALSE(keys);
  EXPECT_THAT(keys.error().message, HasSubstr("larger than"));
}

}  // namespace
}  // namespace tillrace::auth
