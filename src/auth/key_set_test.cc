#include "auth/key_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/base64url.h"
#include "auth/provider_for_tests.h"

namespace tillrace::auth {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

// Why a set of this one key is refused.
std::string refusal(const std::string& jwk) {
  auto set = KeySet::decode(key_set({jwk}));
  if (set) return "taken";
  EXPECT_EQ(set.error().code, Code::invalid);
  return set.error().message;
}

TEST(Base64UrlTest, DecodesWhatRfc4648Shows) {
  EXPECT_EQ(base64url_decode(""), "");
  EXPECT_EQ(base64url_decode("Zg"), "f");
  EXPECT_EQ(base64url_decode("Zm8"), "fo");
  EXPECT_EQ(base64url_decode("Zm9vYmFy"), "foobar");
  EXPECT_EQ(base64url_decode("__-_"), "\xff\xff\xbf");
}

TEST(Base64UrlTest, RefusesAllButTheOneWayOfWritingIt) {
  for (std::string_view text : {"Z", "Zm9vY", "Zg==", "Zg=", "A===", "=", "Zm+v", "Zm/v", "Zm 8",
                                "Zm8\n", "Zh", "Zm9", "Z\xff"})
    EXPECT_EQ(base64url_decode(text), std::nullopt) << text;
  EXPECT_EQ(base64url_decode(std::string_view("Zm\0v", 4)), std::nullopt);
}

TEST(KeySetTest, FindsAKeyByItsIdAndAlgorithm) {
  auto set =
      KeySet::decode(key_set({rsa_key().jwk("r", R"(,"use":"sig","alg":"RS256","x5c":["AAAA"])"),
                              ec_key().jwk("e", R"(,"alg":"ES256")")}));
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->size(), 2U);
  EXPECT_THAT(set->notes(), IsEmpty());
  EXPECT_NE(set->find("r", Algorithm::rs256), nullptr);
  EXPECT_NE(set->find("e", Algorithm::es256), nullptr);
  EXPECT_EQ(set->find("r", Algorithm::es256), nullptr);
  EXPECT_EQ(set->find("e", Algorithm::rs256), nullptr);
  EXPECT_EQ(set->find("", Algorithm::rs256), nullptr);
}

TEST(KeySetTest, LeavesOutWhatItDoesNotKnowAndSaysSo) {
  auto set = KeySet::decode(
      key_set({R"({"kty":"OKP","kid":"o","crv":"Ed25519","x":"AAAA"})",
               R"({"kty":"oct","kid":"s","k":"AA"})", rsa_key().jwk("enc", R"(,"use":"enc")"),
               R"("text")", rsa_key().jwk("r")}));
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->size(), 1U);
  EXPECT_THAT(set->notes(), ElementsAre(HasSubstr("key 1"), HasSubstr("neither RSA nor EC"),
                                        HasSubstr("not for signatures"), HasSubstr("no object")));
}

TEST(KeySetTest, OfTwoKeysWithOneIdTheFirstIsTaken) {
  SigningKey other = SigningKey::ec();
  auto set = KeySet::decode(key_set({ec_key().jwk("k"), other.jwk("k"), rsa_key().jwk("k")}));
  ASSERT_TRUE(set);
  EXPECT_EQ(set->size(), 2U);  // the RSA key is told from them by the token's algorithm
  EXPECT_THAT(set->notes(), ElementsAre(HasSubstr("key 2 of the set is left out: an earlier one")));
  const PublicKey* key = set->find("k", Algorithm::es256);
  EXPECT_TRUE(key->verify("m", ec_key().sign("m")));
  EXPECT_FALSE(key->verify("m", other.sign("m")));
}

TEST(KeySetTest, RefusesAKeyThatIsWeakOrBroken) {
  std::string rsa = rsa_key().jwk("r");
  std::string ec = ec_key().jwk("e");
  EXPECT_THAT(refusal(SigningKey::rsa(1024).jwk("r")), HasSubstr("1024 bits"));
  EXPECT_THAT(refusal(replaced(rsa, R"("e":"AQAB")", R"("e":"AQ")")), HasSubstr("no RSA key"));
  EXPECT_THAT(refusal(replaced(rsa, R"("e":"AQAB")", R"("e":"Ag")")), HasSubstr("no RSA key"));
  EXPECT_THAT(refusal(replaced(rsa, R"("e":"AQAB")", R"("e":"AAAAAAAAAAAB")")),
              HasSubstr("too large"));
  EXPECT_THAT(refusal(replaced(rsa, R"("n":")", R"("n":"=)")), HasSubstr("'n' is no base64url"));
  EXPECT_THAT(refusal(replaced(rsa, R"("n":")", R"("n":"A===","m":")")), HasSubstr("'n'"));
  EXPECT_THAT(refusal(replaced(rsa, R"("n")", R"("m")")), HasSubstr("'n'"));
  EXPECT_THAT(refusal(fmt::format(R"({{"kty":"RSA","kid":"r","e":"AQAB","n":"{}"}})",
                                  base64url(std::string(1025, '\xff')))),
              HasSubstr("too large"));
  EXPECT_THAT(refusal(fmt::format(R"({{"kty":"RSA","kid":"r","e":"AQAB","n":"{}"}})",
                                  base64url(std::string(256, '\xfe')))),
              HasSubstr("no RSA key"));
  EXPECT_THAT(refusal(replaced(ec, "P-256", "P-384")), HasSubstr("P-256"));
  EXPECT_THAT(refusal(replaced(ec, R"("crv")", R"("curve")")), HasSubstr("P-256"));
  EXPECT_THAT(refusal(replaced(ec, R"("x":")", R"("x":"AAAA)")), HasSubstr("32 bytes"));
  EXPECT_THAT(refusal(replaced(ec, ec_key().number("qy", 32), ec_key().number("qx", 32))),
              HasSubstr("no point"));
}

TEST(KeySetTest, RefusesAKeyWhoseMembersAreNotClear) {
  std::string rsa = rsa_key().jwk("r");
  EXPECT_THAT(refusal(rsa_key().jwk("")), HasSubstr("no kid"));
  EXPECT_THAT(refusal(replaced(rsa, R"("kid":"r",)", "")), HasSubstr("no kid"));
  EXPECT_THAT(refusal(rsa_key().jwk(std::string(257, 'k'))), HasSubstr("no kid"));
  EXPECT_THAT(refusal(replaced(rsa, R"("kid":"r")", R"("kid":1)")), HasSubstr("no string"));
  EXPECT_THAT(refusal(rsa_key().jwk("r", R"(,"alg":"RS512")")), HasSubstr("not for RS256"));
  EXPECT_THAT(refusal(rsa_key().jwk("r", R"(,"alg":"HS256")")), HasSubstr("not for RS256"));
  EXPECT_THAT(refusal(rsa_key().jwk("r", R"(,"kid":"s")")), HasSubstr("twice"));
  EXPECT_THAT(refusal(rsa_key().jwk("r", R"(,"d":"AAAA")")), HasSubstr("must stay secret"));
}

TEST(KeySetTest, WhatIsNoKeySetIsRefused) {
  for (const char* text : {"", "{}", "[]", "null", R"({"keys":{}})", R"({"keys":[]})",
                           R"({"keys":[1]})", R"({"keys":[]} x)", R"({"keys":[],"keys":[]})",
                           "<html>404</html>", "{\"keys\":[\"\xff\"]}"}) {
    auto set = KeySet::decode(text);
    ASSERT_FALSE(set) << text;
    EXPECT_EQ(set.error().code, Code::invalid);
  }
}

TEST(KeySetTest, AHugeKeySetIsRefused) {
  std::vector<std::string> jwks(kMostSetKeys, ec_key().jwk("k"));
  EXPECT_TRUE(KeySet::decode(key_set(jwks)));
  jwks.push_back(ec_key().jwk("k"));
  EXPECT_FALSE(KeySet::decode(key_set(jwks)));
  std::string text = key_set({ec_key().jwk("k")});
  EXPECT_TRUE(KeySet::decode(text + std::string(kMostKeySetBytes - text.size(), ' ')));
  EXPECT_FALSE(KeySet::decode(text + std::string(kMostKeySetBytes - text.size() + 1, ' ')));
}

TEST(PublicKeyTest, ASignatureHoldsForItsMessageOnly) {
  auto set = KeySet::decode(key_set({rsa_key().jwk("k"), ec_key().jwk("k")}));
  for (auto [signer, algorithm] :
       {std::pair(&rsa_key(), Algorithm::rs256), std::pair(&ec_key(), Algorithm::es256)}) {
    const PublicKey* key = set->find("k", algorithm);
    std::string signature = signer->sign("message");
    EXPECT_TRUE(key->verify("message", signature));
    EXPECT_FALSE(key->verify("massage", signature));
    EXPECT_FALSE(key->verify("", signature));
    EXPECT_FALSE(key->verify("message", ""));
    for (std::size_t at = 0; at < signature.size(); at += 7) {
      std::string wrong = signature;
      wrong[at] = static_cast<char>(wrong[at] ^ 1);
      EXPECT_FALSE(key->verify("message", wrong)) << at;
    }
    EXPECT_FALSE(key->verify("message", signature + '\0'));
    EXPECT_FALSE(key->verify("message", signature.substr(0, signature.size() - 1)));
    EXPECT_FALSE(key->verify("message", std::string(signature.size(), '\0')));
    EXPECT_FALSE(key->verify("message", std::string(signature.size(), '\xff')));
  }
}

TEST(PublicKeyTest, AnEcSignatureIsTwoNumbersOf32BytesAndNothingElse) {
  auto set = KeySet::decode(key_set({ec_key().jwk("k")}));
  const PublicKey* key = set->find("k", Algorithm::es256);
  std::string signature = ec_key().sign("m");
  std::string r = signature.substr(0, 32);
  std::string s = signature.substr(32);
  EXPECT_FALSE(key->verify("m", std::string(1, '\0') + r + std::string(1, '\0') + s));
  EXPECT_FALSE(key->verify("m", ec_key().sign_der("m")));
  for (std::size_t length = 0; length < 64; ++length)
    EXPECT_FALSE(key->verify("m", signature.substr(0, length)));
}

}  // namespace
}  // namespace tillrace::auth
