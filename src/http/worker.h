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
#include <deque>
#include <memory>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"
#include "http/byte_budget.h"
#include "http/connection.h"
#include "http/mailbox.h"
#include "http/metrics.h"
#include "http/request_id.h"
#include "http/request_log.h"
#include "http/server.h"
#include "http/tls_context.h"

namespace tillrace::http {

// What the workers of a server count together. Thread-safe.
class Census {
 public:
  explicit Census(std::size_t max_connections) : max_connections_(max_connections) {}

  enum class Admission { welcome, too_many, far_too_many };
  // Counts a new connection, until leave(). too_many: beyond the limit, but it can be told so;
  // far_too_many: there are too many that are being told.
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

// Of refusals that are over in a moment: 429 and 503.
inline constexpr int kRetryAfterSeconds = 1;

// start(), start_drain(), stop() from the owner's thread; all else on the worker's own.
class Worker {
 public:
  // `tls`: nullptr is plain HTTP.
  Worker(const ServerOptions& options, const Router& router, Metrics& metrics, Census& census,
         ByteBudget& budget, TlsContext* tls);
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
  ByteBudget& budget() { return budget_; }
  TlsContext* tls() const { return tls_; }
  std::chrono::nanoseconds now() { return clock_.monotonic(); }
  bool draining() const { return draining_; }
  RequestIds& request_ids() { return request_ids_; }
  RequestLog& request_log() { return request_log_; }
  // Connections in idle or head, the one that has waited longest first.
  WaitingLine& waiting() { return waiting_; }
  // Connections that wait for more of a body, the one that has got none for longest first.
  WaitingLine& receiving() { return receiving_; }
  // Connections whose answer counts as bytes in flight and is not read to its end.
  WaitingLine& unread() { return unread_; }
  // Ends the one whose answer has waited longest, if it has waited long enough.
  bool end_unread();
  // Now, as an answer's Date.
  std::string_view date();
  // The connection's handler gets its turn; see run().
  void queue_for_turn(std::uint64_t connection) { turns_.push_back(connection); }
  // Destroys it: the caller, its member function, must return at once.
  void remove(std::uint64_t connection);

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp,
                                                      boost::asio::io_context::executor_type>;
  using Timer =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                        boost::asio::wait_traits<std::chrono::steady_clock>,
                                        boost::asio::io_context::executor_type>;

  void run();
  void give_turns();
  void accept();
  void on_accepted(boost::system::error_code error, Socket socket);
  bool displace();
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
  ByteBudget& budget_;
  TlsContext* tls_;
  SystemClock clock_;
  boost::asio::io_context io_{1};  // one thread runs it; others only post
  Acceptor acceptor_{io_};
  Timer sweep_timer_{io_};
  Timer accept_timer_{io_};
  RequestIds request_ids_;
  RequestLog request_log_;
  SharedMailbox mailbox_;  // with the replies that are still out
  // These must outlive what stands in them.
  WaitingLine waiting_;
  WaitingLine receiving_;
  WaitingLine unread_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::deque<std::uint64_t> turns_;  // connections whose request has come and waits
  std::uint64_t next_connection_ = 1;
  bool draining_ = false;
  std::int64_t date_second_ = -1;
  std::string date_;
  std::jthread thread_;
};

}  // namespace tillrace::http
