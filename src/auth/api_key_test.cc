#include "auth/api_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "auth/scope.h"

namespace tillrace::auth {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string some_key() {
  SeededRandom random(1);
  return to_text(make_api_key(random));
}

std::string refusal(std::string_view text) {
  auto parsed = parse_api_key(text);
  if (parsed) return "taken";
  EXPECT_EQ(parsed.error().code, Code::invalid);
  return parsed.error().message;
}

TEST(ApiKeyTest, TextAndBack) {
  SeededRandom random(1);
  for (int i = 0; i < 1'000; ++i) {
    ApiKey key = make_api_key(random);
    std::string text = to_text(key);
    ASSERT_EQ(text.size(), kKeyCharacters);
    auto parsed = parse_api_key(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->id, key.id);
    EXPECT_EQ(parsed->secret, key.secret);
    EXPECT_TRUE(is_key_id(key.id));
  }
}

// The example of docs/formats/api-keys.md; a change here breaks every key that is out there.
TEST(ApiKeyTest, TheFormatIsFixed) {
  EXPECT_EQ(to_text({"abcdefghij", std::string(52, '2')}),
            "tr_abcdefghij_2222222222222222222222222222222222222222222222222222gometz");
  EXPECT_EQ(to_hex(hash_of_secret(std::string(52, '2'))),
            "6d2ca4d340e0cde7690411eb80216cb36ce74c5ba8217483a91a254174db81e5");
}

TEST(ApiKeyTest, EveryBitOfTheRandomBytesIsInTheSecret) {
  class OneBit final : public Random {
   public:
    explicit OneBit(std::size_t bit) : bit_(bit) {}
    void fill(std::span<std::uint8_t> bytes) override {
      for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::uint8_t>(bit_ / 8 == i ? 1U << bit_ % 8 : 0U);
    }

   private:
    std::size_t bit_;
  };
  std::set<std::string> secrets;
  for (std::size_t bit = 0; bit < 256; ++bit) {
    OneBit random(bit);
    secrets.insert(make_api_key(random).secret);
  }
  EXPECT_EQ(secrets.size(), 256U);
}

TEST(ApiKeyTest, KeysOfTheSystemsRandomnessDiffer) {
  SystemRandom random;
  std::set<std::string> secrets;
  for (int i = 0; i < 1'000; ++i) secrets.insert(make_api_key(random).secret);
  EXPECT_EQ(secrets.size(), 1'000U);
}

TEST(ApiKeyTest, EveryTruncationIsToldFromAWrongKey) {
  std::string key = some_key();
  for (std::size_t length = kKeyPrefix.size(); length < key.size(); ++length)
    EXPECT_THAT(refusal(key.substr(0, length)), HasSubstr("cut off")) << length;
  EXPECT_THAT(refusal(key + "a"), HasSubstr("too long"));
  EXPECT_THAT(refusal(key + key), HasSubstr("too long"));
}

TEST(ApiKeyTest, EverySlipOfOneCharacterIsFound) {
  std::string key = some_key();
  for (std::size_t at = kKeyPrefix.size(); at < key.size(); ++at) {
    std::string slip = key;
    slip[at] = slip[at] == 'a' ? 'b' : 'a';
    EXPECT_THAT(refusal(slip), HasSubstr("mistyped")) << at;
  }
}

TEST(ApiKeyTest, WhatIsNoKeyIsRefused) {
  for (const char* text : {"", "t", "tr", "TR_", "sk_abc", " tr_", "eyJhbGciOiJub25lIn0.e30."})
    EXPECT_THAT(refusal(text), HasSubstr("begins with tr_")) << text;
  EXPECT_THAT(refusal("tr_"), HasSubstr("cut off"));
  std::string upper = some_key();
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_NE(refusal(upper), "taken");
  EXPECT_NE(refusal("tr_" + std::string(69, '\0')), "taken");
  EXPECT_NE(refusal("tr_" + std::string(69, '\xff')), "taken");
}

TEST(ApiKeyTest, ARefusalHoldsNothingOfTheKey) {
  std::string key = some_key();
  std::string slip = key;
  slip.back() = slip.back() == 'a' ? 'b' : 'a';
  for (const std::string& text : {slip, key.substr(0, 40), key + "x"})
    for (std::size_t at = 3; at + 6 <= text.size(); ++at)
      EXPECT_THAT(refusal(text), Not(HasSubstr(text.substr(at, 6))));
}

TEST(ScopesTest, AdminMayDoAllAndTheOthersOnlyTheirs) {
  EXPECT_TRUE(Scopes({Scope::admin}).allow(Scope::ingest));
  EXPECT_TRUE(Scopes({Scope::admin}).allow(Scope::read));
  EXPECT_TRUE(Scopes({Scope::ingest}).allow(Scope::ingest));
  EXPECT_FALSE(Scopes({Scope::ingest}).allow(Scope::read));
  EXPECT_FALSE(Scopes({Scope::ingest, Scope::read}).allow(Scope::admin));
  EXPECT_FALSE(Scopes().allow(Scope::ingest));
}

TEST(ScopesTest, WordsAreReadAndWritten) {
  EXPECT_EQ(to_string(*parse_scopes("read, ingest,read")), "ingest,read");
  EXPECT_EQ(to_string(*parse_scopes("admin")), "admin");
  for (const char* text : {"", ",", "ingest,", "Ingest", "ingest read", "write", "in\0gest"}) {
    auto parsed = parse_scopes(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::invalid);
    EXPECT_THAT(parsed.error().message, HasSubstr("ingest, read and admin"));
  }
}

}  // namespace
}  // namespace tillrace::auth
