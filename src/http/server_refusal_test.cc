// Requests that are refused before a handler sees them: by a route's Admit, for their content
// coding, for want of room; and what becomes of their bodies.
#include "http/gzip_for_tests.h"
#include "http/server_for_tests.h"

namespace tillrace::http {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::size_t kPartBytes = 1000;
constexpr std::size_t kMegabyte = 1024 * 1024;

std::string post_chunk(std::string_view path, std::string_view body) {
  return post(path, "Transfer-Encoding: chunked\r\n",
              fmt::format("{:x}\r\n{}\r\n", body.size(), body));
}
std::string post_coded(std::string_view path, std::string_view coding, std::string_view body) {
  return post(path,
              fmt::format("Content-Encoding: {}\r\nContent-Length: {}\r\n", coding, body.size()),
              body);
}

class ServerRefusalTest : public ServerTest {
 protected:
  void add_routes(Router& router) override {
    auto echo = [](Request&& request, Reply reply) {
      reply(text(201, fmt::format("{}: {}", request.client, request.body)));
    };
    auto key = [](Request& head) -> std::optional<Response> {
      if (!head.headers.find("X-Key")) return problem(401, "unauthorized", "No key", "say who");
      head.client = "known";
      return std::nullopt;
    };
    router.add(Method::post, "/locked", echo, {.admit = key});
    auto silent = [this](const Request&) { return std::make_unique<Silent>(held_); };
    router.add(Method::post, "/locked-stream", echo, {.admit = key, .stream = silent});
    router.add(Method::post, "/stream", echo, {.stream = silent, .part_bytes = kPartBytes});
    router.add(Method::post, "/held-body",
               [this](Request&&, Reply reply) { held_.hold(std::move(reply)); },
               {.max_body_bytes = 100'000});
  }
  void start_with_room_for(std::size_t bytes) {
    ServerOptions options;
    options.max_in_flight_bytes = bytes;
    options.max_body_bytes = std::min(options.max_body_bytes, bytes);
    options.body_timeout_ms = 200;
    start(options);
  }
  bool in_flight(std::size_t bytes) {
    return comes_to_show(fmt::format("tillrace_http_in_flight_bytes {}\n", bytes));
  }
  bool refused(std::string_view reason, int times) {
    return comes_to_show(
        fmt::format("tillrace_http_refused_total{{reason=\"{}\"}} {}\n", reason, times));
  }
};

TEST_F(ServerRefusalTest, AdmitMayTellWhoAsks) {
  start();
  EXPECT_THAT(exchange(post("/locked", "X-Key: k\r\nContent-Length: 1\r\n", "b")),
              EndsWith("known: b"));
  EXPECT_THAT(exchange(post_length("/echo", 1, "b")), HasStatus(201));
}

TEST_F(ServerRefusalTest, ARefusedRequestIsAnsweredBeforeItsBodyComesAndTheConnectionStays) {
  start();
  Peer peer = connect();
  peer.send(post_length("/locked", kMegabyte));
  auto answer = peer.read_answer();
  EXPECT_THAT(answer, IsProblem(401, "unauthorized"));
  EXPECT_THAT(answer, Not(HasSubstr("Connection: close")));
  peer.send(std::string(kMegabyte, 'b') + std::string(kHello));
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
  EXPECT_TRUE(refused("not_admitted", 1));
  EXPECT_TRUE(in_flight(0));
}

TEST_F(ServerRefusalTest, ARefusedBodyBeyondAMegabyteEndsTheConnection) {
  start();
  Peer peer = connect();
  peer.send(post_length("/locked", kMegabyte + 1));
  EXPECT_THAT(peer.read_answer(), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_TRUE(peer.ended());
}

TEST_F(ServerRefusalTest, ARefusedChunkedBodyIsCounted) {
  start();
  Peer small = connect();
  small.send(post_chunk("/locked", "abc") + "0\r\n\r\n" + std::string(kHello));
  EXPECT_THAT(small.read_answer(), IsProblem(401, "unauthorized"));
  EXPECT_THAT(small.read_answer(), HasStatus(200));
  Peer large = connect();
  large.send(post_chunk("/locked", std::string(kMegabyte, 'b')));
  EXPECT_THAT(large.read_answer(), IsProblem(401, "unauthorized"));
  EXPECT_TRUE(large.silent_for(50ms));
  large.send("1\r\nb\r\n");
  EXPECT_TRUE(large.ended());
}

TEST_F(ServerRefusalTest, ARefusedBodyThatIsMalformedEndsTheConnection) {
  start();
  Peer peer = connect();
  peer.send(post("/locked", "Transfer-Encoding: chunked\r\n", "nonsense") + std::string(kHello));
  EXPECT_THAT(peer.read_answer(), IsProblem(401, "unauthorized"));
  EXPECT_TRUE(peer.ended());
}

TEST_F(ServerRefusalTest, ARefusedBodyThatDoesNotComeEndsTheConnection) {
  ServerOptions options;
  options.body_timeout_ms = 100;
  start(options);
  Peer peer = connect();
  peer.send(post_length("/locked", 10));
  EXPECT_THAT(peer.read_answer(), IsProblem(401, "unauthorized"));
  EXPECT_TRUE(peer.ended());
}

TEST_F(ServerRefusalTest, AClientThatWaitsToContinueIsRefusedAndTheConnectionEnds) {
  start();
  Peer peer = connect();
  peer.send(post("/locked", "Content-Length: 4\r\nExpect: 100-continue\r\n"));
  EXPECT_THAT(peer.read_answer(), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_TRUE(peer.ended());
}

TEST_F(ServerRefusalTest, AStreamIsNotOpenedForARefusedRequest) {
  start();
  Peer peer = connect();
  peer.send(post_length("/locked-stream", 3, "abc") + std::string(kHello));
  EXPECT_THAT(peer.read_answer(), IsProblem(401, "unauthorized"));
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

TEST_F(ServerRefusalTest, ARefusedHeadRequestHasNoBody) {
  start();
  Peer peer = connect();
  peer.send("HEAD /none HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(kHello));
  EXPECT_THAT(peer.read_answer(true), HasStatus(404));
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

// ---- content codings

TEST_F(ServerRefusalTest, ACompressedBodyIsDecodedForItsHandler) {
  start();
  EXPECT_THAT(exchange(post_coded("/echo", "gzip", gzip("plain"))), EndsWith("\r\n\r\nplain"));
  EXPECT_THAT(exchange(post_coded("/echo", "Identity", "plain")), EndsWith("\r\n\r\nplain"));
}

TEST_F(ServerRefusalTest, AnUnknownOrSecondCodingIs415AtTheHeadWithTheKnownOnes) {
  start();
  for (std::string_view coding :
       {"br", "deflate", "gzip, zstd", "gzip\r\nContent-Encoding: zstd"}) {
    Peer peer = connect();
    peer.send(post("/echo", fmt::format("Content-Encoding: {}\r\nContent-Length: 5\r\n", coding)));
    auto answer = peer.read_answer();
    EXPECT_THAT(answer, IsProblem(415, "unsupported-content-coding")) << coding;
    EXPECT_THAT(answer, HasSubstr("\r\nAccept-Encoding: gzip, zstd\r\n"));
    peer.send("12345" + std::string(kHello));
    EXPECT_THAT(peer.read_answer(), HasStatus(200));
  }
}

TEST_F(ServerRefusalTest, ABrokenCodingIs400AndTheConnectionStays) {
  start();
  auto truncated = gzip("plain");
  truncated.pop_back();
  for (const std::string& body : {std::string("no gzip"), truncated, gzip("a") + "trailing"}) {
    Peer peer = connect();
    peer.send(post_coded("/echo", "gzip", body) + std::string(kHello));
    EXPECT_THAT(peer.read_answer(), IsProblem(400, "malformed-content-coding"));
    EXPECT_THAT(peer.read_answer(), HasStatus(200));
  }
}

TEST_F(ServerRefusalTest, ABombIs413) {
  auto bomb = gzip(std::string(10'000'000, '0'));  // before the connection: its time counts
  start();
  Peer peer = connect();
  peer.send(post_coded("/echo", "gzip", bomb) + std::string(kHello));
  EXPECT_THAT(peer.read_answer(), IsProblem(413, "body-too-large"));
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
  EXPECT_TRUE(in_flight(0));
}

TEST_F(ServerRefusalTest, TheLimitOfABodyHoldsDecoded) {
  start();
  EXPECT_THAT(exchange(post_coded("/echo", "gzip", gzip(std::string(100'000, 'b')))),
              HasStatus(201));
  EXPECT_THAT(exchange(post_coded("/echo", "gzip", gzip(std::string(100'001, 'b')))),
              IsProblem(413, "body-too-large"));
}

// ---- bytes in flight

TEST_F(ServerRefusalTest, ABodyIsInFlightFromItsHeadUntilItsAnswer) {
  start();
  Peer peer = connect();
  peer.send(post_length("/held-body", 1234));
  EXPECT_TRUE(in_flight(1234));
  peer.send(std::string(1234, 'b'));
  auto reply = held_.take();
  EXPECT_TRUE(in_flight(1234));
  reply(text(201, ""));
  EXPECT_THAT(peer.read_answer(), HasStatus(201));
  EXPECT_TRUE(in_flight(0));
}

TEST_F(ServerRefusalTest, ABodyThatWouldPassTheLimitIs429AndMayBeSentAgain) {
  start_with_room_for(1000);
  Peer first = connect();
  first.send(post_length("/held-body", 600, std::string(600, 'b')));
  auto reply = held_.take();
  Peer second = connect();
  second.send(post_length("/echo", 401, std::string(401, 'b')));
  auto answer = second.read_answer();
  EXPECT_THAT(answer, IsProblem(429, "busy"));
  EXPECT_THAT(answer, HasSubstr("\r\nRetry-After: 1\r\n"));
  second.send(post_length("/echo", 400, std::string(400, 'b')));
  EXPECT_THAT(second.read_answer(), HasStatus(201)) << "up to the limit there is room";
  reply(text(201, ""));
  EXPECT_THAT(first.read_answer(), HasStatus(201));
  second.send(post_length("/echo", 1000, std::string(1000, 'b')));
  EXPECT_THAT(second.read_answer(), HasStatus(201));
  EXPECT_TRUE(in_flight(0));
  EXPECT_TRUE(refused("busy", 1));
}

TEST_F(ServerRefusalTest, AChunkedBodyReservesAsItGrows) {
  start_with_room_for(1000);
  Peer peer = connect();
  peer.send(post_chunk("/echo", std::string(700, 'b')));
  EXPECT_TRUE(in_flight(700));
  peer.send("12d\r\n" + std::string(301, 'b') + "\r\n");
  EXPECT_THAT(peer.read_answer(), IsProblem(429, "busy"));
  EXPECT_TRUE(in_flight(0));
  peer.send("5\r\nagain\r\n0\r\n\r\n" + std::string(kHello));
  EXPECT_THAT(peer.read_answer(), HasStatus(200)) << "the rest of the body was dropped";
}

TEST_F(ServerRefusalTest, ACompressedBodyReservesWhatItDecodesTo) {
  start_with_room_for(50'000);
  EXPECT_THAT(exchange(post_coded("/echo", "gzip", gzip(std::string(50'000, 'b')))),
              HasStatus(201));
  EXPECT_THAT(exchange(post_coded("/echo", "gzip", gzip(std::string(50'001, 'b')))),
              IsProblem(429, "busy"));
  EXPECT_TRUE(in_flight(0));
}

TEST_F(ServerRefusalTest, AnAnswerIsInFlightUntilItIsReadAndKeepsBodiesOutForASecond) {
  start_with_room_for(20'000);
  Peer reader = connect();
  reader.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(in_flight(kLargeAnswerBytes));
  Peer sender = connect();
  auto post = post_length("/echo", 400, std::string(400, 'b'));
  sender.send(post);
  EXPECT_THAT(sender.read_answer(), IsProblem(429, "busy"));
  sender.send(kHello);
  EXPECT_THAT(sender.read_answer(), HasStatus(200)) << "what has no body needs no room";
  reader.half_close();
  EXPECT_EQ(reader.read_to_end().size() > kLargeAnswerBytes, true);
  EXPECT_TRUE(in_flight(0));
  sender.send(post);
  EXPECT_THAT(sender.read_answer(), HasStatus(201));
}

TEST_F(ServerRefusalTest, AnAnswerThatNobodyReadsGivesWayToABody) {
  start_with_room_for(20'000);
  Peer reader = connect();
  reader.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(in_flight(kLargeAnswerBytes));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  Peer sender = connect();
  sender.send(post_length("/echo", 400, std::string(400, 'b')));
  EXPECT_THAT(sender.read_answer(), HasStatus(201));
  EXPECT_TRUE(in_flight(0));
  EXPECT_TRUE(refused("unread", 1));
  reader.half_close();
  EXPECT_LT(reader.read_to_end().size(), kLargeAnswerBytes);
}

TEST_F(ServerRefusalTest, AStreamReservesOnePart) {
  start_with_room_for(kPartBytes + 500);
  Peer large = connect();
  large.send(post_length("/stream", 1'000'000, "a"));
  auto reply = held_.take();
  EXPECT_TRUE(in_flight(kPartBytes));
  Peer small = connect();
  small.send(post_length("/stream", 500, "a"));
  auto small_reply = held_.take();
  EXPECT_TRUE(in_flight(kPartBytes + 500)) << "a short body needs no whole part";
  EXPECT_THAT(exchange(post_length("/stream", 1, "a")), IsProblem(429, "busy"));
  small_reply(text(200, ""));
  reply(text(200, ""));
  EXPECT_TRUE(in_flight(0));
}

TEST_F(ServerRefusalTest, AStreamOfUnknownLengthReservesOnePartBeforeItComes) {
  start_with_room_for(kPartBytes + 500);
  Peer chunked = connect();
  chunked.send("POST /stream HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
  auto reply = held_.take();
  EXPECT_TRUE(in_flight(kPartBytes));
  reply(text(200, ""));
  EXPECT_TRUE(in_flight(0));
}

TEST_F(ServerRefusalTest, WhatWasReservedIsReleasedHoweverARequestEnds) {
  start_with_room_for(10'000);
  Peer left = connect();
  left.send(post_length("/echo", 5000, "half"));
  EXPECT_TRUE(in_flight(5000));
  left.reset();
  EXPECT_TRUE(in_flight(0)) << "the client left";
  Peer slow = connect();
  slow.send(post_length("/echo", 5000, "half"));
  EXPECT_THAT(slow.read_answer(), IsProblem(408, "request-timeout"));
  EXPECT_TRUE(in_flight(0)) << "the body did not come";
  EXPECT_THAT(exchange(post_chunk("/echo", "abc") + "zz"), IsProblem(400, "malformed-request"));
  EXPECT_TRUE(in_flight(0)) << "the body was malformed";
  Peer gone = connect();
  gone.send(post_length("/held-body", 3, "abc"));
  auto reply = held_.take();
  gone.reset();
  reply(text(200, ""));
  EXPECT_TRUE(in_flight(0)) << "the client left before its answer";
  Peer forgotten = connect();
  forgotten.send(post_length("/stream", 5000, "a"));
  held_.take();
  EXPECT_THAT(forgotten.read_answer(), HasStatus(500));
  EXPECT_TRUE(in_flight(0)) << "the stream forgot its reply";
  Peer waiting = connect();
  waiting.send(post_length("/held-body", 3, "abc"));
  auto late = held_.take();
  server_.reset();
  EXPECT_TRUE(in_flight(0)) << "the server ended";
}

TEST_F(ServerRefusalTest, RoomForLessThanOneBodyIsRefusedAtTheStart) {
  ServerOptions options;
  options.max_in_flight_bytes = options.max_body_bytes - 1;
  auto server = Server::listen(options, Router(), metrics_);
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().message, HasSubstr("max_in_flight_bytes"));
}

}  // namespace
}  // namespace tillrace::http
