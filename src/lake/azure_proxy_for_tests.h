// A line to Azurite that behaves as badly as networks and busy services do. Included by *_test.cc
// alone.
#pragma once
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"

namespace tillrace::lake {

// What becomes of one request.
struct Fault {
  enum class Kind {
    none,
    refuse,        // answered by the proxy with `status`; the service sees nothing
    lose_request,  // the connection ends; the service sees nothing
    cut_request,   // the connection ends when half of the request has reached the service
    lose_answer,   // the service has answered when the connection ends
    cut_answer,    // the connection ends in the middle of the answer
    hang,          // nothing comes, until the client goes; the service sees nothing
    hang_after,    // the service has answered, but nothing comes
  };
  Kind kind = Kind::none;
  int status = 503;
  std::string fields = {};  // of the refusal: "Retry-After: 3\r\n"
};

// One end of a connection, which gives up when it is told to stop.
class ProxyEnd {
 public:
  ProxyEnd(int fd, std::stop_token stop) : fd_(fd), stop_(std::move(stop)) {}
  ~ProxyEnd() {
    linger at_once{1, 0};  // a reset: what is cut is cut at once
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(fd_);
  }
  ProxyEnd(const ProxyEnd&) = delete;
  ProxyEnd& operator=(const ProxyEnd&) = delete;

  // A head and its body, by Content-Length or in chunks; empty at the end of the connection.
  std::string read_message(bool head_only) {
    std::size_t end = 0;
    while ((end = unread_.find("\r\n\r\n")) == std::string::npos)
      if (!read_more()) return {};
    std::string head = lower(unread_.substr(0, end + 2));
    std::size_t size = end + 4;
    if (!head_only && head.find("\r\ntransfer-encoding: chunked") != std::string::npos) {
      while ((end = unread_.find("\r\n0\r\n\r\n", size - 2)) == std::string::npos)
        if (!read_more()) return {};
      size = end + 7;
    } else if (!head_only) {
      size += content_length(head);
    }
    while (unread_.size() < size)
      if (!read_more()) return {};
    std::string message = unread_.substr(0, size);
    unread_.erase(0, size);
    return message;
  }
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // Waits for the other side to go.
  void drain() {
    while (read_more()) {
    }
  }

 private:
  static std::string lower(std::string text) {
    for (char& c : text)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
  }
  static std::size_t content_length(const std::string& head) {
    constexpr std::string_view kField = "\r\ncontent-length: ";
    std::size_t at = head.find(kField);
    std::size_t value = 0;
    if (at != std::string::npos)
      std::from_chars(head.data() + at + kField.size(), head.data() + head.size(), value);
    return value;
  }
  bool read_more() {
    char bytes[65536];
    while (!stop_.stop_requested()) {
      pollfd wanted{fd_, POLLIN, 0};
      if (::poll(&wanted, 1, 20) == 0) continue;
      ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
      if (got <= 0) return false;
      unread_.append(bytes, static_cast<std::size_t>(got));
      return true;
    }
    return false;
  }

  int fd_;
  std::stop_token stop_;
  std::string unread_;
};

// Listens on 127.0.0.1; asks `choose` about each request, with its head, from any thread.
class BadProxy {
 public:
  using Choose = std::function<Fault(std::string_view request)>;

  explicit BadProxy(std::uint16_t server_port) : server_port_(server_port) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in here = loopback(0);
    socklen_t size = sizeof here;
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&here), size) == 0);
    CHECK(::listen(listener_, 64) == 0);
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&here), &size) == 0);
    port_ = ntohs(here.sin_port);
    thread_ = named_thread("bad-proxy", [this](const std::stop_token& stop) { run(stop); });
  }
  ~BadProxy() {
    thread_.request_stop();
    thread_.join();
    ::close(listener_);
  }
  BadProxy(const BadProxy&) = delete;
  BadProxy& operator=(const BadProxy&) = delete;

  std::uint16_t port() const { return port_; }
  void choose(Choose choose) {
    std::lock_guard lock(mutex_);
    choose_ = std::move(choose);
  }
  // The first request that `wanted` holds for meets the fault; the others pass.
  void once(Fault fault, std::function<bool(std::string_view)> wanted) {
    choose([fault, wanted = std::move(wanted), met = false](std::string_view request) mutable {
      if (met || !wanted(request)) return Fault{};
      met = true;
      return fault;
    });
  }
  int requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void run(const std::stop_token& stop) {
    std::vector<std::jthread> connections;
    while (!stop.stop_requested()) {
      pollfd wanted{listener_, POLLIN, 0};
      if (::poll(&wanted, 1, 20) <= 0) continue;
      int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client >= 0)
        connections.push_back(named_thread(
            "bad-line", [this, client](const std::stop_token& end) { carry(client, end); }));
    }
  }

  void carry(int client_fd, const std::stop_token& stop) {
    ProxyEnd client(client_fd, stop);
    int server_fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ProxyEnd server(server_fd, stop);
    sockaddr_in there = loopback(server_port_);
    if (::connect(server_fd, reinterpret_cast<sockaddr*>(&there), sizeof there) != 0) return;
    for (std::string request; !(request = client.read_message(false)).empty();)
      if (!pass(client, server, request)) return;
  }

  // False when the connection has ended.
  bool pass(ProxyEnd& client, ProxyEnd& server, std::string_view request) {
    Fault fault = fault_for(request);
    using Kind = Fault::Kind;
    if (fault.kind == Kind::refuse) return client.send(refusal(fault));
    if (fault.kind == Kind::lose_request) return false;
    if (fault.kind == Kind::hang) client.drain();
    if (fault.kind == Kind::hang) return false;
    if (fault.kind == Kind::cut_request) {
      server.send(request.substr(0, request.size() / 2));
      return false;
    }
    if (!server.send(request)) return false;
    std::string answer = server.read_message(request.starts_with("HEAD "));
    if (fault.kind == Kind::hang_after) client.drain();
    if (answer.empty() || fault.kind == Kind::lose_answer || fault.kind == Kind::hang_after)
      return false;
    if (fault.kind != Kind::cut_answer) return client.send(answer);
    client.send(std::string_view(answer).substr(0, answer.size() / 2));
    return false;
  }

  Fault fault_for(std::string_view request) {
    std::lock_guard lock(mutex_);
    ++requests_;
    return choose_ ? choose_(request) : Fault{};
  }
  static std::string refusal(const Fault& fault) {
    return fmt::format(
        "HTTP/1.1 {} Refused\r\nContent-Length: 0\r\nx-ms-error-code: ServerBusy\r\n"
        "x-ms-request-id: 0000-proxy\r\n{}\r\n",
        fault.status, fault.fields);
  }

  const std::uint16_t server_port_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  Choose choose_;
  int requests_ = 0;
  std::jthread thread_;
};

// The real time, but pauses pass at once. Thread-safe.
class HastyClock final : public Clock {
 public:
  UtcMicros now() override { return real_.now(); }
  std::chrono::nanoseconds monotonic() override {
    std::lock_guard lock(mutex_);
    return real_.monotonic() + skipped_;
  }
  void sleep_for(std::chrono::nanoseconds duration) override {
    std::lock_guard lock(mutex_);
    skipped_ += duration;
    pauses_.push_back(duration);
  }
  std::vector<std::chrono::nanoseconds> pauses() const {
    std::lock_guard lock(mutex_);
    return pauses_;
  }

 private:
  SystemClock real_;
  mutable std::mutex mutex_;
  std::chrono::nanoseconds skipped_{0};
  std::vector<std::chrono::nanoseconds> pauses_;
};

}  // namespace tillrace::lake
