// The files of TLS: what is wrong with them, and what becomes of new ones.
#include "http/tls_server_for_tests.h"

namespace tillrace::http {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

class TlsFilesTest : public TlsServerTest {
 protected:
  void SetUp() override {
    TlsServerTest::SetUp();
    install(kLocalhost);
    options_.tls.certificate_file = folder_.path("server.pem");
    options_.tls.key_file = folder_.path("server.key");
  }
  // Why no server can be made of `options_`.
  std::string fault() {
    auto server = Server::listen(options_, Router(), metrics_);
    if (server) return "none";
    EXPECT_EQ(server.error().code, Code::invalid);
    return server.error().message;
  }
  std::string name_now() {
    TlsPeer peer = tls_peer();
    return peer.shake_hands() ? peer.server_name() : peer.fault();
  }
  ServerOptions options_;
};

TEST_F(TlsFilesTest, GoodOnesAreTaken) { EXPECT_EQ(fault(), "none"); }

TEST_F(TlsFilesTest, CertificateAndKeyNeedEachOther) {
  options_.tls.key_file = "";
  EXPECT_THAT(fault(), AllOf(HasSubstr("certificate_file"), HasSubstr("key_file")));
  options_.tls = {};
  options_.tls.client_ca_file = folder_.write("ca.pem", clients_.certificate());
  EXPECT_THAT(fault(), AllOf(HasSubstr("certificate_file"), HasSubstr("key_file")));
}

TEST_F(TlsFilesTest, AMissingFileIsNamed) {
  TlsOptions good = options_.tls;
  std::string missing = folder_.path("missing.pem");
  options_.tls.certificate_file = missing;
  EXPECT_THAT(fault(), AllOf(HasSubstr("certificate_file"), HasSubstr(missing)));
  options_.tls = good;
  options_.tls.key_file = missing;
  EXPECT_THAT(fault(), AllOf(HasSubstr("key_file"), HasSubstr(missing)));
  options_.tls = good;
  options_.tls.client_ca_file = missing;
  EXPECT_THAT(fault(), AllOf(HasSubstr("client_ca_file"), HasSubstr(missing)));
}

TEST_F(TlsFilesTest, AFileWithoutPemIsNamed) {
  TlsOptions good = options_.tls;
  for (std::string_view content :
       {"", "nonsense", "-----BEGIN NONSENSE-----\nAAAA\n-----END NONSENSE-----\n"}) {
    std::string wrong = folder_.write("wrong.pem", std::string(content));
    options_.tls = good;
    options_.tls.certificate_file = wrong;
    EXPECT_THAT(fault(), AllOf(HasSubstr("no certificate in PEM"), HasSubstr(wrong)));
    options_.tls = good;
    options_.tls.key_file = wrong;
    EXPECT_THAT(fault(), AllOf(HasSubstr("no private key in PEM"), HasSubstr(wrong)));
    options_.tls = good;
    options_.tls.client_ca_file = wrong;
    EXPECT_THAT(fault(), AllOf(HasSubstr("no certificate in PEM"), HasSubstr(wrong)));
  }
}

TEST_F(TlsFilesTest, ABrokenCertificateIsNamedWithItsPlaceInTheChain) {
  std::string chain = authority_.issue(kLocalhost).certificate;
  chain += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  folder_.write("server.pem", chain);
  EXPECT_THAT(fault(), AllOf(HasSubstr("server.pem"), HasSubstr("certificate 2 is broken")));
}

TEST_F(TlsFilesTest, ACutOffCertificateIsRefused) {
  std::string whole = authority_.issue(kLocalhost).certificate;
  folder_.write("server.pem", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(fault(), HasSubstr("server.pem"));
}

TEST_F(TlsFilesTest, AKeyOfAnotherCertificateIsRefused) {
  folder_.write("server.key", authority_.issue(kLocalhost).key);
  EXPECT_THAT(fault(), AllOf(HasSubstr("server.key"), HasSubstr("does not belong"),
                             HasSubstr("server.pem")));
}

TEST_F(TlsFilesTest, AnEncryptedKeyIsRefused) {
  folder_.write("server.key", Authority::encrypted_key());
  EXPECT_THAT(fault(), AllOf(HasSubstr("server.key"), HasSubstr("encrypted")));
}

TEST_F(TlsFilesTest, ACertificateInPlaceOfTheKeyIsRefused) {
  options_.tls.key_file = options_.tls.certificate_file;
  EXPECT_THAT(fault(), HasSubstr("no private key in PEM"));
}

TEST_F(TlsFilesTest, AnExpiredCertificateIsWarnedOfAndServed) {
  testing::internal::CaptureStderr();
  install({.name = "old", .hosts = "DNS:localhost", .first_day = -9, .last_day = -1});
  EXPECT_EQ(fault(), "none");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("server.pem"), HasSubstr("expired at 20")));
}

TEST_F(TlsFilesTest, ACertificateThatIsNotValidYetIsWarnedOf) {
  testing::internal::CaptureStderr();
  install({.name = "new", .hosts = "DNS:localhost", .first_day = 2});
  EXPECT_EQ(fault(), "none");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("not valid before 20"));
}

TEST_F(TlsFilesTest, AKeyThatEverybodyMayReadIsWarnedOf) {
  testing::internal::CaptureStderr();
  std::filesystem::permissions(options_.tls.key_file, std::filesystem::perms(0644));
  EXPECT_EQ(fault(), "none");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("server.key"), HasSubstr("everybody")));
}

TEST_F(TlsFilesTest, TheWholeChainIsSent) {
  Issued issued = authority_.issue(kLocalhost);
  folder_.write("server.pem", issued.certificate + authority_.certificate());
  folder_.write("server.key", issued.key);
  start(options_);
  TlsPeer peer = tls_peer();
  ASSERT_TRUE(peer.shake_hands());
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(peer.session())), 2);
}

// ---- reload_tls()

TEST_F(TlsFilesTest, NewConnectionsSeeTheNewCertificateAndOldOnesGoOn) {
  start(options_);
  TlsPeer old = tls_peer();
  old.shake_hands();
  EXPECT_EQ(old.server_name(), "first");
  TlsPeer half_open = tls_peer();  // its TLS began before, so it may see either
  install({.name = "second", .hosts = "DNS:localhost"});
  EXPECT_EQ(name_now(), "first");
  ASSERT_TRUE(server_->reload_tls());
  EXPECT_EQ(name_now(), "second");
  EXPECT_TRUE(half_open.shake_hands());
  old.send(kHello);
  EXPECT_THAT(old.read_answer(), HasStatus(200));
}

TEST_F(TlsFilesTest, ABadNewFileLeavesTheOldInForce) {
  start(options_);
  folder_.write("server.key", authority_.issue(kLocalhost).key);
  Status wrong_key = server_->reload_tls();
  ASSERT_FALSE(wrong_key);
  EXPECT_EQ(wrong_key.error().code, Code::invalid);
  EXPECT_THAT(wrong_key.error().message, HasSubstr("does not belong"));
  std::filesystem::remove(options_.tls.certificate_file);
  Status missing = server_->reload_tls();
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("server.pem"));
  EXPECT_EQ(name_now(), "first");
  install({.name = "second", .hosts = "DNS:localhost"});
  EXPECT_TRUE(server_->reload_tls());
  EXPECT_EQ(name_now(), "second");
}

TEST_F(TlsFilesTest, ANewAuthorityOfClientsHoldsForNewConnections) {
  options_.tls.client_ca_file = folder_.write("clients.pem", clients_.certificate());
  start(options_);
  TlsPeerOptions as_client{.ca = authority_.certificate(), .own = clients_.issue({.name = "till"})};
  TlsPeer old = tls_peer(as_client);
  ASSERT_TRUE(old.shake_hands());
  old.send(kHello);
  EXPECT_THAT(old.read_answer(), HasStatus(200));
  folder_.write("clients.pem", authority_.certificate());
  ASSERT_TRUE(server_->reload_tls());
  TlsPeer late = tls_peer(as_client);
  if (late.shake_hands()) late.send(kHello);
  EXPECT_EQ(late.read_to_end(), "");
  old.send(kHello);
  EXPECT_THAT(old.read_answer(), HasStatus(200));
}

TEST_F(TlsFilesTest, ReloadsWhileConnectionsComeAndGoHarmNone) {
  start(options_);
  std::jthread reloading([this](std::stop_token stop) {
    while (!stop.stop_requested()) EXPECT_TRUE(server_->reload_tls());
  });
  for (int i = 0; i < 100; ++i) {
    TlsPeer peer = tls_peer();
    ASSERT_TRUE(peer.shake_hands()) << peer.fault();
    peer.send(kHello);
    ASSERT_THAT(peer.read_answer(), HasStatus(200));
  }
}

TEST_F(TlsFilesTest, AServerWithoutTlsHasNothingToReload) {
  start();
  Status reloaded = server_->reload_tls();
  ASSERT_FALSE(reloaded);
  EXPECT_EQ(reloaded.error().code, Code::invalid);
}

}  // namespace
}  // namespace tillrace::http
