// What the server does for clients that behave, and for handlers that reply when and where they
// like.
#include "http/server.h"

#include "http/server_for_tests.h"

namespace tillrace::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kHeld = "GET /held HTTP/1.1\r\nHost: x\r\n\r\n";

std::string post(std::string_view path, std::string_view body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", path,
                     body.size(), body);
}

TEST_F(ServerTest, AnswersWithTypeLengthAndDate) {
  start();
  auto answer = exchange("GET /hello?a=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, HasStatus(200));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 9\r\n"));
  EXPECT_THAT(answer, HasSubstr(" GMT\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nhello a=1"));
}

TEST_F(ServerTest, TellsTheAddressItListensOn) {
  start();
  EXPECT_NE(server_->port(), 0);
  EXPECT_EQ(server_->address(), fmt::format("127.0.0.1:{}", server_->port()));
  EXPECT_THAT(exchange("GET /peer HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr("\r\n\r\n127.0.0.1"));
}

TEST_F(ServerTest, KeepsTheConnectionForManyRequests) {
  start();
  Peer peer = connect();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(peer.send(post("/echo", std::to_string(i))));
    auto answer = peer.read_answer();
    ASSERT_THAT(answer, HasStatus(201));
    ASSERT_THAT(answer, testing::EndsWith("\r\n\r\n" + std::to_string(i)));
  }
  EXPECT_TRUE(comes_to_show("tillrace_http_requests_total{code=\"201\"} 100"));
  EXPECT_TRUE(shows("tillrace_http_connections 1"));
  EXPECT_TRUE(comes_to_show("tillrace_http_request_seconds_count 100"));
}

TEST_F(ServerTest, AnswersPipelinedRequestsInTheirOrder) {
  start();
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += post("/echo", fmt::format("<{}>", i));
  auto answers = exchange(requests);
  std::size_t last = 0;
  for (int i = 0; i < 50; ++i) {
    std::size_t at = answers.find(fmt::format("<{}>", i), last);
    ASSERT_NE(at, std::string::npos) << i;
    last = at;
  }
}

TEST_F(ServerTest, PipelinedRequestsWaitForAHeldReply) {
  start();
  Peer peer = connect();
  peer.send(std::string(kHeld) + std::string(kHello));
  auto reply = held_.take();
  EXPECT_TRUE(peer.silent_for(50ms));
  reply(text(200, "first"));
  EXPECT_THAT(peer.read_answer(), HasSubstr("first"));
  EXPECT_THAT(peer.read_answer(), HasSubstr("hello"));
}

TEST_F(ServerTest, TakesARequestByteByByte) {
  start();
  Peer peer = connect();
  for (char byte : post("/echo", "slow but sure")) ASSERT_TRUE(peer.send({&byte, 1}));
  EXPECT_THAT(peer.read_answer(), HasSubstr("slow but sure"));
}

TEST_F(ServerTest, TakesABodyOfExactlyTheRoutesLimit) {
  start();
  EXPECT_THAT(exchange(post("/echo", std::string(100'000, 'b'))), HasStatus(201));
  EXPECT_THAT(exchange(post("/small", "0123456789")), HasStatus(201));
}

TEST_F(ServerTest, DecodesAChunkedBody) {
  start();
  auto answer = exchange(
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4;note=1\r\nWiki\r\n6\r\npedia \r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_THAT(answer, HasStatus(201));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\nWikipedia "));
}

TEST_F(ServerTest, TakesAHeaderOfFiveThousandBytes) {
  start();
  auto request =
      fmt::format("GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", std::string(5000, 'h'));
  EXPECT_THAT(exchange(request), HasStatus(200));
}

TEST_F(ServerTest, TellsAWaitingClientToContinue) {
  start();
  Peer peer = connect();
  peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(peer.read_answer(), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("body");
  EXPECT_THAT(peer.read_answer(), HasSubstr("body"));
}

TEST_F(ServerTest, ServesHeadThroughGetWithoutTheBody) {
  start();
  Peer peer = connect();
  peer.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(kHello));
  auto head = peer.read_answer(true);
  EXPECT_THAT(head, HasStatus(200));
  EXPECT_THAT(head, HasSubstr("Content-Length: 6\r\n"));
  EXPECT_THAT(peer.read_answer(), HasSubstr("\r\n\r\nhello "));
}

TEST_F(ServerTest, AnAnswerWithoutContentHasNoLength) {
  start();
  auto answer = exchange("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, HasStatus(204));
  EXPECT_THAT(answer, Not(HasSubstr("Content-Length")));
}

TEST_F(ServerTest, AHandlersHeaderValueCannotAddAField) {
  start();
  EXPECT_THAT(exchange("GET /split HTTP/1.1\r\nHost: x\r\n\r\n"), Not(HasSubstr("\nSet-Cookie")));
}

TEST_F(ServerTest, ClosesWhenTheClientAsksForIt) {
  start();
  Peer peer = connect();
  peer.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(peer.read_to_end(), HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(ServerTest, Http10ClosesUnlessKeepAliveIsAskedFor) {
  start();
  Peer peer = connect();
  peer.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(peer.read_answer(), HasSubstr("\r\nConnection: keep-alive\r\n"));
  peer.send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_THAT(peer.read_to_end(), HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(ServerTest, AnswersAClientThatHasClosedItsSendingHalf) {
  start();
  Peer peer = connect();
  peer.send(kHeld);
  peer.half_close();
  held_.take()(text(200, "still here"));
  EXPECT_THAT(peer.read_to_end(), HasSubstr("still here"));
}

TEST_F(ServerTest, AReplyMayComeFromAnotherThread) {
  start();
  Peer peer = connect();
  for (int i = 0; i < 50; ++i) {
    peer.send("GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_THAT(peer.read_answer(), HasSubstr("from elsewhere"));
  }
}

TEST_F(ServerTest, OneThreadMayReplyToManyConnectionsAtOnce) {
  start();
  std::vector<Peer> peers;
  for (int i = 0; i < 64; ++i) {
    peers.push_back(connect());
    peers.back().send(kHeld);
  }
  std::vector<Reply> replies;
  for (int i = 0; i < 64; ++i) replies.push_back(held_.take());
  for (auto& reply : replies) reply(text(200, "together"));
  for (auto& peer : peers) EXPECT_THAT(peer.read_answer(), HasSubstr("together"));
}

TEST_F(ServerTest, AForgottenReplyBecomes500AndTheConnectionLivesOn) {
  start();
  Peer peer = connect();
  peer.send("GET /forgotten HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(peer.read_answer(), IsProblem(500, "internal-error"));
  peer.send(kHello);
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

TEST_F(ServerTest, ReplyingTwiceIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        start();
        Peer peer = connect();
        peer.send(kHeld);
        auto reply = held_.take();
        reply(text(200, ""));
        reply(text(200, ""));
      },
      "CHECK");
}

TEST_F(ServerTest, AReplyAfterTheClientLeftGoesNowhere) {
  start();
  Peer leaver = connect();
  leaver.send(kHeld);
  auto reply = held_.take();
  leaver.reset();
  reply(text(200, "too late"));
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
  EXPECT_THAT(exchange(kHello), HasStatus(200));
}

TEST_F(ServerTest, AReplyAfterTheServerEndedGoesNowhere) {
  start();
  Peer peer = connect();
  peer.send(kHeld);
  auto reply = held_.take();
  server_.reset();
  reply(text(200, "much too late"));
  EXPECT_TRUE(peer.ended());
  EXPECT_TRUE(shows("tillrace_http_connections 0"));
}

TEST_F(ServerTest, RepliesRacingWithTheServersEndDoNoHarm) {
  start();
  std::vector<Peer> peers;
  std::vector<Reply> replies;
  for (int i = 0; i < 100; ++i) {
    peers.push_back(connect());
    peers.back().send(kHeld);
    replies.push_back(held_.take());
  }
  auto replier = named_thread("replier", [&](std::stop_token) {
    for (auto& reply : replies) reply(text(200, "racing"));
  });
  server_.reset();
}

TEST_F(ServerTest, AClientThatLeavesInTheMiddleOfARequestIsForgotten) {
  start();
  {
    Peer in_head = connect();
    Peer in_body = connect();
    Peer resetting = connect();
    in_head.send("GET /hel");
    in_body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
    resetting.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
    ASSERT_TRUE(comes_to_show("tillrace_http_connections 3"));
    resetting.reset();
  }
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
  EXPECT_THAT(exchange(kHello), HasStatus(200));
}

TEST_F(ServerTest, AClientThatLeavesInTheMiddleOfAnAnswerIsForgotten) {
  start();
  Peer peer = connect();
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_FALSE(peer.silent_for(5s));
  peer.reset();
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
  EXPECT_THAT(exchange(kHello), HasStatus(200));
}

TEST_F(ServerTest, SendsALargeAnswerWhole) {
  start();
  Peer peer = connect();
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  auto answer = peer.read_answer();
  EXPECT_GT(answer.size(), kLargeAnswerBytes);
  peer.send(kHello);
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

TEST_F(ServerTest, DrainAnswersWhatIsInFlightThenCloses) {
  start();
  Peer busy = connect();
  busy.send(kHeld);
  auto reply = held_.take();
  bool drained = false;
  auto drainer = named_thread("drainer", [&](std::stop_token) { drained = server_->drain(5s); });
  EXPECT_TRUE(busy.silent_for(50ms));
  reply(text(201, "kept my word"));
  auto answer = busy.read_to_end();
  drainer.join();
  EXPECT_THAT(answer, HasSubstr("kept my word"));
  EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_TRUE(drained);
}

TEST_F(ServerTest, DrainLetsARequestArriveThatHasBegun) {
  start();
  Peer peer = connect();
  peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf");
  std::this_thread::sleep_for(50ms);
  auto drainer = named_thread("drainer", [&](std::stop_token) { EXPECT_TRUE(server_->drain(5s)); });
  EXPECT_TRUE(peer.silent_for(50ms));
  peer.send("half");
  EXPECT_THAT(peer.read_to_end(), HasSubstr("halfhalf"));
}

TEST_F(ServerTest, DrainClosesIdleConnectionsAtOnce) {
  start();
  Peer fresh = connect();
  Peer used = connect();
  used.send(kHello);
  used.read_answer();
  EXPECT_TRUE(server_->drain(5s));
  EXPECT_TRUE(fresh.ended());
  EXPECT_TRUE(used.ended());
}

TEST_F(ServerTest, DrainRefusesNewConnections) {
  start();
  ASSERT_TRUE(server_->drain(5s));
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server_->port());
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  ::close(fd);
}

TEST_F(ServerTest, DrainGivesUpAtItsDeadlineAndSaysSo) {
  start();
  Peer peer = connect();
  peer.send(kHeld);
  auto reply = held_.take();
  EXPECT_FALSE(server_->drain(50ms));
  EXPECT_TRUE(peer.ended());
  EXPECT_TRUE(shows("tillrace_http_connections 0"));
  reply(text(200, "too late"));
  EXPECT_TRUE(server_->drain(0ms)) << "there is nothing left to wait for";
}

TEST_F(ServerTest, WhatWasHandledWhileDrainingWasAnswered) {
  start();
  std::atomic<int> answered = 0;
  std::vector<std::jthread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&answered, peer = connect()]() mutable {
      while (peer.send(kHello) && !peer.read_answer().empty()) ++answered;
    });
  }
  while (answered < 100) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(server_->drain(5s));
  clients.clear();
  EXPECT_TRUE(shows(fmt::format("tillrace_http_requests_total{{code=\"200\"}} {}\n", answered)))
      << answered << " answers came; " << metrics_.text();
}

TEST_F(ServerTest, HundredsOfOpenConnectionsAreServed) {
  start();
  std::vector<Peer> peers;
  for (int i = 0; i < 400; ++i) peers.push_back(connect());
  for (auto& peer : peers) peer.send(kHello);
  for (auto& peer : peers) ASSERT_THAT(peer.read_answer(), HasStatus(200));
}

TEST_F(ServerTest, ListensOnIPv6) {
  ServerOptions options;
  options.address = "::1";
  auto server = Server::listen(options, Router(), metrics_);
  if (!server) GTEST_SKIP() << "no IPv6 here: " << server.error().message;
  EXPECT_EQ((*server)->address(), fmt::format("[::1]:{}", (*server)->port()));
}

TEST_F(ServerTest, APortInUseIsRefusedAndNamed) {
  start();
  ServerOptions options;
  options.port = server_->port();
  auto second = Server::listen(options, Router(), metrics_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr(server_->address()));
}

TEST_F(ServerTest, AFreedPortCanBeTakenAgainAtOnce) {
  start();
  exchange("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");  // leaves a socket in
                                                                            // TIME_WAIT
  ServerOptions options;
  options.port = server_->port();
  server_.reset();
  start(options);
  EXPECT_THAT(exchange(kHello), HasStatus(200));
}

TEST_F(ServerTest, WrongOptionsAreRefusedAndNamed) {
  ServerOptions no_address;
  no_address.address = "localhost";
  auto named = Server::listen(no_address, Router(), metrics_);
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, Code::invalid);
  EXPECT_THAT(named.error().message, HasSubstr("'localhost'"));
  ServerOptions foreign;
  foreign.address = "192.0.2.1";  // RFC 5737: nobody's
  auto elsewhere = Server::listen(foreign, Router(), metrics_);
  ASSERT_FALSE(elsewhere);
  EXPECT_THAT(elsewhere.error().message, HasSubstr("192.0.2.1"));
  ServerOptions idle;
  idle.threads = 0;
  EXPECT_FALSE(Server::listen(idle, Router(), metrics_));
}

}  // namespace
}  // namespace tillrace::http
