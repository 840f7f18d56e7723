// The token endpoint of an identity provider, on loopback. Included by *_test.cc alone.
#pragma once
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "http/server.h"

namespace tillrace::lake {

inline http::Response token_answer(const std::string& token, int seconds) {
  return {200,
          {},
          "application/json",
          fmt::format(R"({{"token_type":"Bearer","expires_in":{},"access_token":"{}"}})", seconds,
                      token)};
}

// Answers /tenant/oauth2/v2.0/token (POST) and /identity (GET) as the test has planned, one answer
// after the other and the last again and again; remembers what it was asked.
class IdentityHost {
 public:
  void plan(std::vector<http::Response> answers) {
    MutexLock lock(mutex_);
    answers_.assign(answers.begin(), answers.end());
  }
  // Answers only when released.
  void hold() {
    MutexLock lock(mutex_);
    holding_ = true;
  }
  void release() {
    std::vector<http::Reply> held;
    {
      MutexLock lock(mutex_);
      holding_ = false;
      held.swap(held_);
    }
    for (const http::Reply& reply : held) reply(next());
  }
  std::vector<http::Request> requests() const {
    MutexLock lock(mutex_);
    return requests_;
  }
  std::string authority() const { return "http://" + server_->address(); }
  std::string identity_endpoint() const { return authority() + "/identity"; }

 private:
  std::unique_ptr<http::Server> listen() {
    http::Router router;
    auto answer = [this](http::Request&& request, const http::Reply& reply) {
      {
        MutexLock lock(mutex_);
        requests_.push_back(std::move(request));
        if (holding_) {
          held_.push_back(reply);
          return;
        }
      }
      reply(next());
    };
    router.add(http::Method::post, "/tenant/oauth2/v2.0/token", answer);
    router.add(http::Method::get, "/identity", answer);
    auto server = http::Server::listen({}, std::move(router), metrics_);
    EXPECT_TRUE(server) << server.error().message;
    return std::move(*server);
  }
  http::Response next() {
    MutexLock lock(mutex_);
    if (answers_.empty()) return {500, {}, "", ""};
    http::Response answer = answers_.front();
    if (answers_.size() > 1) answers_.pop_front();
    return answer;
  }

  mutable Mutex mutex_;
  std::deque<http::Response> answers_ GUARDED_BY(mutex_);
  std::vector<http::Request> requests_ GUARDED_BY(mutex_);
  bool holding_ GUARDED_BY(mutex_) = false;
  std::vector<http::Reply> held_ GUARDED_BY(mutex_);
  Metrics metrics_;
  std::unique_ptr<http::Server> server_ = listen();
};

}  // namespace tillrace::lake
