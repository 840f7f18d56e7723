// A server with routes that behave in all the ways the tests need.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "http/loopback_for_tests.h"
#include "http/problem.h"
#include "http/server.h"

namespace tillrace::http {

inline constexpr std::size_t kLargeAnswerBytes = 32 * 1024 * 1024;

// Replies that a handler put away, for the test to call when it likes.
class HeldReplies {
 public:
  void hold(Reply reply) {
    MutexLock lock(mutex_);
    replies_.push_back(std::move(reply));
    changed_.notify_all();
  }
  // Waits until there is one.
  Reply take() {
    MutexLock lock(mutex_);
    while (replies_.empty()) lock.wait(changed_);
    Reply reply = std::move(replies_.front());
    replies_.erase(replies_.begin());
    return reply;
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  std::vector<Reply> replies_ GUARDED_BY(mutex_);
};

// Replies to no part.
class Silent final : public BodyStream {
 public:
  explicit Silent(HeldReplies& held) : held_(held) {}
  void take(std::string, bool, Reply reply) override { held_.hold(std::move(reply)); }

 private:
  HeldReplies& held_;
};

inline std::string post(std::string_view path, std::string_view fields,
                        std::string_view body = "") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: x\r\n{}\r\n{}", path, fields, body);
}
inline std::string post_length(std::string_view path, std::size_t length,
                               std::string_view body = "") {
  return post(path, fmt::format("Content-Length: {}\r\n", length), body);
}

inline Response text(int status, std::string body) {
  return {status, {}, "text/plain", std::move(body)};
}

class ServerTest : public testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    auto made = Server::listen(std::move(options), routes(), metrics_);
    ASSERT_TRUE(made) << made.error().message;
    server_ = std::move(*made);
  }
  Peer connect() { return Peer::connect(server_->port()); }
  // One request on a connection of its own, as it is; all that comes back.
  std::string exchange(std::string_view bytes) {
    Peer peer = connect();
    peer.send(bytes);
    peer.half_close();
    return peer.read_to_end();
  }
  bool shows(std::string_view line) { return metrics_.text().find(line) != std::string::npos; }
  // Waits up to five seconds, as metrics lag behind what a peer sees.
  bool comes_to_show(std::string_view line) {
    for (int i = 0; i < 500; ++i) {
      if (shows(line)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  // For tests that need more routes than those below.
  virtual void add_routes(Router&) {}

  HeldReplies held_;
  Metrics metrics_;
  std::unique_ptr<Server> server_;

 private:
  Router routes() {
    Router router;
    add_routes(router);
    router.add(Method::get, "/hello",
               [](Request&& request, Reply reply) { reply(text(200, "hello " + request.query)); });
    router.add(Method::post, "/echo",
               [](Request&& request, Reply reply) { reply(text(201, std::move(request.body))); },
               {.max_body_bytes = 100'000});
    router.add(Method::post, "/small", [](Request&&, Reply reply) { reply(text(201, "")); },
               {.max_body_bytes = 10});
    router.add(Method::post, "/default", [](Request&&, Reply reply) { reply(text(201, "")); });
    router.add(Method::get, "/held",
               [this](Request&&, Reply reply) { held_.hold(std::move(reply)); });
    router.add(Method::get, "/forgotten", [](Request&&, Reply) {});
    router.add(Method::get, "/elsewhere", [](Request&&, Reply reply) {
      std::thread([reply = std::move(reply)] { reply(text(200, "from elsewhere")); }).detach();
    });
    router.add(Method::get, "/large", [](Request&&, Reply reply) {
      reply(text(200, std::string(kLargeAnswerBytes, 'x')));
    });
    router.add(Method::get, "/peer",
               [](Request&& request, Reply reply) { reply(text(200, request.remote_address)); });
    router.add(Method::get, "/tls", [](Request&& request, Reply reply) {
      reply(text(200, fmt::format("{} '{}'", request.over_tls, request.tls_subject)));
    });
    router.add(Method::get, "/nothing", [](Request&&, Reply reply) { reply({204, {}, "", ""}); });
    router.add(Method::get, "/split", [](Request&&, Reply reply) {
      reply({200, {{"X-Note", "a\r\nSet-Cookie: b"}}, "text/plain", ""});
    });
    return router;
  }
};

MATCHER_P(HasStatus, status, "") {
  return arg.starts_with("HTTP/1.1 " + std::to_string(status) + " ");
}
MATCHER_P2(IsProblem, status, slug, "") {
  return arg.starts_with("HTTP/1.1 " + std::to_string(status) + " ") &&
         arg.find("Content-Type: application/problem+json\r\n") != std::string::npos &&
         arg.find(std::string("{\"type\":\"/problems/") + slug + "\"") != std::string::npos;
}

}  // namespace tillrace::http
