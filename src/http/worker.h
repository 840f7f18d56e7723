// One thread of the server: its listening socket, its io_context and its connections.
#pragma once
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"
#include "http/connection.h"
#include "http/mailbox.h"
#include "http/metrics.h"
#include "http/server.h"

namespace tillrace::http {

// What the workers of a server count together. Thread-safe.
class Census {
 public:
  explicit Census(std::size_t max_connections) : max_connections_(max_connections) {}

  enum class Admission { welcome, refused, dropped };
  // Counts a new connection. refused: it may stay to be told that it is one too many. dropped: not
  // even that; not counted.
  Admission arrive();
  void leave();
  void start_listening();
  void stop_listening();
  // Waits until nobody listens and no connection is left. False when the time was up.
  bool wait_until_empty(std::chrono::milliseconds patience);

 private:
  const std::size_t max_connections_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::size_t connections_ GUARDED_BY(mutex_) = 0;
  std::size_t listening_ GUARDED_BY(mutex_) = 0;
};

// start(), start_drain(), stop() from the owner's thread; all else on the worker's own.
class Worker {
 public:
  Worker(const ServerOptions& options, const Router& router, Metrics& metrics, Census& census);
  // As stop().
  ~Worker();

  Status listen(const boost::asio::ip::tcp::endpoint& endpoint);
  void start(unsigned number);
  void start_drain();
  // Ends the thread and closes what is left.
  void stop();

  // For connections.
  const ServerOptions& options() const { return options_; }
  const Router& router() const { return router_; }
  ServerMetrics& metrics() { return metrics_; }
  const SharedMailbox& mailbox() const { return mailbox_; }
  std::chrono::nanoseconds now() { return clock_.monotonic(); }
  bool draining() const { return draining_; }
  // Now, as an answer's Date.
  std::string_view date();
  // Destroys it: the caller, its member function, must return at once.
  void remove(std::uint64_t connection);

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp,
                                                      boost::asio::io_context::executor_type>;
  using Timer =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                        boost::asio::wait_traits<std::chrono::steady_clock>,
                                        boost::asio::io_context::executor_type>;

  void accept();
  void on_accepted(boost::system::error_code error, Socket socket);
  void accept_later(boost::system::error_code error);
  void adopt(Socket socket);
  void drain();
  void accept_backlog();
  void stop_listening();
  void deliver();
  void sweep();

  const ServerOptions& options_;
  const Router& router_;
  ServerMetrics metrics_;
  Census& census_;
  SystemClock clock_;
  boost::asio::io_context io_{1};  // one thread runs it; others only post
  Acceptor acceptor_{io_};
  Timer sweep_timer_{io_};
  Timer accept_timer_{io_};
  SharedMailbox mailbox_;  // with the replies that are still out
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::uint64_t next_connection_ = 1;
  bool draining_ = false;
  std::int64_t date_second_ = -1;
  std::string date_;
  std::jthread thread_;
};

}  // namespace tillrace::http
