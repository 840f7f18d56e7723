// What the server tells clients that break the protocol, take too long or want too much.
#include "http/server_for_tests.h"

namespace tillrace::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kHeld = "GET /held HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(ServerTest, AMalformedRequestLineIs400) {
  start();
  for (std::string_view bad :
       {"GET\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n",
        "GET / HTTX/1.1\r\n\r\n", " GET / HTTP/1.1\r\n\r\n", "GET /\r\n\r\n",
        "GET hello HTTP/1.1\r\nHost: x\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"})
    EXPECT_THAT(exchange(bad), IsProblem(400, "malformed-request")) << bad;
}

TEST_F(ServerTest, ATlsHandshakeOnThePlainPortIs400AtOnce) {
  start();
  Peer peer = connect();
  peer.send(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  EXPECT_THAT(peer.read_answer(), IsProblem(400, "malformed-request"));
}

TEST_F(ServerTest, AMalformedHeaderFieldIs400) {
  start();
  for (std::string_view bad : {"Host : x\r\n", "Host\r\n", ": x\r\n", "Ho st: x\r\n",
                               "Host: x\n\r\n", "Host: a\r\nHost: b\r\n", "X: y\r\n"})
    EXPECT_THAT(exchange(fmt::format("GET /hello HTTP/1.1\r\n{}\r\n", bad)),
                IsProblem(400, "malformed-request"))
        << bad;
}

TEST_F(ServerTest, ANulByteInAHeaderIs400) {
  start();
  using namespace std::string_view_literals;
  EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHost: x\0y\r\n\r\n"sv),
              IsProblem(400, "malformed-request"));
}

TEST_F(ServerTest, AnUnsupportedVersionIs505) {
  start();
  EXPECT_THAT(exchange("GET / HTTP/2.0\r\n\r\n"), IsProblem(505, "unknown-version"));
  EXPECT_THAT(exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), IsProblem(505, "unknown-version"));
  EXPECT_THAT(exchange("GET / HTTP/1.2\r\n\r\n"), IsProblem(505, "unknown-version"));
}

TEST_F(ServerTest, ATooLargeHeaderIs431) {
  start();
  auto one =
      fmt::format("GET /hello HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", std::string(17'000, 'h'));
  EXPECT_THAT(exchange(one), IsProblem(431, "header-too-large"));
  std::string many = "GET /hello HTTP/1.1\r\nHost: x\r\n";
  while (many.size() < 17'000) many += "X-Name: value\r\n";
  EXPECT_THAT(exchange(many + "\r\n"), IsProblem(431, "header-too-large"));
}

TEST_F(ServerTest, ManySmallHeaderFieldsSentOneByOneAre431) {
  start();
  Peer peer = connect();
  peer.send("GET /hello HTTP/1.1\r\nHost: x\r\n");
  for (int i = 0; i < 2000 && peer.send("X-Name: value\r\n"); ++i)
    if (i % 100 == 0) std::this_thread::sleep_for(1ms);
  EXPECT_THAT(peer.read_answer(), IsProblem(431, "header-too-large"));
}

TEST_F(ServerTest, ATooLongTargetIs414) {
  start();
  auto request = fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", std::string(17'000, 'p'));
  EXPECT_THAT(exchange(request), IsProblem(414, "target-too-long"));
}

TEST_F(ServerTest, ATooLargeBodyIs413BeforeItIsSent) {
  start();
  Peer peer = connect();
  peer.send("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n");
  auto answer = peer.read_answer();
  EXPECT_THAT(answer, IsProblem(413, "body-too-large"));
  EXPECT_THAT(answer, HasSubstr("\"max_body_bytes\":10"));
  peer.send("0123456789a" + std::string(kHello));
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

TEST_F(ServerTest, AClientStillSendingATooLargeBodySeesThe413) {
  start();
  Peer peer = connect();
  peer.send("POST /default HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n");
  peer.send(std::string(4'000'000, 'b'));
  EXPECT_THAT(peer.read_answer(), IsProblem(413, "body-too-large"));
}

TEST_F(ServerTest, AChunkedBodyIs413AsSoonAsItIsTooLarge) {
  start();
  Peer peer = connect();
  peer.send(
      "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\nx");
  EXPECT_THAT(peer.read_answer(), IsProblem(413, "body-too-large"));
}

TEST_F(ServerTest, AClientThatWaitsToSendATooLargeBodyIsNotToldToContinue) {
  start();
  Peer peer = connect();
  peer.send(
      "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(peer.read_answer(), IsProblem(413, "body-too-large"));
}

TEST_F(ServerTest, AnUnknownExpectationIs417) {
  start();
  EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n"),
              IsProblem(417, "unknown-expectation"));
}

TEST_F(ServerTest, LengthAndTransferEncodingTogetherAre400) {
  start();
  for (std::string_view both : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                                "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"})
    EXPECT_THAT(exchange(fmt::format("POST /echo HTTP/1.1\r\nHost: x\r\n{}\r\n0\r\n\r\n", both)),
                IsProblem(400, "malformed-request"))
        << both;
}

TEST_F(ServerTest, AContentLengthThatIsNoNumberIs400) {
  start();
  for (std::string_view bad :
       {"-5", "+5", "5a", "", "0x10", "5 5", "5, 6", "99999999999999999999999"})
    EXPECT_THAT(exchange(fmt::format(
                    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\nabcde", bad)),
                IsProblem(400, "malformed-request"))
        << bad;
}

TEST_F(ServerTest, AHugeContentLengthIs413) {
  start();
  EXPECT_THAT(
      exchange(
          "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\nabcde"),
      IsProblem(413, "body-too-large"));
}

TEST_F(ServerTest, TransferCodingsOtherThanChunkedAre501) {
  start();
  for (std::string_view coding : {"gzip", "gzip, chunked", "chunked, gzip", "xchunked", "identity"})
    EXPECT_THAT(
        exchange(fmt::format(
            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {}\r\n\r\n0\r\n\r\n", coding)),
        IsProblem(501, "unknown-transfer-coding"))
        << coding;
}

TEST_F(ServerTest, TransferEncodingInHttp10Is400) {
  start();
  EXPECT_THAT(exchange("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
              IsProblem(400, "malformed-request"));
}

TEST_F(ServerTest, AMalformedChunkIs400) {
  start();
  for (std::string_view bad :
       {"x\r\n", "-1\r\n", "\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "3\r\nabc0\r\n\r\n",
        "10000000000000000000\r\n", "0\r\nbad\ntrailer\r\n\r\n"})
    EXPECT_THAT(exchange(fmt::format(
                    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}", bad)),
                IsProblem(400, "malformed-request"))
        << bad;
}

TEST_F(ServerTest, ATruncatedBodyIs400AndSaysWhatIsMissing) {
  start();
  auto answer = exchange("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
  EXPECT_THAT(answer, IsProblem(400, "malformed-request"));
  EXPECT_THAT(answer, HasSubstr("after 4 of the 100 bytes"));
  EXPECT_THAT(
      exchange("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
      IsProblem(400, "malformed-request"));
}

TEST_F(ServerTest, ATruncatedHeadIs400) {
  start();
  EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHos"), IsProblem(400, "malformed-request"));
}

TEST_F(ServerTest, AnUnknownPathIs404AndNamesTheNearest) {
  start();
  auto answer = exchange("GET /hellow HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, IsProblem(404, "no-such-path"));
  EXPECT_THAT(answer, HasSubstr("did you mean /hello"));
}

TEST_F(ServerTest, AnUnwantedBodyIsDroppedAndTheConnectionLivesOn) {
  start();
  Peer peer = connect();
  peer.send(fmt::format("POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}{}",
                        kHello.size(), kHello, kHello));
  EXPECT_THAT(peer.read_answer(), IsProblem(404, "no-such-path"));
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
  EXPECT_TRUE(peer.silent_for(50ms)) << "the body was taken for a request";
}

TEST_F(ServerTest, AnUnwantedBodyBeyondAMegabyteEndsTheConnection) {
  start();
  Peer peer = connect();
  peer.send("POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
  EXPECT_THAT(peer.read_answer(), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_TRUE(peer.ended());
}

TEST_F(ServerTest, AnUnknownPathWithoutABodyLeavesTheConnectionOpen) {
  start();
  Peer peer = connect();
  peer.send("GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(peer.read_answer(), IsProblem(404, "no-such-path"));
  peer.send(kHello);
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

TEST_F(ServerTest, AWrongMethodIs405WithTheRightOnes) {
  start();
  for (std::string_view method : {"DELETE", "PATCH", "CONNECT", "BREW"}) {
    auto answer = exchange(fmt::format("{} /hello HTTP/1.1\r\nHost: x\r\n\r\n", method));
    EXPECT_THAT(answer, IsProblem(405, "method-not-allowed")) << method;
    EXPECT_THAT(answer, HasSubstr("\r\nAllow: GET, HEAD, OPTIONS\r\n")) << method;
  }
}

TEST_F(ServerTest, ASlowHeadIs408) {
  ServerOptions options;
  options.header_timeout_ms = 100;
  start(options);
  Peer peer = connect();
  for (std::string_view part :
       {"GET /hel", "lo HTTP", "/1.1\r\nHo", "st: x\r\nX", ": y\r\nX", ": z"}) {
    peer.send(part);
    std::this_thread::sleep_for(40ms);
  }
  EXPECT_THAT(peer.read_answer(), IsProblem(408, "request-timeout"));
  EXPECT_TRUE(comes_to_show("tillrace_http_requests_total{code=\"408\"} 1"));
}

TEST_F(ServerTest, ABodyThatPausesIs408) {
  ServerOptions options;
  options.body_timeout_ms = 100;
  start(options);
  Peer peer = connect();
  peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_THAT(peer.read_answer(), IsProblem(408, "request-timeout"));
}

TEST_F(ServerTest, ABodyThatNeverPausesButDripsIs408) {
  ServerOptions options;
  options.body_timeout_ms = 200;
  start(options);
  Peer peer = connect();
  peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
  auto started = std::chrono::steady_clock::now();
  while (peer.silent_for(20ms) && std::chrono::steady_clock::now() - started < 5s) peer.send("b");
  EXPECT_THAT(peer.read_answer(), IsProblem(408, "request-timeout"));
}

TEST_F(ServerTest, ABodyThatTakesLongButKeepsTheRateIsTaken) {
  ServerOptions options;
  options.body_timeout_ms = 200;
  options.min_bytes_per_second = 100;
  start(options);
  Peer peer = connect();
  peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(50ms);
    peer.send("0123456789");
  }
  EXPECT_THAT(peer.read_answer(), HasStatus(201));
}

TEST_F(ServerTest, AClientThatConnectsAndSaysNothingIsClosedWithoutAWord) {
  ServerOptions options;
  options.header_timeout_ms = 100;
  start(options);
  EXPECT_TRUE(connect().ended());
}

TEST_F(ServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  ServerOptions options;
  options.idle_timeout_ms = 100;
  start(options);
  Peer peer = connect();
  peer.send(kHello);
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
  EXPECT_TRUE(peer.ended());
}

TEST_F(ServerTest, AHandlerMayTakeLongerThanAnyTimeout) {
  ServerOptions options;
  options.header_timeout_ms = options.body_timeout_ms = options.idle_timeout_ms = 50;
  start(options);
  Peer peer = connect();
  peer.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  auto reply = held_.take();
  EXPECT_TRUE(peer.silent_for(200ms));
  reply(text(200, "at last"));
  EXPECT_THAT(peer.read_answer(), HasSubstr("at last"));
}

TEST_F(ServerTest, AClientThatDoesNotReadItsAnswerIsClosed) {
  ServerOptions options;
  options.write_timeout_ms = 100;
  start(options);
  Peer peer = Peer::connect(server_->port(), 4096);
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_FALSE(peer.silent_for(5s));
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
  EXPECT_LT(peer.read_to_end().size(), kLargeAnswerBytes);
}

TEST_F(ServerTest, AConnectionTooManyIs503WithRetryAfter) {
  ServerOptions options;
  options.max_connections = 2;
  start(options);
  Peer first = connect();
  Peer second = connect();
  first.send(kHeld);
  second.send(kHeld);
  std::vector<Reply> replies;
  for (int i = 0; i < 2; ++i) replies.push_back(held_.take());
  Peer third = connect();
  third.send(kHello);
  auto answer = third.read_answer();
  EXPECT_THAT(answer, IsProblem(503, "too-many-connections"));
  EXPECT_THAT(answer, HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_TRUE(third.ended());
  EXPECT_TRUE(shows("tillrace_http_refused_total{reason=\"connections\"} 1"));
  for (auto& reply : replies) reply(text(200, "not harmed"));
  EXPECT_THAT(first.read_answer(), HasSubstr("not harmed"));
  EXPECT_THAT(second.read_answer(), HasSubstr("not harmed"));
}

TEST_F(ServerTest, ANewConnectionTakesThePlaceOfTheOneThatWaitedLongest) {
  ServerOptions options;
  options.threads = 1;
  options.max_connections = 3;
  start(options);
  Peer busy = connect();
  busy.send(kHeld);
  auto reply = held_.take();
  Peer idle = connect();
  idle.send(kHello);
  idle.read_answer();
  Peer in_head = connect();
  in_head.send("GET /hel");
  ASSERT_TRUE(comes_to_show("tillrace_http_connections 3"));
  Peer fourth = connect();
  fourth.send(kHello);
  EXPECT_THAT(fourth.read_answer(), HasStatus(200));
  EXPECT_TRUE(idle.ended());
  Peer fifth = connect();
  fifth.send(kHeld);
  auto fifths_reply = held_.take();
  EXPECT_TRUE(in_head.ended()) << "its head has waited longer than the fourth has been idle";
  fourth.send(kHello);
  EXPECT_THAT(fourth.read_answer(), HasStatus(200));
  EXPECT_TRUE(shows("tillrace_http_refused_total{reason=\"displaced\"} 2"));
  reply(text(200, "not harmed"));
  EXPECT_THAT(busy.read_answer(), HasSubstr("not harmed"));
}

TEST_F(ServerTest, SlowHeadsLockNobodyOut) {
  ServerOptions options;
  options.threads = 1;
  options.max_connections = 50;
  start(options);
  std::vector<Peer> slow;
  for (int i = 0; i < 150; ++i) {
    slow.push_back(connect());
    slow.back().send("GET /slow HTTP/1.1\r\nX: ");
    if (i % 10 != 0) continue;
    EXPECT_THAT(exchange(kHello), HasStatus(200)) << i;
  }
}

TEST_F(ServerTest, AFreedPlaceIsGivenToTheNextConnection) {
  ServerOptions options;
  options.max_connections = 1;
  start(options);
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
                HasStatus(200));
    ASSERT_TRUE(comes_to_show("tillrace_http_connections 0"));
  }
}

TEST_F(ServerTest, AFloodBeyondTheLimitDoesNotHarmThoseInside) {
  ServerOptions options;
  options.max_connections = 1;
  start(options);
  Peer inside = connect();
  inside.send(kHeld);
  auto reply = held_.take();
  std::vector<Peer> flood;
  for (int i = 0; i < 200; ++i) flood.push_back(connect());
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(flood[static_cast<std::size_t>(i)].silent_for(5s));
  reply(text(200, "still here"));
  EXPECT_THAT(inside.read_answer(), HasSubstr("still here"));
}

}  // namespace
}  // namespace tillrace::http
