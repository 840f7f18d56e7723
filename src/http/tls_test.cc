// What a client sees of a server with TLS.
#include "http/tls_server_for_tests.h"

namespace tillrace::http {
namespace {

using namespace std::chrono_literals;
using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kTls = "GET /tls HTTP/1.1\r\nHost: x\r\n\r\n";
// How a handshake begins: a record of 512 bytes with a ClientHello of 508.
constexpr std::string_view kClientHello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);

std::string post(std::string_view path, std::string_view body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", path,
                     body.size(), body);
}

// ---- what works

TEST_F(TlsServerTest, AnswersOverBothVersions) {
  start_tls();
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsPeer peer = tls_peer({.ca = authority_.certificate(), .highest_version = version});
    ASSERT_TRUE(peer.shake_hands()) << peer.fault();
    EXPECT_EQ(SSL_version(peer.session()), version);
    for (int i = 0; i < 3; ++i) {
      peer.send(kHello);
      EXPECT_THAT(peer.read_answer(), EndsWith("hello "));
    }
  }
}

TEST_F(TlsServerTest, TheRequestSaysThatItCameOverTls) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  peer.send(kTls);
  EXPECT_THAT(peer.read_answer(), EndsWith("true ''"));
}

TEST_F(TlsServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  std::string many;
  for (int i = 0; i < 500; ++i) many += fmt::format("GET /hello?{} HTTP/1.1\r\nHost: x\r\n\r\n", i);
  peer.send(many);
  for (int i = 0; i < 500; ++i)
    ASSERT_THAT(peer.read_answer(), EndsWith(fmt::format("hello {}", i)));
}

TEST_F(TlsServerTest, LargeBodiesComeThroughInBothDirections) {
  ServerOptions options;
  options.max_body_bytes = 8 << 20;
  start_tls(std::move(options));
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  std::string body(99'999, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 % 251);
  for (int i = 0; i < 3; ++i) {
    peer.send(post("/echo", body));
    EXPECT_THAT(peer.read_answer(), EndsWith(body));
    peer.send(post("/default", std::string(5 << 20, 'b')));
    EXPECT_THAT(peer.read_answer(), HasStatus(201));
  }
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string answer = peer.read_answer();
  EXPECT_THAT(answer.substr(0, 200), HasStatus(200));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n" + std::string(kLargeAnswerBytes, 'x')));
}

TEST_F(TlsServerTest, AClientThatReadsSlowlyGetsTheWholeAnswer) {
  start_tls();
  TlsPeer peer(Peer::connect(server_->port(), 4096), {.ca = authority_.certificate()});
  peer.shake_hands();
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  std::this_thread::sleep_for(300ms);
  EXPECT_TRUE(peer.read_answer().ends_with(std::string(kLargeAnswerBytes, 'x')));
}

TEST_F(TlsServerTest, AHandshakeAndARequestThatComeByteByByteAreUnderstood) {
  start_tls();
  TlsPeer peer = tls_peer({.ca = authority_.certificate(), .byte_by_byte = true});
  ASSERT_TRUE(peer.shake_hands()) << peer.fault();
  peer.send(kHello);
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

TEST_F(TlsServerTest, AClientThatWaitsForContinueIsToldTo) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(peer.read_answer(), HasStatus(100));
  peer.send("body");
  EXPECT_THAT(peer.read_answer(), EndsWith("body"));
}

TEST_F(TlsServerTest, ASessionIsResumedByItsTicket) {
  start_tls();
  TlsPeer first = tls_peer({.ca = authority_.certificate(), .highest_version = TLS1_2_VERSION});
  first.shake_hands();
  SSL_SESSION* session = SSL_get1_session(first.session());
  TlsPeer second = tls_peer({.ca = authority_.certificate(), .highest_version = TLS1_2_VERSION});
  SSL_set_session(second.session(), session);
  SSL_SESSION_free(session);
  EXPECT_TRUE(second.shake_hands()) << second.fault();
  EXPECT_EQ(SSL_session_reused(second.session()), 1);
}

TEST_F(TlsServerTest, HttpIsChosenAmongTheProtocolsOffered) {
  start_tls();
  TlsPeer peer =
      tls_peer({.ca = authority_.certificate(), .protocol = std::string("\x02h2\x08http/1.1", 12)});
  ASSERT_TRUE(peer.shake_hands()) << peer.fault();
  const unsigned char* chosen = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(peer.session(), &chosen, &length);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), length), "http/1.1");
}

TEST_F(TlsServerTest, BrowsersAreToldToComeByTlsOnly) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  peer.send(kHello);
  EXPECT_THAT(peer.read_answer(), HasSubstr("\r\nStrict-Transport-Security: max-age="));
}

class Echo final : public BodyStream {
 public:
  void take(std::string part, bool is_last, Reply reply) override {
    if (part.find("break off") != std::string::npos) return;
    Response response = text(207, std::move(part));
    response.more = !is_last;
    reply(std::move(response));
  }
};

class TlsStreamTest : public TlsServerTest {
 protected:
  void add_routes(Router& router) override {
    auto stream = [](const Request&) { return std::make_unique<Echo>(); };
    router.add(Method::post, "/stream", [](Request&&, Reply) {},
               {.stream = stream, .part_bytes = 1000});
  }
};

TEST_F(TlsStreamTest, ABodyInPartsIsAnsweredInChunks) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  std::string body(40'000, 'b');
  peer.send(post("/stream", body));
  std::string answer = peer.read_until("\r\n0\r\n\r\n");
  EXPECT_THAT(answer, HasStatus(207));
  EXPECT_EQ(
      std::count(answer.begin() + static_cast<long>(answer.find("\r\n\r\n")), answer.end(), 'b'),
      40'000);
  peer.send(kHello);
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

TEST_F(TlsStreamTest, AnAnswerUpToTheEndOfTheConnectionEndsCleanlyOnlyWhenItIsWhole) {
  start_tls();
  constexpr std::string_view kFields = "Host: x\r\nContent-Length: 1009\r\n\r\n";
  for (bool whole : {true, false}) {
    TlsPeer peer = tls_peer();
    peer.shake_hands();
    peer.send(fmt::format("POST /stream HTTP/1.0\r\n{}{}{}", kFields, std::string(1000, 'b'),
                          whole ? "carry on!" : "break off"));
    EXPECT_EQ(peer.ended_cleanly(), whole);
  }
}

// ---- how it ends

TEST_F(TlsServerTest, EveryOrderlyEndSaysSo) {
  ServerOptions options;
  options.idle_timeout_ms = 50;
  start_tls(std::move(options));
  TlsPeer asked = tls_peer();
  asked.shake_hands();
  asked.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(asked.read_answer(), HasStatus(200));
  EXPECT_TRUE(asked.ended_cleanly());
  TlsPeer idle = tls_peer();
  idle.shake_hands();
  idle.send(kHello);
  EXPECT_THAT(idle.read_answer(), HasStatus(200));
  EXPECT_TRUE(idle.ended_cleanly());
  TlsPeer wrong = tls_peer();
  wrong.shake_hands();
  wrong.send("nonsense\r\n\r\n");
  EXPECT_THAT(wrong.read_answer(), IsProblem(400, "malformed-request"));
  EXPECT_TRUE(wrong.ended_cleanly());
}

TEST_F(TlsServerTest, AnAnswerThatIsCutOffDoesNotEndCleanly) {
  ServerOptions options;
  options.write_timeout_ms = 50;
  start_tls(std::move(options));
  TlsPeer peer(Peer::connect(server_->port(), 4096), {.ca = authority_.certificate()});
  peer.shake_hands();
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
  EXPECT_FALSE(peer.ended_cleanly());
}

TEST_F(TlsServerTest, ACloseNotifyInTheMiddleOfABodyIsAnswered) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  SSL_shutdown(peer.session());
  EXPECT_THAT(peer.read_to_end(), IsProblem(400, "malformed-request"));
}

TEST_F(TlsServerTest, ABodyThatPausesIsAnsweredAndEnded) {
  ServerOptions options;
  options.body_timeout_ms = 50;
  start_tls(std::move(options));
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_THAT(peer.read_answer(), HasStatus(408));
  EXPECT_TRUE(peer.ended_cleanly());
}

TEST_F(TlsServerTest, ADrainAnswersWhatIsUnderWayAndEndsWhatIsIdle) {
  start_tls();
  TlsPeer idle = tls_peer();
  idle.shake_hands();
  idle.send(kHello);
  idle.read_answer();
  TlsPeer busy = tls_peer();
  busy.shake_hands();
  busy.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  Reply reply = held_.take();
  TlsPeer silent = tls_peer();  // in its handshake
  std::jthread later([&reply] {
    std::this_thread::sleep_for(50ms);
    reply(text(200, "at last"));
  });
  EXPECT_TRUE(server_->drain(5s));
  EXPECT_TRUE(idle.ended_cleanly());
  EXPECT_THAT(busy.read_answer(), AllOf(HasStatus(200), EndsWith("at last")));
  EXPECT_FALSE(silent.shake_hands());
}

TEST_F(TlsServerTest, ARequestThatHasBegunIsAnsweredInADrain) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  peer.send(kHello);
  peer.read_answer();
  std::string request = post("/echo", "whole");
  peer.send(request.substr(0, 20));
  std::jthread later([&] {
    std::this_thread::sleep_for(50ms);
    peer.send(request.substr(20));
  });
  EXPECT_TRUE(server_->drain(5s));
  later.join();
  EXPECT_THAT(peer.read_answer(), EndsWith("whole"));
  EXPECT_TRUE(peer.ended_cleanly());
}

TEST_F(TlsServerTest, ARequestOfWhichHalfARecordHasComeIsAnsweredInADrain) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  peer.send(kHello);
  peer.read_answer();
  std::string record = peer.encrypt(kHello);
  peer.send_as_it_is(record.substr(0, 20));
  std::this_thread::sleep_for(50ms);
  std::jthread later([&] {
    std::this_thread::sleep_for(50ms);
    peer.send_as_it_is(record.substr(20));
  });
  EXPECT_TRUE(server_->drain(5s));
  later.join();
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

// ---- who is refused

TEST_F(TlsServerTest, PlainHttpIsAnsweredInPlainThatTlsIsWanted) {
  start_tls();
  for (std::string request :
       {std::string(kHello), std::string("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n"),
        post("/echo", std::string(90'000, 'b')), std::string("G")}) {
    Peer peer = connect();
    peer.send(request);
    std::string answer = peer.read_to_end();
    EXPECT_THAT(answer, IsProblem(400, "malformed-request")) << request.substr(0, 20);
    EXPECT_THAT(answer, AllOf(HasSubstr("use https://"), HasSubstr("Connection: close")));
  }
}

TEST_F(TlsServerTest, BytesThatAreNoTlsEndTheConnection) {
  start_tls();
  for (std::string_view bytes :
       {std::string_view("\0\0\0\0\0\0\0\0\0\0\0", 11), std::string_view("\x80\x2e\x01\x03\x01", 5),
        std::string_view("\x16\x03\x01\xff\xff\x01\x00\x01\xfc\x03\x03", 11),
        std::string_view("\x17\x03\x03\x00\x05hello", 10),
        std::string_view("hello world\r\n\r\n")}) {
    std::string answer = exchange(bytes);
    EXPECT_THAT(answer, testing::Not(HasSubstr("HTTP"))) << testing::PrintToString(bytes);
  }
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
  EXPECT_TRUE(shows("tillrace_http_refused_total{reason=\"tls\"}"));
}

TEST_F(TlsServerTest, OlderVersionsAreRefused) {
  start_tls();
  for (int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    TlsPeer peer = tls_peer(
        {.ca = authority_.certificate(), .least_version = version, .highest_version = version});
    EXPECT_FALSE(peer.shake_hands());
    EXPECT_THAT(peer.fault(), HasSubstr("protocol version"));
  }
}

TEST_F(TlsServerTest, WeakCiphersAreRefused) {
  start_tls();
  for (const char* ciphers : {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "AES256-SHA256"}) {
    TlsPeer peer = tls_peer(
        {.ca = authority_.certificate(), .highest_version = TLS1_2_VERSION, .ciphers = ciphers});
    EXPECT_FALSE(peer.shake_hands()) << ciphers;
    EXPECT_THAT(peer.fault(), HasSubstr("handshake failure")) << ciphers;
  }
}

TEST_F(TlsServerTest, AClientThatOffersNoProtocolOfOursIsRefused) {
  start_tls();
  TlsPeer peer = tls_peer({.ca = authority_.certificate(), .protocol = std::string("\x02h2", 3)});
  EXPECT_FALSE(peer.shake_hands());
  EXPECT_THAT(peer.fault(), HasSubstr("no application protocol"));
}

TEST_F(TlsServerTest, RenegotiationIsRefused) {
  start_tls();
  TlsPeer peer = tls_peer({.ca = authority_.certificate(), .highest_version = TLS1_2_VERSION});
  peer.shake_hands();
  ASSERT_EQ(SSL_renegotiate(peer.session()), 1);
  bool agreed = SSL_do_handshake(peer.session()) == 1 && peer.send(kHello) &&
                !peer.read_answer().empty() && !SSL_renegotiate_pending(peer.session());
  EXPECT_FALSE(agreed);
}

TEST_F(TlsServerTest, AConnectionTooManyIsToldSo) {
  ServerOptions options;
  options.max_connections = 1;
  start_tls(std::move(options));
  TlsPeer first = tls_peer();
  first.shake_hands();
  first.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");  // or it would give way
  Reply reply = held_.take();
  TlsPeer second = tls_peer();
  ASSERT_TRUE(second.shake_hands()) << second.fault();
  EXPECT_THAT(second.read_answer(), IsProblem(503, "too-many-connections"));
  reply(text(200, ""));
}

TEST_F(TlsServerTest, HandshakesThatDoNotGoOnGiveWay) {
  ServerOptions options;
  options.max_connections = 4;
  options.threads = 1;
  start_tls(std::move(options));
  std::vector<Peer> stuck;
  for (int i = 0; i < 4; ++i) {
    stuck.push_back(connect());
    stuck.back().send(kClientHello);
  }
  std::this_thread::sleep_for(50ms);
  TlsPeer peer = tls_peer();
  ASSERT_TRUE(peer.shake_hands()) << peer.fault();
  peer.send(kHello);
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
  EXPECT_TRUE(shows("tillrace_http_refused_total{reason=\"displaced\"} 1"));
}

// ---- handshakes that go wrong

TEST_F(TlsServerTest, AHandshakeThatNeverComesIsEnded) {
  ServerOptions options;
  options.header_timeout_ms = 100;
  start_tls(std::move(options));
  Peer silent = connect();
  Peer stuck = connect();
  stuck.send(kClientHello);
  EXPECT_TRUE(silent.ended());
  EXPECT_TRUE(stuck.ended());
}

TEST_F(TlsServerTest, AHandshakeThatTricklesIsEnded) {
  ServerOptions options;
  options.header_timeout_ms = 200;
  start_tls(std::move(options));
  Peer peer = connect();
  peer.send(kClientHello);
  auto started = std::chrono::steady_clock::now();
  while (peer.send("x") && std::chrono::steady_clock::now() - started < 5s)
    std::this_thread::sleep_for(10ms);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
}

TEST_F(TlsServerTest, ATimeOfSilenceAfterTheHandshakeIsEnded) {
  ServerOptions options;
  options.header_timeout_ms = 100;
  start_tls(std::move(options));
  TlsPeer peer = tls_peer();
  ASSERT_TRUE(peer.shake_hands());
  EXPECT_TRUE(peer.ended_cleanly());
}

TEST_F(TlsServerTest, AClientThatLeavesDuringTheHandshakeLeavesNothingBehind) {
  start_tls();
  for (int i = 0; i < 50; ++i) {
    Peer reset = connect();
    reset.send(kClientHello.substr(0, static_cast<std::size_t>(i) % (kClientHello.size() + 1)));
    reset.reset();
    Peer closed = connect();
    closed.send(kClientHello);
    TlsPeer answered = tls_peer();
    ASSERT_TRUE(answered.shake_hands());
    answered.reset();  // the ticket may still be on its way
  }
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
}

TEST_F(TlsServerTest, AClientThatLeavesDuringItsAnswerHarmsNobody) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  std::signal(SIGPIPE, SIG_DFL);  // which the server must not cause
  peer.reset();
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
}

TEST_F(TlsServerTest, ManyHalfOpenHandshakesStopNobody) {
  start_tls();
  std::vector<Peer> stuck;
  for (int i = 0; i < 200; ++i) {
    stuck.push_back(connect());
    stuck.back().send(kClientHello);
  }
  auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    TlsPeer peer = tls_peer();
    ASSERT_TRUE(peer.shake_hands());
    peer.send(kHello);
    EXPECT_THAT(peer.read_answer(), HasStatus(200));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
  EXPECT_TRUE(stuck.front().silent_for(1ms));
}

TEST_F(TlsServerTest, ARecordThatWasTamperedWithEndsTheConnectionWithoutAnAnswer) {
  start_tls();
  TlsPeer peer = tls_peer();
  peer.shake_hands();
  peer.send(kHello);
  peer.read_answer();
  std::string forged("\x17\x03\x03\x00\x20", 5);
  forged += std::string(32, 'f');
  ASSERT_EQ(::send(peer.fd(), forged.data(), forged.size(), 0), 37);
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_THAT(peer.fault(), HasSubstr("bad record mac"));
}

// ---- clients' certificates

TEST_F(TlsServerTest, AClientsCertificateIsVerifiedAndItsSubjectToldToTheHandler) {
  start_mutual_tls();
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsPeer peer = tls_peer({.ca = authority_.certificate(),
                             .own = clients_.issue({.organisation = "Shop, Ltd", .name = "till 7"}),
                             .highest_version = version});
    ASSERT_TRUE(peer.shake_hands()) << peer.fault();
    peer.send(kTls);
    EXPECT_THAT(peer.read_answer(), EndsWith("true 'CN=till 7,O=Shop\\, Ltd'"));
  }
}

class ClientCertificateTest : public TlsServerTest {
 protected:
  // Under TLS 1.3 a client takes the handshake for done before the server has looked.
  void expect_refused(const Issued& own, std::string_view alert) {
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      TlsPeer peer =
          tls_peer({.ca = authority_.certificate(), .own = own, .highest_version = version});
      if (peer.shake_hands()) peer.send(kHello);
      EXPECT_EQ(peer.read_to_end(), "");
      EXPECT_THAT(peer.fault(), HasSubstr(alert));
    }
  }
};

TEST_F(ClientCertificateTest, AClientWithoutOneIsRefused) {
  start_mutual_tls();
  TlsPeer peer = tls_peer();
  if (peer.shake_hands()) peer.send(kHello);
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_THAT(peer.fault(), HasSubstr("certificate required"));
}

TEST_F(ClientCertificateTest, OneOfAnotherAuthorityIsRefused) {
  start_mutual_tls();
  expect_refused(authority_.issue({.name = "till 7"}), "unknown ca");
  Authority namesake("clients' authority");
  expect_refused(namesake.issue({.name = "till 7"}), "alert");
}

TEST_F(ClientCertificateTest, AnExpiredOneIsRefused) {
  start_mutual_tls();
  expect_refused(clients_.issue({.name = "till 7", .first_day = -9, .last_day = -1}), "expired");
}

TEST_F(ClientCertificateTest, OneThatIsNotValidYetIsRefused) {
  start_mutual_tls();
  expect_refused(clients_.issue({.name = "till 7", .first_day = 2}), "bad certificate");
}

TEST_F(ClientCertificateTest, OneThatSignedItselfIsRefused) {
  start_mutual_tls();
  expect_refused(Authority("till 7").issue({.name = "till 7"}), "unknown ca");
}

TEST_F(ClientCertificateTest, NoSessionIsResumed) {
  start_mutual_tls();
  Issued own = clients_.issue({.name = "till 7"});
  TlsPeerOptions options{.ca = authority_.certificate(), .own = own};
  options.highest_version = TLS1_2_VERSION;
  TlsPeer first = tls_peer(options);
  ASSERT_TRUE(first.shake_hands());
  SSL_SESSION* session = SSL_get1_session(first.session());
  TlsPeer second = tls_peer(options);
  SSL_set_session(second.session(), session);
  SSL_SESSION_free(session);
  EXPECT_TRUE(second.shake_hands());
  EXPECT_EQ(SSL_session_reused(second.session()), 0);
}

}  // namespace
}  // namespace tillrace::http
