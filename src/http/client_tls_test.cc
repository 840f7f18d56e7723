// The client's side of https.
#include "http/client.h"
#include "http/tls_server_for_tests.h"

namespace tillrace::http {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

class ClientTlsTest : public TlsServerTest {
 protected:
  void SetUp() override {
    TlsServerTest::SetUp();
    options_.ca_file = folder_.write("ca.pem", authority_.certificate());
  }
  Result<Response> get(std::string_view host = "127.0.0.1") {
    Call call;
    call.url = fmt::format("https://{}:{}/tls", host, server_->port());
    return Client(options_).send(call);
  }
  void expect_failed(Code code, const testing::Matcher<std::string>& message,
                     std::string_view host = "127.0.0.1") {
    auto answer = get(host);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, code);
    EXPECT_THAT(answer.error().message, message);
  }
  void use_certificate(const Issued& own) {
    options_.certificate_file = folder_.write("own.pem", own.certificate);
    options_.key_file = folder_.write("own.key", own.key);
  }
  ClientOptions options_;
};

TEST_F(ClientTlsTest, AServerOfTheAuthorityIsBelieved) {
  start_tls();
  auto answer = get();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "true ''");
  EXPECT_TRUE(get("localhost"));
}

TEST_F(ClientTlsTest, ManyCallsUseOneConnection) {
  start_tls();
  Client client(options_);
  Call call;
  call.method = Method::post;
  call.url = fmt::format("https://{}/echo", server_->address());
  call.body = std::string(90'000, 'b');
  for (int i = 0; i < 20; ++i) {
    auto answer = client.send(call);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, call.body);
  }
  EXPECT_TRUE(shows("tillrace_http_connections 1"));
}

TEST_F(ClientTlsTest, AServerOfAnotherAuthorityIsNotBelieved) {
  start_tls();
  options_.ca_file = folder_.write("ca.pem", clients_.certificate());
  expect_failed(Code::unavailable,
                AllOf(HasSubstr("certificate is not accepted"), HasSubstr(server_->address())));
}

TEST_F(ClientTlsTest, TheSystemDoesNotKnowATestsAuthority) {
  start_tls();
  options_.ca_file = "";
  expect_failed(Code::unavailable, HasSubstr("certificate is not accepted"));
}

TEST_F(ClientTlsTest, AnExpiredCertificateIsNotAccepted) {
  start_tls({}, {.name = "old", .hosts = "IP:127.0.0.1", .first_day = -9, .last_day = -1});
  expect_failed(Code::unavailable, HasSubstr("expired"));
}

TEST_F(ClientTlsTest, ACertificateOfAnotherHostIsNotAccepted) {
  start_tls({}, {.name = "other", .hosts = "DNS:example.com"});
  expect_failed(Code::unavailable,
                AllOf(HasSubstr("certificate is not accepted"), HasSubstr("127.0.0.1")));
  expect_failed(Code::unavailable, HasSubstr("localhost"), "localhost");
}

TEST_F(ClientTlsTest, AServerThatSpeaksPlainHttpIsNamedAsSuch) {
  start();
  expect_failed(Code::unavailable, HasSubstr("does not speak TLS"));
}

TEST_F(ClientTlsTest, AClientWithACertificateIsKnownByIt) {
  start_mutual_tls();
  use_certificate(clients_.issue({.name = "till 7"}));
  auto answer = get();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "true 'CN=till 7,O=Tests'");
}

TEST_F(ClientTlsTest, AClientWithoutACertificateLearnsThatOneIsNeeded) {
  start_mutual_tls();
  expect_failed(Code::unavailable, HasSubstr("certificate required"));
}

TEST_F(ClientTlsTest, AClientWithAWrongCertificateLearnsSo) {
  start_mutual_tls();
  use_certificate(authority_.issue({.name = "till 7"}));
  expect_failed(Code::unavailable, HasSubstr("unknown ca"));
  use_certificate(clients_.issue({.name = "till 7", .first_day = -9, .last_day = -1}));
  expect_failed(Code::unavailable, HasSubstr("expired"));
}

TEST_F(ClientTlsTest, AFileThatCannotBeUsedIsNamed) {
  start_tls();
  std::string missing = folder_.path("missing.pem");
  std::string nonsense = folder_.write("nonsense.pem", "nonsense");
  for (const std::string& bad : {missing, nonsense}) {
    use_certificate(clients_.issue({.name = "till 7"}));
    std::string good = std::exchange(options_.ca_file, bad);
    expect_failed(Code::invalid, AllOf(HasSubstr("ca_file"), HasSubstr(bad)));
    options_.ca_file = good;
    options_.key_file = bad;
    expect_failed(Code::invalid, AllOf(HasSubstr("key_file"), HasSubstr(bad)));
    use_certificate(clients_.issue({.name = "till 7"}));
    options_.certificate_file = bad;
    expect_failed(Code::invalid, AllOf(HasSubstr("certificate_file"), HasSubstr(bad)));
  }
}

TEST_F(ClientTlsTest, AKeyOfAnotherCertificateIsInvalid) {
  start_tls();
  use_certificate(clients_.issue({.name = "till 7"}));
  folder_.write("own.key", clients_.issue({.name = "till 8"}).key);
  expect_failed(Code::invalid, HasSubstr("key"));
}

TEST_F(ClientTlsTest, CertificateAndKeyNeedEachOther) {
  start_tls();
  options_.key_file = folder_.path("server.key");
  expect_failed(Code::invalid, AllOf(HasSubstr("certificate_file"), HasSubstr("key_file")));
}

}  // namespace
}  // namespace tillrace::http
