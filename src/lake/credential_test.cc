#include "lake/credential.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/scratch_for_tests.h"
#include "base/thread.h"
#include "lake/azure_proxy_for_tests.h"
#include "lake/azure_store.h"
#include "lake/credential_sources.h"
#include "lake/identity_host_for_tests.h"
#include "lake/matchers_for_tests.h"

namespace tillrace::lake {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

const std::string kSecret = "s3cret~of+the&client";

class CredentialTest : public testing::Test {
 protected:
  ServicePrincipal principal() const { return {"tenant", "client-1", kSecret, host_.authority()}; }
  TokenCache cache(auto options) {
    auto source = make_token_source(std::move(options), clock_);
    EXPECT_THAT(source, Succeeds());
    return TokenCache(std::move(*source), clock_);
  }
  http::Query form(std::size_t index) {
    return http::Query::parse(host_.requests().at(index).body).value();
  }

  FakeClock clock_{UtcMicros{1'700'000'000'000'000}};
  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  IdentityHost host_;
};

TEST_F(CredentialTest, AServicePrincipalAsksWithItsSecret) {
  host_.plan({token_answer("token-1", 3600)});
  TokenCache tokens = cache(principal());
  EXPECT_EQ(tokens.token().value(), "token-1");
  ASSERT_THAT(host_.requests(), SizeIs(1));
  EXPECT_EQ(form(0).find("grant_type"), "client_credentials");
  EXPECT_EQ(form(0).find("client_id"), "client-1");
  EXPECT_EQ(form(0).find("client_secret"), kSecret);
  EXPECT_EQ(form(0).find("scope"), "https://storage.azure.com/.default");
  EXPECT_EQ(host_.requests()[0].headers.find("Content-Type"), "application/x-www-form-urlencoded");
}

TEST_F(CredentialTest, AMachineAsksItsMetadataService) {
  host_.plan({{200,
               {},
               "application/json",
               R"({"access_token":"token-m","expires_in":"86399","expires_on":"1700086399"})"}});
  TokenCache tokens = cache(ManagedIdentity{"", host_.identity_endpoint(), ""});
  EXPECT_EQ(tokens.token().value(), "token-m");
  http::Request asked = host_.requests().at(0);
  EXPECT_EQ(asked.headers.find("Metadata"), "true");
  auto query = http::Query::parse(asked.query).value();
  EXPECT_EQ(query.find("api-version"), "2018-02-01");
  EXPECT_EQ(query.find("resource"), "https://storage.azure.com/");
  EXPECT_EQ(query.find("client_id"), std::nullopt);
}

TEST_F(CredentialTest, AnAppAsksItsIdentityEndpointWithTheHeader) {
  host_.plan({{200,
               {},
               "application/json",
               R"({"access_token":"token-a","expires_on":"1700003600","token_type":"Bearer"})"}});
  TokenCache tokens =
      cache(ManagedIdentity{"client-2", host_.identity_endpoint(), "header-secret"});
  EXPECT_EQ(tokens.token().value(), "token-a");
  http::Request asked = host_.requests().at(0);
  EXPECT_EQ(asked.headers.find("X-IDENTITY-HEADER"), "header-secret");
  EXPECT_EQ(asked.headers.find("Metadata"), std::nullopt);
  auto query = http::Query::parse(asked.query).value();
  EXPECT_EQ(query.find("api-version"), "2019-08-01");
  EXPECT_EQ(query.find("client_id"), "client-2");
  clock_.advance(minutes(54));  // of the hour that expires_on gives
  EXPECT_EQ(tokens.token().value(), "token-a");
  EXPECT_THAT(host_.requests(), SizeIs(1));
}

TEST_F(CredentialTest, AWorkloadShowsTheTokenInItsFileAsItIsNow) {
  std::filesystem::path file = scratch_.path() / "federated";
  ASSERT_TRUE(write_file_atomically(file, "federated-1\n"));
  host_.plan({token_answer("token-1", 600), token_answer("token-2", 600)});
  TokenCache tokens = cache(WorkloadIdentity{"tenant", "client-3", file, host_.authority()});
  EXPECT_EQ(tokens.token().value(), "token-1");
  EXPECT_EQ(form(0).find("client_assertion"), "federated-1");
  EXPECT_EQ(form(0).find("client_assertion_type"),
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
  EXPECT_EQ(form(0).find("client_secret"), std::nullopt);
  ASSERT_TRUE(write_file_atomically(file, "federated-2"));
  clock_.advance(minutes(10));
  EXPECT_EQ(tokens.token().value(), "token-2");
  EXPECT_EQ(form(1).find("client_assertion"), "federated-2");
}

TEST_F(CredentialTest, AFileWithoutAFederatedTokenIsUnavailableAndNobodyIsAsked) {
  std::filesystem::path file = scratch_.path() / "federated";
  auto source =
      make_token_source(WorkloadIdentity{"tenant", "c", file, host_.authority()}, clock_).value();
  EXPECT_THAT(source->fetch(), FailsWith(Code::unavailable));
  EXPECT_THAT(source->fetch().error().message, HasSubstr(file.string()));
  ASSERT_TRUE(write_file_atomically(file, "\n"));
  EXPECT_THAT(source->fetch(), FailsWith(Code::unavailable));
  ASSERT_TRUE(write_file_atomically(file, "two words"));
  EXPECT_THAT(source->fetch(), FailsWith(Code::unavailable));
  EXPECT_THAT(source->fetch().error().message, Not(HasSubstr("two words")));
  EXPECT_THAT(host_.requests(), SizeIs(0));
}

TEST_F(CredentialTest, ATokenIsRenewedBeforeItExpires) {
  host_.plan({token_answer("token-1", 3600), token_answer("token-2", 3600)});
  TokenCache tokens = cache(principal());
  EXPECT_EQ(tokens.token().value(), "token-1");
  clock_.advance(minutes(54));
  EXPECT_EQ(tokens.token().value(), "token-1");
  EXPECT_THAT(host_.requests(), SizeIs(1));
  clock_.advance(minutes(1));
  EXPECT_EQ(tokens.token().value(), "token-2");
  EXPECT_EQ(tokens.token().value(), "token-2");
  EXPECT_THAT(host_.requests(), SizeIs(2));
}

TEST_F(CredentialTest, AShortTokenIsRenewedAtHalfItsLife) {
  host_.plan({token_answer("token-1", 60), token_answer("token-2", 60)});
  TokenCache tokens = cache(principal());
  EXPECT_EQ(tokens.token().value(), "token-1");
  clock_.advance(seconds(29));
  EXPECT_EQ(tokens.token().value(), "token-1");
  clock_.advance(seconds(2));
  EXPECT_EQ(tokens.token().value(), "token-2");
}

TEST_F(CredentialTest, AProviderThatFailsLeavesTheTokenInForceUntilItsEnd) {
  host_.plan({token_answer("token-1", 3600), {503, {}, "", ""}});
  TokenCache tokens = cache(principal());
  EXPECT_EQ(tokens.token().value(), "token-1");
  clock_.advance(minutes(56));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(tokens.token().value(), "token-1");
  EXPECT_THAT(host_.requests(), SizeIs(2));  // a pause between fetches
  clock_.advance(minutes(2));
  EXPECT_EQ(tokens.token().value(), "token-1");
  EXPECT_THAT(host_.requests(), SizeIs(3));
  clock_.advance(minutes(2));
  auto expired = tokens.token();
  ASSERT_THAT(expired, FailsWith(Code::unavailable));
  EXPECT_THAT(expired.error().message, HasSubstr("503"));
  host_.plan({token_answer("token-2", 3600)});
  clock_.advance(seconds(1));
  EXPECT_EQ(tokens.token().value(), "token-2");
}

TEST_F(CredentialTest, ManyWhoNeedATokenAtOnceCauseOneFetch) {
  host_.plan({token_answer("token-1", 3600)});
  host_.hold();
  TokenCache tokens = cache(principal());
  std::atomic<int> given{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.push_back(named_thread("asks", [&](const std::stop_token&) {
        EXPECT_EQ(tokens.token().value_or("none"), "token-1");
        ++given;
      }));
    while (host_.requests().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(given, 0);
    host_.release();
  }
  EXPECT_EQ(given, 8);
  EXPECT_THAT(host_.requests(), SizeIs(1));
}

TEST_F(CredentialTest, ManyWhoGetNoTokenShareOneFailure) {
  host_.plan({{500, {}, "", ""}});
  host_.hold();
  TokenCache tokens = cache(principal());
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.push_back(named_thread("asks", [&](const std::stop_token&) {
        EXPECT_THAT(tokens.token(), FailsWith(Code::unavailable));
      }));
    while (host_.requests().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    host_.release();
  }
  EXPECT_THAT(host_.requests(), SizeIs(1));
}

TEST_F(CredentialTest, WhileOneRenewsTheOthersGoOnWithTheOldToken) {
  host_.plan({token_answer("token-1", 3600), token_answer("token-2", 3600)});
  TokenCache tokens = cache(principal());
  ASSERT_EQ(tokens.token().value(), "token-1");
  clock_.advance(minutes(56));
  host_.hold();
  std::jthread renews = named_thread("renews", [&](const std::stop_token&) {
    EXPECT_EQ(tokens.token().value_or("none"), "token-2");
  });
  while (host_.requests().size() < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(tokens.token().value(), "token-1");
  host_.release();
}

TEST_F(CredentialTest, ARefusalIsInvalidAndSaysWhyButNotTheSecret) {
  host_.plan({{401,
               {},
               "application/json",
               R"({"error":"invalid_client","error_description":)"
               R"("AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1"})"},
              {400,
               {},
               "application/json",
               R"({"error":"invalid_client","error_description":)"
               R"("no such secret: s3cret~of+the&client"})"}});
  auto source = make_token_source(principal(), clock_).value();
  auto refused = source->fetch();
  ASSERT_THAT(refused, FailsWith(Code::invalid));
  for (std::string part : {"401", "invalid_client", "AADSTS7000215", "Invalid client secret"})
    EXPECT_THAT(refused.error().message, HasSubstr(part));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("Trace")));
  refused = source->fetch();
  ASSERT_THAT(refused, FailsWith(Code::invalid));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("s3cret")));
}

TEST_F(CredentialTest, WhatMayPassIsUnavailable) {
  auto source = make_token_source(principal(), clock_).value();
  for (int status : {404, 408, 410, 429, 500, 503}) {
    host_.plan({{status, {}, "", ""}});
    EXPECT_THAT(source->fetch(), FailsWith(Code::unavailable)) << status;
  }
  host_.plan({{200, {}, "text/html", "<html>sign in</html>"}});
  EXPECT_THAT(source->fetch(), FailsWith(Code::unavailable));
  ServicePrincipal nowhere = principal();
  nowhere.authority = "http://127.0.0.1:1";
  EXPECT_THAT(make_token_source(nowhere, clock_).value()->fetch(), FailsWith(Code::unavailable));
}

TEST(TokenAnswer, TakesNumbersAndTexts) {
  constexpr UtcMicros kNow{1'000'000'000};  // 1000 s
  auto lifetime = [&](std::string_view json) { return decode_token_answer(json, kNow)->lifetime; };
  EXPECT_EQ(lifetime(R"({"access_token":"a","expires_in":60})"), seconds(60));
  EXPECT_EQ(lifetime(R"({"access_token":"a","expires_in":"60","x":[1]})"), seconds(60));
  EXPECT_EQ(lifetime(R"({"access_token":"a","expires_on":"1060"})"), seconds(60));
  EXPECT_EQ(lifetime(R"({"access_token":"a","expires_on":1060})"), seconds(60));
  EXPECT_EQ(lifetime(R"({"access_token":"a","expires_in":9223372036854775807})"),
            seconds(7 * 24 * 3600));
}

TEST(TokenAnswer, AnythingElseIsUnavailable) {
  constexpr UtcMicros kNow{1'000'000'000};
  for (std::string json :
       {"", "[]", "{", R"({"expires_in":60})", R"({"access_token":"a"})",
        R"({"access_token":"","expires_in":60})", R"({"access_token":7,"expires_in":60})",
        R"({"access_token":"a\r\nX: y","expires_in":60})", R"({"access_token":"a","expires_in":0})",
        R"({"access_token":"a","expires_in":-60})", R"({"access_token":"a","expires_in":"soon"})",
        R"({"access_token":"a","expires_on":"1000"})", R"({"access_token":"a","expires_on":-1})"})
    EXPECT_THAT(decode_token_answer(json, kNow), FailsWith(Code::unavailable)) << json;
}

TEST_F(CredentialTest, MalformedOptionsAreInvalidAndSecretsAreNotShown) {
  auto refused = [&](CredentialOptions options, const std::string& endpoint) {
    auto opened =
        open_credential(std::move(options), "shop1", parse_endpoint(endpoint).value(), clock_);
    EXPECT_THAT(opened, FailsWith(Code::invalid));
    EXPECT_FALSE(opened.error().message.empty());
    EXPECT_THAT(opened.error().message, Not(HasSubstr("s3cret")));
  };
  const std::string here = "http://127.0.0.1:1";
  const std::string far = "http://azurite:10000";
  const std::string https = "https://login.example.com";
  refused(AccountKey{"s3cret!"}, here);
  refused(SharedAccessSignature{""}, here);
  refused(SharedAccessSignature{"sv=1&si=s3cret"}, here);
  refused(SharedAccessSignature{"sv=1&sig=s3cret\n"}, here);
  refused(SharedAccessSignature{"sv=1&sig=s3cret"}, far);
  refused(ServicePrincipal{"", "c", "s3cret", https}, here);
  refused(ServicePrincipal{"t", "", "s3cret", https}, here);
  refused(ServicePrincipal{"t", "c", "", https}, here);
  refused(ServicePrincipal{"t", "c", "s3cret", "http://login.example.com"}, here);
  refused(ServicePrincipal{"t", "c", "s3cret", "login.example.com"}, here);
  refused(ServicePrincipal{"t", "c", "s3cret", https}, far);
  refused(WorkloadIdentity{"t", "c", "", https}, here);
  refused(WorkloadIdentity{"t", "", "f", https}, here);
  refused(ManagedIdentity{"", "nowhere", ""}, here);
  refused(ManagedIdentity{"", host_.identity_endpoint(), "s3cret\r\n"}, here);
}

// A Blob service of one file, which takes one token.
class OneFileService {
 public:
  void take(const std::string& token) {
    MutexLock lock(mutex_);
    token_ = token;
  }
  std::string endpoint() const { return "http://" + server_->address(); }

 private:
  std::unique_ptr<http::Server> listen() {
    http::Router router;
    router.add(http::Method::get, "/box/a",
               [this](const http::Request& request, const http::Reply& reply) {
                 MutexLock lock(mutex_);
                 bool good = request.headers.find("Authorization") == "Bearer " + token_;
                 if (good)
                   reply({206, {{"Content-Range", "bytes 0-0/1"}, {"ETag", "\"1\""}}, "", "x"});
                 else
                   reply({401, {{"x-ms-error-code", "InvalidAuthenticationInfo"}}, "", ""});
               });
    auto server = http::Server::listen({}, std::move(router), metrics_);
    EXPECT_TRUE(server) << server.error().message;
    return std::move(*server);
  }

  Mutex mutex_;
  std::string token_ GUARDED_BY(mutex_);
  Metrics metrics_;
  std::unique_ptr<http::Server> server_ = listen();
};

class TokenStoreTest : public CredentialTest {
 protected:
  std::unique_ptr<AzureStore> open(CredentialOptions credential) {
    AzureOptions options;
    options.root = "abfss://box@shop1.dfs.core.windows.net";
    options.endpoint = service_.endpoint();
    options.credential = std::move(credential);
    auto opened = AzureStore::open(std::move(options), hasty_, random_, metrics_);
    EXPECT_THAT(opened, Succeeds());
    return std::move(*opened);
  }

  HastyClock hasty_;
  SeededRandom random_{1};
  Metrics metrics_;
  OneFileService service_;
};

TEST_F(TokenStoreTest, ATokenThatIsNotTakenIsRenewedOnce) {
  host_.plan({token_answer("old", 3600), token_answer("new", 3600)});
  service_.take("old");
  auto store = open(principal());
  EXPECT_EQ(store->get("a").value_or("none"), "x");
  service_.take("new");
  EXPECT_EQ(store->get("a").value_or("none"), "x");
  EXPECT_THAT(host_.requests(), SizeIs(2));
  service_.take("another");
  auto refused = store->get("a");
  ASSERT_THAT(refused, FailsWith(Code::unavailable));
  EXPECT_THAT(refused.error().message, HasSubstr("401 InvalidAuthenticationInfo"));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("new")));
  EXPECT_THAT(host_.requests(), SizeIs(3));
}

TEST_F(TokenStoreTest, ATokenThatCannotBeHadJustNowIsTriedForAgain) {
  host_.plan({{503, {}, "", ""}, {429, {}, "", ""}, token_answer("t", 3600)});
  service_.take("t");
  EXPECT_EQ(open(principal())->get("a").value_or("none"), "x");
}

TEST_F(TokenStoreTest, ARefusedSecretIsToldAtOnce) {
  host_.plan({{401, {}, "application/json", R"({"error":"invalid_client"})"}});
  auto refused = open(principal())->get("a");
  ASSERT_THAT(refused, FailsWith(Code::unavailable));
  EXPECT_THAT(refused.error().message, HasSubstr("get a"));
  EXPECT_THAT(refused.error().message, HasSubstr("invalid_client"));
  EXPECT_THAT(refused.error().message, Not(HasSubstr(kSecret)));
  EXPECT_THAT(hasty_.pauses(), SizeIs(0));
}

}  // namespace
}  // namespace tillrace::lake
