#include "auth/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/provider_for_tests.h"
#include "auth/token_cache.h"

namespace tillrace::auth {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kNow = 1'700'000'000;
constexpr std::string_view kRsHeader = R"({"alg":"RS256","typ":"JWT","kid":"r"})";
constexpr std::string_view kEsHeader = R"({"alg":"ES256","kid":"e"})";

// Claims that are right, with `more` put in.
std::string claims(std::string_view more = R"(,"scope":"ingest read")") {
  return fmt::format(
      R"({{"iss":"https://id.example.com","aud":"tillrace","sub":"till-7","exp":{}{}}})",
      kNow + 300, more);
}

std::string with(std::string text, std::string_view from, std::string_view to) {
  std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

class TokenTest : public testing::Test {
 protected:
  static const KeySet& keys() {
    static const KeySet set = *KeySet::decode(key_set({rsa_key().jwk("r"), ec_key().jwk("e")}));
    return set;
  }
  static Result<Token> verify(std::string_view token, std::int64_t now_s = kNow) {
    return verify_token(token, keys(), kRules, UtcMicros{now_s * 1'000'000});
  }
  static std::string signed_with(std::string_view header, std::string_view payload = claims()) {
    return signed_token(rsa_key(), header, payload);
  }
  // Why it is refused; nothing of it may be in the answer.
  static std::string refusal(const std::string& token, std::int64_t now_s = kNow) {
    auto verified = verify(token, now_s);
    if (verified) return "taken";
    for (std::size_t at = 0; at + 12 <= token.size(); at += 4)
      EXPECT_THAT(verified.error().message, Not(HasSubstr(token.substr(at, 12))));
    return verified.error().message;
  }
  static std::string refusal_of_claims(const std::string& payload, std::int64_t now_s = kNow) {
    return refusal(signed_with(kRsHeader, payload), now_s);
  }

  static inline const TokenRules kRules = {"https://id.example.com", "tillrace", false};
};

TEST_F(TokenTest, BothAlgorithmsAreTaken) {
  for (const std::string& token : {signed_token(rsa_key(), kRsHeader, claims()),
                                   signed_token(ec_key(), kEsHeader, claims())}) {
    auto verified = verify(token);
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->subject, "till-7");
    EXPECT_EQ(verified->scopes, Scopes({Scope::ingest, Scope::read}));
    EXPECT_EQ(verified->expires_at, UtcMicros{(kNow + 300 + kClockSkewS) * 1'000'000});
  }
}

TEST_F(TokenTest, WithoutASignatureNothingIsTaken) {
  for (const char* none : {"none", "None", "NONE", "nOnE", ""}) {
    std::string header = fmt::format(R"({{"alg":"{}","kid":"r"}})", none);
    std::string text = base64url(header) + "." + base64url(claims()) + ".";
    EXPECT_THAT(refusal(text), HasSubstr("algorithm"));
    EXPECT_THAT(refusal(signed_with(header)), HasSubstr("algorithm"));
  }
  std::string token = signed_with(kRsHeader);
  EXPECT_THAT(refusal(token.substr(0, token.rfind('.') + 1)), HasSubstr("signature"));
}

TEST_F(TokenTest, APublicKeyIsNoSharedSecret) {
  for (const std::string& secret :
       {rsa_key().public_pem(), rsa_key().jwk("r"), rsa_key().number("n"), std::string()})
    for (const char* algorithm : {"HS256", "HS512", "RS256"})
      EXPECT_NE(refusal(hmac_token(secret, fmt::format(R"({{"alg":"{}","kid":"r"}})", algorithm),
                                   claims())),
                "taken");
}

TEST_F(TokenTest, OtherAlgorithmsAreRefused) {
  for (const char* algorithm :
       {"RS384", "RS512", "PS256", "ES384", "ES512", "EdDSA", "rs256", "RS256 ", "ES256K", "dir"})
    EXPECT_THAT(refusal(signed_with(fmt::format(R"({{"alg":"{}","kid":"r"}})", algorithm))),
                HasSubstr("algorithm"));
  for (const char* header :
       {R"({"kid":"r"})", R"({"alg":null,"kid":"r"})", R"({"alg":1,"kid":"r"})",
        R"({"alg":["RS256"],"kid":"r"})", R"({"ALG":"RS256","kid":"r"})"})
    EXPECT_NE(refusal(signed_with(header)), "taken") << header;
}

TEST_F(TokenTest, AKeyServesItsOwnAlgorithmOnly) {
  EXPECT_NE(refusal(signed_token(rsa_key(), R"({"alg":"ES256","kid":"r"})", claims())), "taken");
  EXPECT_NE(refusal(signed_token(rsa_key(), R"({"alg":"ES256","kid":"e"})", claims())), "taken");
  EXPECT_NE(refusal(signed_token(ec_key(), R"({"alg":"RS256","kid":"e"})", claims())), "taken");
  EXPECT_NE(refusal(signed_token(ec_key(), R"({"alg":"RS256","kid":"r"})", claims())), "taken");
}

TEST_F(TokenTest, AnUnknownKeyIsToldFromAWrongToken) {
  for (const char* kid : {"s", "R", "r ", "", "../r"}) {
    auto verified = verify(signed_with(fmt::format(R"({{"alg":"RS256","kid":"{}"}})", kid)));
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, Code::not_found) << kid;
  }
  for (const char* header :
       {R"({"alg":"RS256"})", R"({"alg":"RS256","kid":1})", R"({"alg":"RS256","kid":null})"}) {
    auto verified = verify(signed_with(header));
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, Code::invalid) << header;
  }
}

TEST_F(TokenTest, AKeyThatTheTokenBringsAlongIsNotUsed) {
  SigningKey own = SigningKey::rsa();
  std::string header =
      fmt::format(R"({{"alg":"RS256","kid":"r","jwk":{},"jku":"https://evil.example.com/keys"}})",
                  own.jwk("r"));
  EXPECT_THAT(refusal(signed_token(own, header, claims())), HasSubstr("signature"));
}

TEST_F(TokenTest, ATamperedPartIsFound) {
  std::string token = signed_with(kRsHeader);
  std::size_t dot = token.find('.');
  std::string other = base64url(with(claims(), "till-7", "till-8"));
  EXPECT_THAT(refusal(token.substr(0, dot + 1) + other + token.substr(token.rfind('.'))),
              HasSubstr("signature"));
  EXPECT_THAT(refusal(base64url(with(std::string(kRsHeader), "JWT", "jwt")) + token.substr(dot)),
              HasSubstr("signature"));
  for (std::size_t at = 0; at < token.size(); at += 5) {
    if (token[at] == '.') continue;
    std::string wrong = token;
    wrong[at] = wrong[at] == 'A' ? 'B' : 'A';
    EXPECT_NE(refusal(wrong), "taken") << at;
  }
}

TEST_F(TokenTest, AnEs256SignatureOfTheWrongLengthIsRefused) {
  std::string text = base64url(kEsHeader) + "." + base64url(claims());
  std::string signature = ec_key().sign(text);
  EXPECT_NE(verify(text + "." + base64url(signature))->subject, "");
  for (const std::string& wrong :
       {signature + '\0', '\0' + signature, signature.substr(1), signature.substr(0, 63),
        ec_key().sign_der(text), signature + signature, std::string(64, '\0'), std::string()})
    EXPECT_THAT(refusal(text + "." + base64url(wrong)), HasSubstr("signature"));
}

TEST_F(TokenTest, WhatIsNoCompactTokenIsRefused) {
  std::string token = signed_with(kRsHeader);
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), std::string("..."), token + ".",
        "." + token, token + "=", token + " ", " " + token, token + ".x.y",
        token.substr(0, token.rfind('.')), std::string("A===.e30.AAAA"), with(token, ".", "=."),
        std::string(3, '\0'), base64url("[]") + ".e30.AAAA", base64url("{") + ".e30.AAAA",
        base64url("\xff") + ".e30.AAAA"})
    EXPECT_NE(refusal(text), "taken") << text;
  for (std::size_t length = 0; length < token.size(); length += 3)
    EXPECT_NE(refusal(token.substr(0, length)), "taken");
}

TEST_F(TokenTest, TheSizeIsLimited) {
  auto of_payload = [](std::size_t filler) {
    return signed_with(
        kRsHeader, claims(fmt::format(R"(,"scope":"read","x":"{}")", std::string(filler, 'x'))));
  };
  std::size_t filler = 5'600;
  while (of_payload(filler + 1).size() <= kMostTokenBytes) filler += 1;
  EXPECT_TRUE(verify(of_payload(filler)));
  EXPECT_THAT(refusal(of_payload(filler + 3)), HasSubstr("8192 bytes"));
}

TEST_F(TokenTest, AHeaderThatIsNotClearIsRefused) {
  EXPECT_THAT(refusal(signed_with(R"({"alg":"RS256","alg":"none","kid":"r"})")),
              HasSubstr("twice"));
  EXPECT_THAT(refusal(signed_with(R"({"alg":"RS256","kid":"r","kid":"e"})")), HasSubstr("twice"));
  EXPECT_THAT(refusal(signed_with(R"({"alg":"RS256","kid":"r","crit":["b64"],"b64":false})")),
              HasSubstr("extensions"));
  for (const char* type : {"logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", ""})
    EXPECT_THAT(
        refusal(signed_with(fmt::format(R"({{"alg":"RS256","kid":"r","typ":"{}"}})", type))),
        HasSubstr("type"));
  for (const char* type : {"JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"})
    EXPECT_TRUE(
        verify(signed_with(fmt::format(R"({{"alg":"RS256","kid":"r","typ":"{}"}})", type))));
}

TEST_F(TokenTest, ItIsTakenUntilItsEndAndTheSkew) {
  std::string token = signed_with(kRsHeader);
  EXPECT_TRUE(verify(token, kNow + 300 + kClockSkewS - 1));
  EXPECT_THAT(refusal(token, kNow + 300 + kClockSkewS), HasSubstr("expired"));
  EXPECT_THAT(refusal(token, kNow + 1'000'000'000), HasSubstr("expired"));
}

TEST_F(TokenTest, AnEndIsRequired) {
  std::string exp = fmt::format(R"("exp":{})", kNow + 300);
  EXPECT_THAT(refusal_of_claims(with(claims(), "," + exp, "")), HasSubstr("no 'exp'"));
  for (const char* wrong : {R"("exp":null)", R"("exp":"1900000000")", R"("exp":-1)",
                            R"("exp":1e300)", R"("exp":true)", R"("exp":[1900000000])"})
    EXPECT_THAT(refusal_of_claims(with(claims(), exp, wrong)), HasSubstr("'exp' is no time"));
  EXPECT_NE(refusal_of_claims(with(claims(), exp, R"("exp":99999999999999999999999)")), "taken");
  EXPECT_THAT(refusal_of_claims(with(claims(), exp, exp + ",\"exp\":1")), HasSubstr("twice"));
  EXPECT_TRUE(verify(signed_with(kRsHeader, with(claims(), exp, R"("exp":1700000300.5)"))));
}

TEST_F(TokenTest, BeforeItsBeginningItIsRefusedButForTheSkew) {
  std::string token = signed_with(kRsHeader, claims(fmt::format(R"(,"nbf":{})", kNow)));
  EXPECT_TRUE(verify(token, kNow));
  EXPECT_TRUE(verify(token, kNow - kClockSkewS));
  EXPECT_THAT(refusal(token, kNow - kClockSkewS - 1), HasSubstr("not valid yet"));
  EXPECT_THAT(refusal_of_claims(claims(R"(,"nbf":"now")")), HasSubstr("'nbf'"));
}

TEST_F(TokenTest, TheIssuerMustBeTheVeryOne) {
  constexpr std::string_view kIssuer = R"("iss":"https://id.example.com")";
  for (const char* wrong :
       {R"("iss":"https://id.example.com/")", R"("iss":"http://id.example.com")", R"("iss":"")",
        R"("iss":null)", R"("iss":["https://id.example.com"])", R"("isx":"https://id.example.com")",
        R"("iss":"https://id.example.com","iss":"https://id.example.com")"})
    EXPECT_NE(refusal_of_claims(with(claims(), kIssuer, wrong)), "taken") << wrong;
}

TEST_F(TokenTest, TheAudienceMustBeOrHoldOurs) {
  constexpr std::string_view kAudience = R"("aud":"tillrace")";
  EXPECT_TRUE(
      verify(signed_with(kRsHeader, with(claims(), kAudience, R"("aud":["other","tillrace"])"))));
  for (const char* wrong :
       {R"("aud":"other")", R"("aud":"tillrace2")", R"("aud":"till")", R"("aud":"")", R"("aud":[])",
        R"("aud":["other"])", R"("aud":[["tillrace"]])", R"("aud":[7])", R"("aud":{"tillrace":1})",
        R"("aud":null)", R"("aux":"tillrace")", R"("aud":"tillrace other")",
        R"("aud":"other","aud":"tillrace")"})
    EXPECT_NE(refusal_of_claims(with(claims(), kAudience, wrong)), "taken") << wrong;
}

TEST_F(TokenTest, TheSubjectMustBeFitForLogs) {
  constexpr std::string_view kSubject = R"("sub":"till-7")";
  EXPECT_TRUE(verify(signed_with(
      kRsHeader, with(claims(), kSubject, fmt::format(R"("sub":"{}")", std::string(255, 's'))))));
  for (const std::string& wrong :
       {std::string(R"("sub":"")"), std::string(R"("sub":7)"), std::string(R"("s":"x")"),
        std::string(R"("sub":"a b")"), std::string(R"("sub":"a\nb")"),
        std::string(R"("sub":"\u0000")"), std::string(R"("sub":"é")"),
        fmt::format(R"("sub":"{}")", std::string(256, 's'))})
    EXPECT_NE(refusal_of_claims(with(claims(), kSubject, wrong)), "taken") << wrong;
}

TEST_F(TokenTest, ScopesComeFromEitherClaimInEitherForm) {
  auto scopes = [](std::string_view more, bool roles = false) {
    auto token = read_claims(claims(more), {kRules.issuer, kRules.audience, roles},
                             UtcMicros{kNow * 1'000'000});
    return token ? to_string(token->scopes) : token.error().message;
  };
  EXPECT_EQ(scopes(R"(,"scope":"openid  ingest profile ")"), "ingest");
  EXPECT_EQ(scopes(R"(,"scp":"read")"), "read");
  EXPECT_EQ(scopes(R"(,"scp":["ingest","read",7,null])"), "ingest,read");
  EXPECT_EQ(scopes(R"(,"scope":"read","scp":["ingest"])"), "ingest,read");
  EXPECT_EQ(scopes(""), "");
  EXPECT_EQ(scopes(R"(,"scope":"Ingest ingest,read administrator")"), "");
  EXPECT_EQ(scopes(R"(,"scp":["ingest read"])"), "");
  EXPECT_EQ(scopes(R"(,"roles":["admin"])"), "");
  EXPECT_EQ(scopes(R"(,"roles":["ingest"])", true), "ingest");
  EXPECT_THAT(scopes(R"(,"scope":7)"), HasSubstr("neither"));
  EXPECT_THAT(scopes(R"(,"scope":"read","scope":"admin")"), HasSubstr("twice"));
}

Token some_token(std::int64_t expires_at) { return {"s", {Scope::read}, UtcMicros{expires_at}}; }

TEST(TokenCacheTest, ForgetsAtTheEndAndWithTheKeys) {
  TokenCache cache;
  cache.put(sha256("a"), 1, some_token(100), UtcMicros{0});
  EXPECT_TRUE(cache.find(sha256("a"), 1, UtcMicros{99}));
  EXPECT_FALSE(cache.find(sha256("a"), 1, UtcMicros{100}));
  EXPECT_FALSE(cache.find(sha256("a"), 2, UtcMicros{0}));
  EXPECT_FALSE(cache.find(sha256("b"), 1, UtcMicros{0}));
}

TEST(TokenCacheTest, ItsSizeIsLimited) {
  TokenCache cache(100);
  for (int i = 0; i < 1'000; ++i) {
    cache.put(sha256(std::to_string(i)), 1, some_token(1'000), UtcMicros{0});
    ASSERT_LE(cache.size(), 100U);
    EXPECT_TRUE(cache.find(sha256(std::to_string(i)), 1, UtcMicros{0}));
  }
}

TEST(TokenCacheTest, WhatHasExpiredGoesBeforeWhatHasNot) {
  TokenCache cache(3);
  cache.put(sha256("a"), 1, some_token(10), UtcMicros{0});
  cache.put(sha256("b"), 1, some_token(100), UtcMicros{0});
  cache.put(sha256("c"), 1, some_token(10), UtcMicros{0});
  cache.put(sha256("d"), 1, some_token(100), UtcMicros{50});
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_TRUE(cache.find(sha256("b"), 1, UtcMicros{50}));
}

}  // namespace
}  // namespace tillrace::auth
