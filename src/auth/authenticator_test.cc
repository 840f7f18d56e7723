#include "auth/authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/api_keys.h"
#include "auth/jwks_host_for_tests.h"
#include "auth/provider_for_tests.h"
#include "base/scratch_for_tests.h"
#include "http/client.h"

namespace tillrace::auth {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kHeader = R"({"alg":"ES256","kid":"e"})";

class AuthenticatorTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.mode = AuthOptions::Mode::required;
    options_.keys_file = folder_.path() / "keys.json";
  }
  void trust_tokens() {
    options_.jwks = folder_.file("jwks.json", key_set({ec_key().jwk("e")})).string();
    options_.issuer = "https://id.example.com";
    options_.audience = "tillrace";
  }
  void open() {
    auto opened = Authenticator::open(options_, clock_, metrics_);
    ASSERT_TRUE(opened) << opened.error().message;
    authenticator_ = std::move(*opened);
  }
  std::string make_key(Scopes scopes) {
    SystemRandom random;
    return ApiKeys(options_.keys_file, clock_, random).create({"x", scopes, {}})->text;
  }
  std::string make_token(std::string_view scope, std::string_view subject = "till-7",
                         std::string_view header = kHeader) {
    std::int64_t end = clock_.now().value / 1'000'000 + 300;
    std::string who = fmt::format(R"("sub":"{}","exp":{},"scope":"{}")", subject, end, scope);
    return signed_token(ec_key(), header,
                        R"({"iss":"https://id.example.com","aud":"tillrace",)" + who + "}");
  }

  struct Outcome {
    std::optional<http::Response> answer;
    std::string client;
    int status() const { return answer ? answer->status : 0; }  // 0: it may go on
    std::string header(std::string_view name) const {
      return std::string(answer->headers.find(name).value_or(""));
    }
  };
  Outcome check(http::Headers headers, Scope needed = Scope::ingest,
                std::string from = "192.0.2.1") {
    http::Request head;
    head.remote_address = head.client = std::move(from);
    head.headers = std::move(headers);
    auto answer = authenticator_->check(head, needed);
    return {std::move(answer), head.client};
  }
  Outcome check_bearer(const std::string& credential, Scope needed = Scope::ingest) {
    return check({{"Authorization", "Bearer " + credential}}, needed);
  }
  double count(const std::string& result) {
    return metrics_
        .counter("tillrace_auth_checks_total", "Requests whose sender was checked",
                 {{"result", result}})
        .value();
  }

  ScratchFolder folder_;
  FakeClock clock_{UtcMicros{1'700'000'000'000'000}};
  Metrics metrics_;
  AuthOptions options_;
  std::unique_ptr<Authenticator> authenticator_;
};

TEST_F(AuthenticatorTest, OffMeansThatEverybodyMay) {
  options_ = {};
  open();
  Outcome outcome = check({});
  EXPECT_EQ(outcome.status(), 0);
  EXPECT_EQ(outcome.client, "192.0.2.1");
  EXPECT_EQ(check_bearer("tr_nonsense", Scope::admin).status(), 0);
}

TEST_F(AuthenticatorTest, AKeyIsTakenFromEitherHeader) {
  std::string key = make_key({Scope::ingest});
  open();
  std::string client = "key:" + key.substr(3, 10);
  EXPECT_EQ(check_bearer(key).client, client);
  EXPECT_EQ(check({{"authorization", "bEARER   " + key}}).client, client);
  EXPECT_EQ(check({{"x-api-key", key}}).client, client);
  EXPECT_EQ(count("accepted"), 3);
}

TEST_F(AuthenticatorTest, ATokenNamesItsSubject) {
  trust_tokens();
  open();
  std::string token = make_token("ingest");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(check_bearer(token).client, "jwt:till-7");
}

TEST_F(AuthenticatorTest, ASubjectCannotPassForAKey) {
  std::string key = make_key({Scope::ingest});
  trust_tokens();
  open();
  std::string id = "key:" + key.substr(3, 10);
  EXPECT_EQ(check_bearer(make_token("ingest", id)).client, "jwt:" + id);
}

TEST_F(AuthenticatorTest, WithoutCredentialsItSaysWhatToSend) {
  open();
  Outcome outcome = check({{"Content-Type", "application/json"}});
  EXPECT_EQ(outcome.status(), 401);
  EXPECT_EQ(outcome.header("WWW-Authenticate"), "Bearer realm=\"tillrace\"");
  EXPECT_EQ(outcome.answer->content_type, "application/problem+json");
  EXPECT_THAT(outcome.answer->body, HasSubstr(R"("type":"/problems/unauthorized")"));
  EXPECT_EQ(outcome.client, "192.0.2.1");
  EXPECT_EQ(count("no_credentials"), 1);
}

TEST_F(AuthenticatorTest, OtherSchemesAreNoCredentials) {
  std::string key = make_key({Scope::ingest});
  open();
  for (const std::string& value :
       {"Basic " + key, key, std::string("Bearer"), "Bearer" + key, "Token " + key, std::string(),
        "Bearer\t" + key, std::string("Digest username=\"x\"")}) {
    Outcome outcome = check({{"Authorization", value}});
    EXPECT_EQ(outcome.status(), 401) << value;
    EXPECT_THAT(outcome.header("WWW-Authenticate"), Not(HasSubstr("error")));
  }
}

TEST_F(AuthenticatorTest, MoreThanOneCredentialIsAMalformedRequest) {
  std::string key = make_key({Scope::ingest});
  open();
  for (const http::Headers& headers : std::vector<http::Headers>{
           {{"Authorization", "Bearer " + key}, {"X-API-Key", key}},
           {{"Authorization", "Bearer " + key}, {"authorization", "Bearer " + key}},
           {{"X-API-Key", key}, {"X-API-Key", "x"}}}) {
    Outcome outcome = check(headers);
    EXPECT_EQ(outcome.status(), 400);
    EXPECT_THAT(outcome.header("WWW-Authenticate"), HasSubstr("error=\"invalid_request\""));
  }
}

TEST_F(AuthenticatorTest, ABadCredentialIsNotRepeatedAnywhere) {
  std::string key = make_key({Scope::ingest});
  trust_tokens();
  open();
  std::string wrong = key;
  wrong.back() = wrong.back() == 'a' ? 'b' : 'a';
  std::string token = make_token("ingest");
  token[token.size() / 2] = token[token.size() / 2] == 'A' ? 'B' : 'A';
  testing::internal::CaptureStderr();
  std::string answers;
  for (int i = 0; i < 30; ++i)
    for (const std::string& credential : {wrong, token}) {
      Outcome outcome = check_bearer(credential);
      answers += outcome.answer->body;
      for (const auto& field : outcome.answer->headers) answers += field.value;
    }
  answers += testing::internal::GetCapturedStderr() + metrics_.text();
  EXPECT_THAT(answers, Not(HasSubstr(wrong.substr(14, 16))));
  EXPECT_THAT(answers, Not(HasSubstr(token.substr(0, 16))));
  EXPECT_THAT(answers, Not(HasSubstr(token.substr(token.size() - 16))));
}

TEST_F(AuthenticatorTest, ABadKeyAndABadTokenAreChallenged) {
  std::string key = make_key({Scope::ingest});
  trust_tokens();
  open();
  for (const std::string& credential :
       {key.substr(0, 50), "tr_" + std::string(69, 'a'), std::string("e30.e30.e30"),
        std::string("x"), std::string(9'000, 'x'), std::string()}) {
    Outcome outcome = check_bearer(credential);
    EXPECT_EQ(outcome.status(), 401) << credential;
    if (credential.empty()) continue;  // an empty one is none
    EXPECT_EQ(outcome.header("WWW-Authenticate"),
              "Bearer realm=\"tillrace\", error=\"invalid_token\"");
    EXPECT_EQ(outcome.client, "192.0.2.1");
  }
}

TEST_F(AuthenticatorTest, ATokenIsNoApiKey) {
  trust_tokens();
  open();
  EXPECT_EQ(check({{"X-API-Key", make_token("ingest")}}).status(), 401);
}

TEST_F(AuthenticatorTest, WithoutAProviderTokensAreRefused) {
  open();
  Outcome outcome = check_bearer(make_token("admin"));
  EXPECT_EQ(outcome.status(), 401);
  EXPECT_THAT(outcome.answer->body, HasSubstr("only API keys"));
}

TEST_F(AuthenticatorTest, AMissingScopeIsForbiddenAndNamed) {
  std::string key = make_key({Scope::ingest});
  trust_tokens();
  open();
  for (const std::string& credential : {key, make_token("ingest openid"), make_token("")}) {
    Outcome outcome = check_bearer(credential, Scope::read);
    EXPECT_EQ(outcome.status(), 403);
    EXPECT_THAT(outcome.answer->body, HasSubstr(R"("type":"/problems/forbidden")"));
    EXPECT_THAT(outcome.answer->body, HasSubstr(R"("scope":"read")"));
    EXPECT_EQ(outcome.header("WWW-Authenticate"),
              "Bearer realm=\"tillrace\", error=\"insufficient_scope\", scope=\"read\"");
    EXPECT_EQ(outcome.client, "192.0.2.1");
  }
  EXPECT_EQ(count("forbidden"), 3);
}

TEST_F(AuthenticatorTest, AdminMayDoEverything) {
  std::string key = make_key({Scope::admin});
  trust_tokens();
  open();
  for (Scope needed : {Scope::ingest, Scope::read, Scope::admin}) {
    EXPECT_EQ(check_bearer(key, needed).status(), 0);
    EXPECT_EQ(check_bearer(make_token("admin"), needed).status(), 0);
  }
}

TEST_F(AuthenticatorTest, ARevokedKeyIsRefusedWithinASecond) {
  std::string key = make_key({Scope::ingest});
  open();
  EXPECT_EQ(check_bearer(key).status(), 0);
  SystemRandom random;
  ASSERT_TRUE(ApiKeys(options_.keys_file, clock_, random).revoke(key.substr(3, 10)));
  clock_.advance(1s);
  EXPECT_EQ(check_bearer(key).status(), 401);
}

TEST_F(AuthenticatorTest, ATokenThatIsKnownEndsInTime) {
  trust_tokens();
  open();
  std::string token = make_token("ingest");
  EXPECT_EQ(check_bearer(token).status(), 0);
  clock_.advance(359s);
  EXPECT_EQ(check_bearer(token).status(), 0);
  clock_.advance(1s);
  EXPECT_EQ(check_bearer(token).status(), 401);
}

TEST_F(AuthenticatorTest, TooManyBadOnesAreToldToWait) {
  std::string key = make_key({Scope::ingest});
  open();
  testing::internal::CaptureStderr();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(check_bearer("tr_x").status(), 401);
  for (int i = 0; i < 5; ++i) {
    Outcome outcome = check_bearer("tr_x");
    EXPECT_EQ(outcome.status(), 429);
    EXPECT_EQ(outcome.header("Retry-After"), "60");
    EXPECT_THAT(outcome.answer->body, HasSubstr(R"("type":"/problems/too-many-attempts")"));
  }
  std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
  EXPECT_THAT(lines, HasSubstr("192.0.2.1"));
  EXPECT_EQ(check_bearer(key).status(), 0) << "others behind that address go on";
  EXPECT_EQ(check({{"X-API-Key", "tr_x"}}, Scope::read, "192.0.2.2").status(), 401);
  EXPECT_EQ(check({}).status(), 401) << "no credentials are no attempt";
  EXPECT_EQ(count("rate_limited"), 5);
  clock_.advance(60s);
  EXPECT_EQ(check_bearer("tr_x").status(), 401);
}

TEST_F(AuthenticatorTest, UntilTheProviderHasAnsweredTokensWaitAndKeysDoNot) {
  std::string key = make_key({Scope::ingest});
  JwksHost host("garbage");
  trust_tokens();
  options_.jwks = host.url();
  options_.key_source.first_pause_ms = 10;
  options_.key_source.least_pause_ms = 10;
  SystemClock clock;
  auto opened = Authenticator::open(options_, clock, metrics_);
  ASSERT_TRUE(opened) << opened.error().message;
  authenticator_ = std::move(*opened);
  clock_.advance(clock.now().value * 1us - clock_.now().value * 1us);
  std::string token = make_token("ingest");
  Outcome outcome = check_bearer(token);
  EXPECT_EQ(outcome.status(), 503);
  EXPECT_EQ(outcome.header("Retry-After"), "1");
  EXPECT_EQ(check_bearer(key).status(), 0);
  host.answer({200, {}, "", key_set({ec_key().jwk("e")})});
  EXPECT_TRUE(comes_true([&] { return check_bearer(token).status() == 0; }));
}

TEST_F(AuthenticatorTest, ANewKeyOfTheProviderIsFoundWithoutARestart) {
  JwksHost host(key_set({ec_key().jwk("old")}));
  trust_tokens();
  options_.jwks = host.url();
  options_.key_source.least_pause_ms = 200;
  SystemClock clock;
  auto opened = Authenticator::open(options_, clock, metrics_);
  ASSERT_TRUE(opened) << opened.error().message;
  authenticator_ = std::move(*opened);
  clock_.advance(clock.now().value * 1us - clock_.now().value * 1us);
  std::string old = make_token("ingest", "x", R"({"alg":"ES256","kid":"old"})");
  ASSERT_TRUE(comes_true([&] { return check_bearer(old).status() == 0; }));
  std::string token = make_token("ingest");
  ASSERT_TRUE(comes_true([&] { return check_bearer(token).status() == 401; }));
  host.answer({200, {}, "", key_set({ec_key().jwk("e")})});
  EXPECT_TRUE(comes_true([&] { return check_bearer(token).status() == 0; }));
  EXPECT_NE(check_bearer(old).status(), 0) << "though it was found right before";
  EXPECT_LE(host.fetches(), 12);
}

TEST_F(AuthenticatorTest, OptionsThatDoNotFitAreRefused) {
  trust_tokens();
  for (auto leave_out : {&AuthOptions::jwks, &AuthOptions::issuer, &AuthOptions::audience}) {
    AuthOptions lacking = options_;
    (lacking.*leave_out).clear();
    auto opened = Authenticator::open(lacking, clock_, metrics_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::invalid);
  }
  options_.jwks = (folder_.path() / "none").string();
  EXPECT_FALSE(Authenticator::open(options_, clock_, metrics_));
}

TEST_F(AuthenticatorTest, AServerDoesNotStartOnABrokenKeyFile) {
  folder_.file("keys.json", "{");
  EXPECT_EQ(Authenticator::open(options_, clock_, metrics_).error().code, Code::corrupt);
  folder_.file("keys.json", R"({"version":1,"keys":[]})", 0644);
  EXPECT_EQ(Authenticator::open(options_, clock_, metrics_).error().code, Code::invalid);
}

TEST_F(AuthenticatorTest, ThatNobodyMayAskYetIsSaidAtTheStart) {
  testing::internal::CaptureStderr();
  open();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("tillrace keys create"));
}

// As app puts it before a route.
TEST_F(AuthenticatorTest, BehindAServerOnlyThoseWhoMayReachTheHandler) {
  std::string key = make_key({Scope::ingest});
  trust_tokens();
  open();
  http::Router router;
  auto handler = [](http::Request&& request, http::Reply reply) {
    reply({201, {}, "text/plain", request.client});
  };
  http::RouteOptions guarded;
  guarded.admit = [this](http::Request& head) {
    return authenticator_->check(head, Scope::ingest);
  };
  router.add(http::Method::post, "/guarded", handler, guarded);
  Metrics metrics;
  auto server = http::Server::listen({}, std::move(router), metrics);
  ASSERT_TRUE(server) << server.error().message;
  http::Client client;
  auto post = [&](const std::string& authorization) {
    http::Call call;
    call.method = http::Method::post;
    call.url = "http://" + (*server)->address() + "/guarded";
    call.headers.add("Authorization", authorization);
    call.body = std::string(10'000, 'x');
    return client.send(call);
  };
  EXPECT_EQ(post("Bearer " + key)->body, "key:" + key.substr(3, 10));
  EXPECT_EQ(post("Bearer " + make_token("ingest"))->body, "jwt:till-7");
  EXPECT_EQ(post("Bearer " + make_token("read"))->status, 403);
  auto refused = post("Bearer tr_guess");
  EXPECT_EQ(refused->status, 401);
  EXPECT_THAT(std::string(refused->headers.find("WWW-Authenticate").value_or("")),
              HasSubstr("invalid_token"));
  EXPECT_EQ(post("Basic x")->status, 401);
  EXPECT_EQ(post("Bearer " + key)->status, 201);
}

TEST_F(AuthenticatorTest, ManyThreadsAskAtOnce) {
  std::string key = make_key({Scope::ingest});
  trust_tokens();
  open();
  std::string token = make_token("ingest");
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 200; ++n) {
        EXPECT_EQ(check_bearer(key).status(), 0);
        EXPECT_EQ(check_bearer(token).status(), 0);
        EXPECT_EQ(check_bearer(make_token("ingest", std::to_string(i))).status(), 0);
        EXPECT_NE(check_bearer("tr_x").status(), 0);
        if (n % 50 == 0) clock_.advance(500ms);
      }
    });
}

}  // namespace
}  // namespace tillrace::auth
