#include "http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server_for_tests.h"

namespace tillrace::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ClientTest : public ServerTest {
 protected:
  Call call(Method method, std::string_view path) {
    Call made;
    made.method = method;
    made.url = fmt::format("http://{}{}", server_->address(), path);
    return made;
  }
  static Call call_to(const Host& host) {
    Call made;
    made.url = fmt::format("http://127.0.0.1:{}/", host.port());
    return made;
  }
  Client client_;
};

TEST_F(ClientTest, PostsABodyAndGetsTheAnswer) {
  start();
  Call post = call(Method::post, "/echo");
  post.body = std::string("bytes with \0 in them", 20);
  post.headers.add("Content-Type", "application/json");
  auto answer = client_.send(post);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->body, post.body);
  EXPECT_EQ(answer->content_type, "text/plain");
  EXPECT_EQ(answer->headers.find("content-length"), "20");
}

TEST_F(ClientTest, UsesOneConnectionForManyCalls) {
  start();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client_.send(call(Method::get, "/hello?a")));
  EXPECT_TRUE(shows("tillrace_http_connections 1"));
}

TEST_F(ClientTest, SendsEveryMethod) {
  start();
  EXPECT_EQ(client_.send(call(Method::get, "/hello"))->body, "hello ");
  EXPECT_EQ(client_.send(call(Method::head, "/hello"))->body, "");
  EXPECT_EQ(client_.send(call(Method::put, "/hello"))->status, 405);
  EXPECT_EQ(client_.send(call(Method::delete_, "/hello"))->status, 405);
  EXPECT_EQ(client_.send(call(Method::options, "/hello"))->headers.find("Allow"),
            "GET, HEAD, OPTIONS");
  EXPECT_EQ(client_.send(call(Method::post, "/echo"))->status, 201);
  EXPECT_EQ(client_.send(call(Method::get, "/hello"))->status, 200);
}

TEST_F(ClientTest, AnErrorStatusIsAnAnswer) {
  start();
  auto answer = client_.send(call(Method::get, "/none"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->content_type, "application/problem+json");
}

TEST_F(ClientTest, SeesTheRefusalOfATooLargeBody) {
  start();
  Call post = call(Method::post, "/default");
  post.body = std::string(8'000'000, 'b');
  auto answer = client_.send(post);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 413);
}

TEST_F(ClientTest, AKeptConnectionThatTheServerClosedIsReplaced) {
  ServerOptions options;
  options.idle_timeout_ms = 50;
  start(options);
  ASSERT_TRUE(client_.send(call(Method::get, "/hello")));
  ASSERT_TRUE(comes_to_show("tillrace_http_connections 0"));
  EXPECT_TRUE(client_.send(call(Method::get, "/hello")));
}

TEST_F(ClientTest, AClosedPortIsUnavailableAndNamed) {
  start();
  Call get = call(Method::get, "/hello");
  std::string address = server_->address();
  server_.reset();
  auto answer = client_.send(get);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_THAT(answer.error().message, HasSubstr(address));
}

TEST_F(ClientTest, AnUnknownHostIsUnavailableAndNamed) {
  Call get;
  get.url = "http://nobody.invalid:81/";  // RFC 6761: never resolves
  auto answer = client_.send(get);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("nobody.invalid:81"));
}

TEST_F(ClientTest, AServerThatClosesWithoutAnAnswerIsUnavailable) {
  Host host([](Peer) {});
  auto answer = client_.send(call_to(host));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
}

TEST_F(ClientTest, AServerThatClosesInTheMiddleOfItsAnswerIsUnavailable) {
  Host host([](Peer peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    peer.half_close();
    peer.read_to_end();
  });
  auto answer = client_.send(call_to(host));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("middle"));
}

TEST_F(ClientTest, AnAnswerThatIsCutAnywhereIsUnavailable) {
  std::string whole =
      "HTTP/1.1 100 Continue\r\n\r\n"
      "HTTP/1.1 200 OK\r\nX-Id: abc\r\nContent-Length: 4\r\n\r\nbody";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    Host host([&](Peer peer) {
      peer.send(whole.substr(0, length));
      peer.half_close();
      peer.read_to_end();
    });
    Client client;  // its connections end with it
    auto answer = client.send(call_to(host));
    ASSERT_FALSE(answer) << whole.substr(0, length);
    EXPECT_EQ(answer.error().code, Code::unavailable);
  }
}

TEST_F(ClientTest, AServerThatNeverAnswersIsUnavailableInTime) {
  Host host([](Peer peer) { peer.read_to_end(); });
  Call get = call_to(host);
  get.total_timeout_ms = 100;
  auto started = std::chrono::steady_clock::now();
  auto answer = client_.send(get);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("100 ms"));
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
}

TEST_F(ClientTest, AServerThatSpeaksSomethingElseIsUnavailable) {
  Host host([](Peer peer) {
    peer.send("220 mail.example ESMTP\r\n");
    peer.half_close();
    peer.read_to_end();
  });
  auto answer = client_.send(call_to(host));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
}

TEST_F(ClientTest, AnAnswerBeyondTheLimitIsExhausted) {
  start();
  Client careful({.max_response_bytes = 1000});
  auto answer = careful.send(call(Method::get, "/large"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::exhausted);
  EXPECT_TRUE(careful.send(call(Method::get, "/hello")));
}

TEST_F(ClientTest, EndlessHeaderFieldsAreExhausted) {
  Host host([](Peer peer) {
    peer.send("HTTP/1.1 200 OK\r\n");
    while (peer.send("X-More: and more and more and more and more\r\n")) {
    }
  });
  auto answer = client_.send(call_to(host));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::exhausted);
}

TEST_F(ClientTest, HeaderFieldsOfTheOptionsGoWithEveryCallButTheCallsOwnGoBefore) {
  std::string seen;
  {
    Host host([&seen](Peer peer) {
      seen = peer.read_answer();
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    Client client({.headers = {{"Authorization", "Bearer a"}, {"X-Source", "usual"}}});
    Call call = call_to(host);
    call.headers.add("x-source", "own");
    ASSERT_TRUE(client.send(call));
  }
  EXPECT_THAT(seen, HasSubstr("Authorization: Bearer a\r\n"));
  EXPECT_THAT(seen, HasSubstr("x-source: own\r\n"));
  EXPECT_THAT(seen, testing::Not(HasSubstr("usual")));
}

TEST_F(ClientTest, ABodyHasTheContentTypeOfItsCallOrNone) {
  std::string seen;
  {
    Host host([&seen](Peer peer) {
      seen = peer.read_answer();
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    Call put = call_to(host);
    put.method = Method::put;
    put.body = "a=b";
    ASSERT_TRUE(client_.send(put));
  }
  EXPECT_THAT(seen, HasSubstr("PUT / HTTP/1.1\r\n"));
  EXPECT_THAT(seen, testing::Not(testing::ContainsRegex("[Cc]ontent-[Tt]ype")));
}

TEST_F(ClientTest, AMalformedHeaderFieldOfTheOptionsIsInvalid) {
  start();
  Client client({.headers = {{"Authorization", "Bearer a\r\nX: y"}}});
  auto answer = client.send(call(Method::get, "/hello"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::invalid);
}

TEST_F(ClientTest, ARedirectIsAnAnswerAndNotFollowed) {
  Host host([](Peer peer) {
    peer.read_answer();
    peer.send("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
  });
  auto answer = client_.send(call_to(host));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(answer->headers.find("location"), "/elsewhere");
}

TEST_F(ClientTest, AMalformedCallIsInvalidAndNothingIsSent) {
  for (std::string url : {"", "http://", "127.0.0.1 8080", "ftp://127.0.0.1/", "file:///etc/hosts",
                          "http://x:99999/"}) {
    Call get;
    get.url = url;
    auto answer = client_.send(get);
    ASSERT_FALSE(answer) << url;
    EXPECT_EQ(answer.error().code, Code::invalid) << url;
  }
  start();
  Call forged = call(Method::get, "/hello");
  forged.headers.add("X", "a\r\nY: b");
  EXPECT_EQ(client_.send(forged).error().code, Code::invalid);
  EXPECT_FALSE(shows("tillrace_http_connections 1"));
}

}  // namespace
}  // namespace tillrace::http
