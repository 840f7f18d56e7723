// A line between a session and its server that can be cut at a chosen moment. Included by *_test.cc
// alone.
#pragma once
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <functional>
#include <mutex>
#include <string>

#include "base/thread.h"
#include "warehouse/database_for_tests.h"

namespace tillrace::warehouse {

// When the client sends `text`, or has sent `bytes` since this was set: `then` is called; the
// client's words go on to the server if `forward`; the server's answer goes back if `answer`, else
// the line is cut once the answer is there. Once only.
struct Cut {
  std::string text = {};
  std::size_t bytes = 0;
  std::function<void()> then = {};
  bool forward = true;
  bool answer = true;
};

// Listens on 127.0.0.1 and carries one session at a time to the server's unix socket.
class CuttingProxy {
 public:
  CuttingProxy(const std::string& folder, std::uint16_t server_port) {
    server_.sun_family = AF_UNIX;
    std::string path = fmt::format("{}/.s.PGSQL.{}", folder, server_port);
    path.copy(server_.sun_path, sizeof server_.sun_path - 1);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&here), size), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&here), &size), 0);
    port_ = ntohs(here.sin_port);
    thread_ = named_thread("proxy", [this](const std::stop_token& stop) { run(stop); });
  }
  ~CuttingProxy() {
    thread_.request_stop();
    thread_.join();
    ::close(listener_);
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  std::uint16_t port() const { return port_; }
  void set(Cut cut) {
    std::lock_guard lock(mutex_);
    cut_ = std::move(cut);
    sent_ = 0;
  }

 private:
  static bool readable(int fd) {
    pollfd wanted{fd, POLLIN, 0};
    return ::poll(&wanted, 1, 20) > 0;
  }

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (!readable(listener_)) continue;
      int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (::connect(server, reinterpret_cast<sockaddr*>(&server_), sizeof server_) == 0)
        carry(client, server, stop);
      ::close(client);
      ::close(server);
    }
  }

  void carry(int client, int server, const std::stop_token& stop) {
    bool cut_at_answer = false;
    while (!stop.stop_requested()) {
      pollfd ends[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
      if (::poll(ends, 2, 20) <= 0) continue;
      if (ends[1].revents != 0 && (cut_at_answer || !pass(server, client))) return;
      if (ends[0].revents == 0) continue;
      std::string words = receive(client);
      if (words.empty()) return;
      std::optional<Cut> due = due_for(words);
      if (due && due->then) due->then();
      if (due && !due->forward) return;
      if (!send_all(server, words)) return;
      if (due) cut_at_answer = !due->answer;
    }
  }

  std::optional<Cut> due_for(const std::string& words) {
    std::lock_guard lock(mutex_);
    sent_ += words.size();
    if (!cut_) return std::nullopt;
    bool by_text = !cut_->text.empty() && words.find(cut_->text) != std::string::npos;
    bool by_bytes = cut_->bytes > 0 && sent_ >= cut_->bytes;
    if (!by_text && !by_bytes) return std::nullopt;
    return std::exchange(cut_, std::nullopt);
  }

  static std::string receive(int fd) {
    std::string words(1 << 16, '\0');
    ssize_t size = ::recv(fd, words.data(), words.size(), 0);
    words.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return words;
  }
  static bool send_all(int fd, std::string_view words) {
    while (!words.empty()) {
      ssize_t size = ::send(fd, words.data(), words.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      words.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }
  static bool pass(int from, int to) {
    std::string words = receive(from);
    return !words.empty() && send_all(to, words);
  }

  sockaddr_un server_{};
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::optional<Cut> cut_;
  std::size_t sent_ = 0;
  std::jthread thread_;
};

}  // namespace tillrace::warehouse
