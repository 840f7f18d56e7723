// Bodies that come in parts, and answers that go out in parts.
#include "http/chunk_decoder.h"
#include "http/gzip_for_tests.h"
#include "http/server_for_tests.h"

namespace tillrace::http {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";
constexpr std::size_t kPartBytes = 1000;

struct Part {
  std::string bytes;
  bool is_last = false;
  Reply reply;
};

// The parts that streams were given, for the test to reply to.
class HeldParts {
 public:
  void hold(Part part) {
    MutexLock lock(mutex_);
    parts_.push_back(std::move(part));
    changed_.notify_all();
  }
  Part take() {
    MutexLock lock(mutex_);
    while (parts_.empty()) lock.wait(changed_);
    Part part = std::move(parts_.front());
    parts_.erase(parts_.begin());
    return part;
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  std::vector<Part> parts_ GUARDED_BY(mutex_);
};

Response part_of_answer(std::string body, bool more) {
  Response response{207, {{"X-Kind", "parts"}}, "text/plain", std::move(body)};
  response.more = more;
  return response;
}

// Answers each part with itself.
class Echo final : public BodyStream {
 public:
  void take(std::string part, bool is_last, Reply reply) override {
    reply(part_of_answer(std::move(part), !is_last));
  }
};

class Held final : public BodyStream {
 public:
  Held(HeldParts& parts, std::atomic<int>& alive) : parts_(parts), alive_(alive) { ++alive_; }
  ~Held() override { --alive_; }
  void take(std::string part, bool is_last, Reply reply) override {
    parts_.hold({std::move(part), is_last, std::move(reply)});
  }

 private:
  HeldParts& parts_;
  std::atomic<int>& alive_;
};

class ServerStreamTest : public ServerTest {
 protected:
  void add_routes(Router& router) override {
    auto whole = [](Request&& request, Reply reply) {
      reply(text(200, fmt::format("whole {}", request.body)));
    };
    auto echo = [](const Request& head) -> std::unique_ptr<BodyStream> {
      if (head.query == "whole") return nullptr;
      return std::make_unique<Echo>();
    };
    auto held = [this](const Request&) { return std::make_unique<Held>(parts_, alive_); };
    router.add(Method::post, "/stream", whole, {.stream = echo, .part_bytes = kPartBytes});
    router.add(Method::get, "/stream", whole, {.stream = echo, .part_bytes = kPartBytes});
    router.add(Method::post, "/held-stream", whole, {.stream = held, .part_bytes = kPartBytes});
  }
  // Waits up to five seconds until no stream is left.
  bool all_streams_end() {
    for (int i = 0; i < 500 && alive_ > 0; ++i) std::this_thread::sleep_for(10ms);
    return alive_ == 0;
  }

  HeldParts parts_;
  std::atomic<int> alive_ = 0;
};

std::string head(std::string_view path, std::string_view fields) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: x\r\n{}\r\n", path, fields);
}
std::string with_length(std::string_view path, std::size_t length) {
  return head(path, fmt::format("Content-Length: {}\r\n", length));
}
std::string chunked(std::string_view path) { return head(path, "Transfer-Encoding: chunked\r\n"); }

std::string body_of(const std::string& answer) {
  std::string_view rest(answer);
  rest.remove_prefix(std::min(rest.size(), rest.find("\r\n\r\n") + 4));
  ChunkDecoder decoder;
  std::string decoded;
  decoder.feed(rest, answer.size(), decoded);
  return decoder.state() == ChunkDecoder::State::done ? decoded : "not complete: " + answer;
}

TEST_F(ServerStreamTest, TakesABodyOfAnyLengthAndAnswersInChunks) {
  start();
  std::string body;
  while (body.size() < 1'000'000) body += std::to_string(body.size());
  Peer peer = connect();
  auto sender = named_thread("sender", [&](std::stop_token) {
    peer.send(with_length("/stream", body.size()));
    peer.send(body);
  });
  auto answer = peer.read_until("\r\n" + std::string(kLastChunk));
  EXPECT_THAT(answer, HasStatus(207));
  EXPECT_THAT(answer, HasSubstr("\r\nX-Kind: parts\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Content-Length")));
  EXPECT_TRUE(body_of(answer) == body);
}

TEST_F(ServerStreamTest, AChunkedBodyIsUnframedAndEndsWithALastPart) {
  start();
  Peer peer = connect();
  peer.send(chunked("/held-stream") + "3\r\nabc\r\n");
  Part first = parts_.take();
  EXPECT_EQ(first.bytes, "abc") << "what is there is not held back for what is not";
  EXPECT_FALSE(first.is_last);
  first.reply(part_of_answer("one", true));
  EXPECT_THAT(peer.read_until("3\r\none\r\n"), HasStatus(207));
  peer.send(kLastChunk);
  Part last = parts_.take();
  EXPECT_EQ(last.bytes, "");
  EXPECT_TRUE(last.is_last);
  last.reply(part_of_answer("", false));
  EXPECT_EQ(peer.read_until(kLastChunk), kLastChunk);
  EXPECT_TRUE(all_streams_end());
}

TEST_F(ServerStreamTest, APartHasPartBytesAtMost) {
  start();
  Peer peer = connect();
  peer.send(with_length("/held-stream", kPartBytes + 1) + std::string(kPartBytes + 1, 'p'));
  Part first = parts_.take();
  EXPECT_EQ(first.bytes.size(), kPartBytes);
  EXPECT_FALSE(first.is_last);
  first.reply(part_of_answer("", true));
  Part last = parts_.take();
  EXPECT_EQ(last.bytes.size(), 1u);
  EXPECT_TRUE(last.is_last);
  last.reply(part_of_answer("", false));
  EXPECT_EQ(body_of(peer.read_until("\r\n\r\n" + std::string(kLastChunk))), "");
}

TEST_F(ServerStreamTest, NothingIsReadBeforeTheReplyIsWritten) {
  start();
  Peer peer = connect();
  constexpr std::size_t kLength = 64 * 1024 * 1024;  // more than any socket's buffers
  std::atomic<bool> sent = false;
  auto sender = named_thread("sender", [&](std::stop_token) {
    peer.send(with_length("/held-stream", kLength));
    sent = peer.send(std::string(kLength, 's'));
  });
  Part first = parts_.take();
  std::this_thread::sleep_for(100ms);
  EXPECT_FALSE(sent);
  first.reply(part_of_answer("enough", false));
  EXPECT_THAT(peer.read_until("enough"), HasSubstr("Connection: close"));
}

TEST_F(ServerStreamTest, AnAnswerOfOneReplyHasALengthAndKeepsTheConnection) {
  start();
  Peer peer = connect();
  peer.send(with_length("/stream", 3) + "abc" + std::string(kHello));
  auto answer = peer.read_answer();
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 3\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nabc"));
  EXPECT_THAT(peer.read_answer(), HasSubstr("hello"));
}

TEST_F(ServerStreamTest, AStreamWithoutABodyIsAskedOnce) {
  start();
  EXPECT_THAT(exchange("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"), HasStatus(207));
}

TEST_F(ServerStreamTest, RequestsWithoutAStreamGoToTheHandler) {
  start();
  Peer peer = connect();
  peer.send(with_length("/stream?whole", 3) + "abc");
  EXPECT_THAT(peer.read_answer(), EndsWith("\r\n\r\nwhole abc"));
  peer.send("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(peer.read_answer(true), HasSubstr("Content-Length: 6\r\n"));
}

TEST_F(ServerStreamTest, AnAnswerMayGoOnAfterTheLastPart) {
  start();
  Peer peer = connect();
  peer.send(with_length("/held-stream", 1) + "x");
  for (int i = 0; i < 3; ++i) {
    Part part = parts_.take();
    EXPECT_TRUE(part.is_last);
    EXPECT_EQ(part.bytes, i == 0 ? "x" : "");
    part.reply(part_of_answer(std::to_string(i), i < 2));
  }
  EXPECT_EQ(body_of(peer.read_until("\r\n" + std::string(kLastChunk))), "012");
  peer.send(kHello);
  EXPECT_THAT(peer.read_answer(), HasStatus(200));
}

TEST_F(ServerStreamTest, PipelinedRequestsWaitBehindAStream) {
  start();
  Peer peer = connect();
  peer.send(chunked("/held-stream") + "1\r\na\r\n0\r\n\r\n" + std::string(kHello) +
            chunked("/stream") + "1\r\nz\r\n0\r\n\r\n");
  Part first = parts_.take();
  EXPECT_TRUE(peer.silent_for(50ms));
  first.reply(part_of_answer("first", true));
  parts_.take().reply(part_of_answer("second", false));
  EXPECT_EQ(body_of(peer.read_until("\r\n" + std::string(kLastChunk))), "firstsecond");
  EXPECT_THAT(peer.read_answer(), HasSubstr("hello"));
  EXPECT_THAT(peer.read_answer(), EndsWith("\r\n\r\nz"));
}

TEST_F(ServerStreamTest, Http10GetsThePartsUpToTheEndOfTheConnection) {
  start();
  Peer peer = connect();
  peer.send("POST /held-stream HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\na");
  parts_.take().reply(part_of_answer("one ", true));
  peer.send("b");
  parts_.take().reply(part_of_answer("two", false));
  auto answer = peer.read_to_end();
  EXPECT_THAT(answer, Not(HasSubstr("Transfer-Encoding")));
  EXPECT_THAT(answer, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\none two"));
}

TEST_F(ServerStreamTest, AWaitingClientIsToldToContinue) {
  start();
  Peer peer = connect();
  peer.send(head("/stream", "Content-Length: 4\r\nExpect: 100-continue\r\n"));
  EXPECT_EQ(peer.read_answer(), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("body");
  EXPECT_THAT(peer.read_answer(), HasSubstr("body"));
}

TEST_F(ServerStreamTest, AnEarlyEndClosesTheConnectionAndTheAnswerIsWhole) {
  start();
  Peer peer = connect();
  peer.send(with_length("/held-stream", 100) + "ab");
  parts_.take().reply(part_of_answer("one ", true));
  peer.send("cd");
  parts_.take().reply(part_of_answer("and out", false));
  EXPECT_EQ(body_of(peer.read_to_end()), "one and out");
  EXPECT_TRUE(all_streams_end());
}

TEST_F(ServerStreamTest, AnEarlyEndWithTheFirstReplyClosesToo) {
  start();
  Peer peer = connect();
  peer.send(with_length("/held-stream", 100) + "ab");
  parts_.take().reply(text(422, "no"));
  auto answer = peer.read_to_end();
  EXPECT_THAT(answer, HasStatus(422));
  EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(ServerStreamTest, ABodyTruncatedBeforeTheAnswerBeginsIs400) {
  start();
  EXPECT_THAT(exchange(with_length("/stream", 10)), IsProblem(400, "malformed-request"));
  EXPECT_THAT(exchange(chunked("/stream") + "x"), IsProblem(400, "malformed-request"));
}

TEST_F(ServerStreamTest, ABodyTruncatedLaterBreaksTheAnswerOff) {
  start();
  Peer peer = connect();
  peer.send(with_length("/held-stream", 100) + "ab");
  parts_.take().reply(part_of_answer("one", true));
  EXPECT_THAT(peer.read_until("one\r\n"), HasStatus(207));
  peer.half_close();
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_TRUE(all_streams_end());
}

TEST_F(ServerStreamTest, AChunkMalformedLaterBreaksTheAnswerOff) {
  start();
  Peer peer = connect();
  peer.send(chunked("/held-stream") + "2\r\nab\r\n");
  parts_.take().reply(part_of_answer("one", true));
  EXPECT_THAT(peer.read_until("one\r\n"), HasStatus(207));
  peer.send("not a chunk");
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_TRUE(all_streams_end());
}

TEST_F(ServerStreamTest, AForgottenReplyIs500FirstAndBreaksTheAnswerOffLater) {
  start();
  Peer peer = connect();
  peer.send(with_length("/held-stream", 1) + "x");
  parts_.take();
  EXPECT_THAT(peer.read_answer(), IsProblem(500, "internal-error"));
  peer.send(with_length("/held-stream", 1) + "x");
  parts_.take().reply(part_of_answer("one", true));
  parts_.take();
  EXPECT_THAT(peer.read_to_end(), EndsWith("one\r\n"));
  EXPECT_TRUE(all_streams_end());
}

TEST_F(ServerStreamTest, AStreamWhoseClientLeavesIsDestroyed) {
  start();
  Peer between = connect();
  between.send(with_length("/held-stream", 100) + "ab");
  parts_.take().reply(part_of_answer("one", true));
  between.read_until("one");
  between.reset();
  EXPECT_TRUE(all_streams_end());
  Peer waiting = connect();
  waiting.send(with_length("/held-stream", 100) + "ab");
  Part part = parts_.take();
  waiting.reset();
  part.reply(part_of_answer("too late", true));
  EXPECT_TRUE(all_streams_end());
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
}

TEST_F(ServerStreamTest, AReplyAfterTheServerEndedGoesNowhere) {
  start();
  Peer peer = connect();
  peer.send(with_length("/held-stream", 100) + "ab");
  Part part = parts_.take();
  server_.reset();
  EXPECT_EQ(alive_, 0);
  part.reply(part_of_answer("much too late", true));
  EXPECT_TRUE(peer.ended());
}

TEST_F(ServerStreamTest, AStreamThatPausesIs408) {
  ServerOptions options;
  options.body_timeout_ms = 100;
  start(options);
  Peer peer = connect();
  peer.send(with_length("/held-stream", 100));
  EXPECT_THAT(peer.read_answer(), IsProblem(408, "request-timeout"));
  EXPECT_TRUE(all_streams_end());
}

TEST_F(ServerStreamTest, AStreamThatDripsIsBrokenOff) {
  ServerOptions options;
  options.body_timeout_ms = 200;
  start(options);
  Peer peer = connect();
  peer.send(chunked("/stream"));
  auto started = std::chrono::steady_clock::now();
  while (peer.send("1\r\nb\r\n") && std::chrono::steady_clock::now() - started < 5s)
    std::this_thread::sleep_for(20ms);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 4s);
  EXPECT_THAT(peer.read_to_end(), Not(EndsWith(kLastChunk)));
}

TEST_F(ServerStreamTest, TheTimeOfTheHandlerIsNotCountedAgainstTheClient) {
  ServerOptions options;
  options.body_timeout_ms = options.write_timeout_ms = 100;
  start(options);
  Peer peer = connect();
  peer.send(with_length("/held-stream", 3) + "a");
  for (std::string_view next : {"b", "c", ""}) {
    Part part = parts_.take();
    std::this_thread::sleep_for(200ms);
    part.reply(part_of_answer(part.bytes, !part.is_last));
    peer.send(next);
  }
  EXPECT_EQ(body_of(peer.read_until("\r\n" + std::string(kLastChunk))), "abc");
}

TEST_F(ServerStreamTest, AClientThatDoesNotReadIsClosedAndItsStreamDestroyed) {
  ServerOptions options;
  options.write_timeout_ms = 100;
  start(options);
  Peer peer = Peer::connect(server_->port(), 4096);
  peer.send(with_length("/held-stream", 100) + "ab");
  parts_.take().reply(part_of_answer(std::string(kLargeAnswerBytes, 'x'), true));
  EXPECT_TRUE(all_streams_end());
  EXPECT_TRUE(comes_to_show("tillrace_http_connections 0"));
}

TEST_F(ServerStreamTest, DrainLetsAStreamFinish) {
  start();
  Peer peer = connect();
  peer.send(with_length("/held-stream", 2) + "a");
  parts_.take().reply(part_of_answer("one ", true));
  auto begin = peer.read_until("one \r\n");
  auto drainer = named_thread("drainer", [&](std::stop_token) { EXPECT_TRUE(server_->drain(5s)); });
  EXPECT_TRUE(peer.silent_for(50ms));
  peer.send("b");
  parts_.take().reply(part_of_answer("two", false));
  EXPECT_EQ(body_of(begin + peer.read_to_end()), "one two");
}

TEST_F(ServerStreamTest, DrainEndsAStreamAtTheDeadline) {
  start();
  Peer peer = connect();
  peer.send(with_length("/held-stream", 2) + "a");
  parts_.take().reply(part_of_answer("one", true));
  peer.read_until("one\r\n");
  EXPECT_FALSE(server_->drain(50ms));
  EXPECT_EQ(alive_, 0);
  EXPECT_TRUE(peer.ended());
}

TEST_F(ServerStreamTest, ACompressedStreamIsDecodedPartByPart) {
  start();
  std::string plain(3 * kPartBytes + 1, 'g');
  auto packed = gzip(plain);
  Peer peer = connect();
  peer.send(head("/held-stream",
                 fmt::format("Content-Encoding: gzip\r\nContent-Length: {}\r\n", packed.size())) +
            packed);
  std::string decoded;
  for (bool is_last = false; !is_last;) {
    Part part = parts_.take();
    EXPECT_LE(part.bytes.size(), kPartBytes);
    decoded += part.bytes;
    is_last = part.is_last;
    part.reply(part_of_answer(".", !is_last));
  }
  EXPECT_EQ(decoded, plain);
}

TEST_F(ServerStreamTest, ABombIsTakenPartByPart) {
  start();
  auto packed = gzip(std::string(10'000'000, '0'));
  Peer peer = connect();
  peer.send(head("/stream", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") +
            fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", packed.size(), packed));
  EXPECT_EQ(body_of(peer.read_until("\r\n" + std::string(kLastChunk))).size(), 10'000'000u);
}

TEST_F(ServerStreamTest, ABrokenCodingIs400FirstAndBreaksTheAnswerOffLater) {
  start();
  auto broken = head("/stream", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") +
                "5\r\nhello\r\n0\r\n\r\n";
  Peer peer = connect();
  peer.send(broken + std::string(kHello));
  EXPECT_THAT(peer.read_answer(), IsProblem(400, "malformed-content-coding"));
  EXPECT_THAT(peer.read_answer(), HasStatus(200)) << "where the body ended was known";
  auto packed = gzip(std::string(5000, 'g'));
  packed.resize(packed.size() - 1);
  peer.send(head("/stream",
                 fmt::format("Content-Encoding: gzip\r\nContent-Length: {}\r\n", packed.size())) +
            packed);
  auto answer = peer.read_to_end();
  EXPECT_THAT(answer, HasStatus(207));
  EXPECT_THAT(answer, Not(EndsWith(kLastChunk)));
}

}  // namespace
}  // namespace tillrace::http
