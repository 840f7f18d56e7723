// Plain sockets on loopback for the room's tests: a peer that can misbehave as no library would.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/check.h"

namespace tillrace::http {

inline void set_patience(int fd, std::chrono::milliseconds patience) {
  timeval limit{patience.count() / 1000, patience.count() % 1000 * 1000};
  CHECK(::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
}

// One TCP connection. Reads give up after ten seconds, so that no test hangs.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) { set_patience(fd_, std::chrono::seconds(10)); }
  Peer(Peer&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), unread_(std::move(other.unread_)) {}
  Peer& operator=(Peer&&) = delete;
  virtual ~Peer() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

  // `receive_buffer_bytes`: 0 leaves the kernel's choice.
  static Peer connect(std::uint16_t port, int receive_buffer_bytes = 0) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (receive_buffer_bytes > 0)
      ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    return Peer(fd);
  }

  // False when the other side has gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t sent = transmit(bytes.data(), bytes.size());
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  // Ends the connection with a reset.
  void reset() {
    linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(fd_, -1));
  }

  // One answer: head and as many bytes of body as Content-Length says (none after `head_only`).
  // Empty when the connection ended, or ten seconds passed, before.
  std::string read_answer(bool head_only = false) {
    std::size_t end = std::string::npos;
    while ((end = unread_.find("\r\n\r\n")) == std::string::npos)
      if (!read_more()) return {};
    std::size_t length = end + 4 + (head_only ? 0 : content_length(unread_.substr(0, end + 2)));
    while (unread_.size() < length)
      if (!read_more()) return {};
    std::string answer = unread_.substr(0, length);
    unread_.erase(0, length);
    return answer;
  }
  // All up to and with `end`; empty when the connection ended, or ten seconds passed, before.
  std::string read_until(std::string_view end) {
    std::size_t at = std::string::npos;
    while ((at = unread_.find(end)) == std::string::npos)
      if (!read_more()) return {};
    std::string read = unread_.substr(0, at + end.size());
    unread_.erase(0, at + end.size());
    return read;
  }
  // All up to the end of the connection.
  std::string read_to_end() {
    while (read_more()) {
    }
    return std::exchange(unread_, {});
  }
  // Waits for the end of the connection; false when bytes came instead, or nothing for ten seconds.
  bool ended() {
    char byte = 0;
    ssize_t got = ::recv(fd_, &byte, 1, 0);
    return unread_.empty() && (got == 0 || (got < 0 && errno == ECONNRESET));
  }
  // Whether nothing comes for `time`.
  bool silent_for(std::chrono::milliseconds time) {
    set_patience(fd_, time);
    char byte = 0;
    bool silent = ::recv(fd_, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
    set_patience(fd_, std::chrono::seconds(10));
    return silent;
  }

 protected:
  virtual ssize_t transmit(const char* bytes, std::size_t length) {
    return ::send(fd_, bytes, length, MSG_NOSIGNAL);
  }
  virtual ssize_t receive(char* room, std::size_t capacity) {
    return ::recv(fd_, room, capacity, 0);
  }

 private:
  static std::size_t content_length(const std::string& head) {
    std::size_t at = head.find("Content-Length: ");
    return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 16, nullptr, 10);
  }
  bool read_more() {
    char bytes[16384];
    ssize_t got = receive(bytes, sizeof bytes);
    if (got <= 0) return false;
    unread_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int fd_;
  std::string unread_;
};

// Listens on a free port and treats each client, one after the other, as `treat` does.
class Host {
 public:
  explicit Host(std::function<void(Peer)> treat)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    CHECK(::listen(fd_, 16) == 0);
    socklen_t length = sizeof at;
    CHECK(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &length) == 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::jthread([this, treat = std::move(treat)] {
      for (int client = -1; (client = ::accept(fd_, nullptr, nullptr)) >= 0;) treat(Peer(client));
    });
  }
  ~Host() {
    ::shutdown(fd_, SHUT_RDWR);  // ends accept()
    thread_.join();
    ::close(fd_);
  }
  std::uint16_t port() const { return port_; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

}  // namespace tillrace::http
