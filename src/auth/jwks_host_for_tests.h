// The web server of an identity provider, on loopback. Test code only.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "http/server.h"

namespace tillrace::auth {

// Answers GET /keys as the test says, which may change its mind.
class JwksHost {
 public:
  explicit JwksHost(std::string body) { answer({200, {}, "application/json", std::move(body)}); }

  void answer(http::Response response) {
    MutexLock lock(mutex_);
    response_ = std::move(response);
  }
  // Further requests get no answer, as long as the host lives.
  void hang() {
    MutexLock lock(mutex_);
    hangs_ = true;
  }
  int fetches() const {
    MutexLock lock(mutex_);
    return fetches_;
  }
  std::string url() const { return "http://" + server_->address() + "/keys"; }

 private:
  std::unique_ptr<http::Server> listen() {
    http::Router router;
    router.add(http::Method::get, "/keys", [this](http::Request&&, http::Reply reply) {
      MutexLock lock(mutex_);
      ++fetches_;
      if (hangs_)
        held_.push_back(std::move(reply));
      else
        reply(response_);
    });
    auto server = http::Server::listen({}, std::move(router), metrics_);
    EXPECT_TRUE(server) << server.error().message;
    return std::move(*server);
  }

  mutable Mutex mutex_;
  http::Response response_ GUARDED_BY(mutex_);
  bool hangs_ GUARDED_BY(mutex_) = false;
  int fetches_ GUARDED_BY(mutex_) = 0;
  std::vector<http::Reply> held_ GUARDED_BY(mutex_);
  Metrics metrics_;
  std::unique_ptr<http::Server> server_ = listen();
};

// Waits up to ten seconds.
inline bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 2'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace tillrace::auth
