#include "http/worker.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/socket_base.hpp>

#include "base/logging.h"
#include "base/thread.h"
#include "http/problem.h"
#include "http/response_head.h"

namespace tillrace::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

// What all connections wait for, the log's thread, goes before those who bring it more.
constexpr int kNice = 5;
constexpr int kBacklog = 4096;            // the kernel caps it at net.core.somaxconn
constexpr std::size_t kMaxRefusals = 64;  // connections beyond the limit that are being told so
constexpr milliseconds kAcceptPause{100};
constexpr milliseconds kSocketsTurn{2};
constexpr milliseconds kHandlersTurn{1};
constexpr int kMaxLookedAt = 16;  // waiting connections, to find one that has nothing to say

milliseconds sweep_interval(const ServerOptions& options) {
  int shortest = std::min({options.header_timeout_ms, options.body_timeout_ms,
                           options.write_timeout_ms, options.idle_timeout_ms});
  return milliseconds(std::clamp(shortest / 4, 5, 1000));
}

void share_port(int socket, error_code& error) {
  int on = 1;
  if (::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
    error.assign(errno, boost::system::system_category());
}

}  // namespace

Census::Admission Census::arrive() {
  MutexLock lock(mutex_);
  ++connections_;
  if (connections_ <= max_connections_) return Admission::welcome;
  return connections_ <= max_connections_ + kMaxRefusals ? Admission::too_many
                                                         : Admission::far_too_many;
}

void Census::leave() {
  MutexLock lock(mutex_);
  --connections_;
  if (connections_ == 0) changed_.notify_all();
}

void Census::start_listening() {
  MutexLock lock(mutex_);
  ++listening_;
}

void Census::stop_listening() {
  MutexLock lock(mutex_);
  --listening_;
  changed_.notify_all();
}

bool Census::wait_until_empty(milliseconds patience) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  MutexLock lock(mutex_);
  while (listening_ + connections_ > 0)
    if (!lock.wait_until(changed_, deadline)) return listening_ + connections_ == 0;
  return true;
}

Worker::Worker(const ServerOptions& options, const Router& router, Metrics& metrics, Census& census,
               ByteBudget& budget, TlsContext* tls)
    : options_(options),
      router_(router),
      metrics_(metrics),
      census_(census),
      budget_(budget),
      tls_(tls),
      mailbox_(make_mailbox([this] { asio::post(io_, [this] { deliver(); }); })) {}

Worker::~Worker() { stop(); }

Status Worker::listen(const asio::ip::tcp::endpoint& endpoint) {
  error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) share_port(acceptor_.native_handle(), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (!error) acceptor_.non_blocking(true, error);
  if (error) return fail(Code::unavailable, "{}", error.message());
  return {};
}

void Worker::start(unsigned number) {
  census_.start_listening();
  accept();
  sweep();
  thread_ = named_thread(fmt::format("http-{}", number), [this](std::stop_token) { run(); });
}

// Sockets go before handlers, and neither for long: a request that only needs a refusal waits for
// some milliseconds of handlers, not for all the bodies that have come before it.
void Worker::run() {
  ::setpriority(PRIO_PROCESS, 0, kNice);  // of this thread alone: setpriority(2), BUGS
  while (!io_.stopped()) {
    if (turns_.empty()) io_.run_one();
    auto until = now() + kSocketsTurn;
    while (io_.poll_one() > 0 && now() < until) {
    }
    give_turns();
  }
}

void Worker::give_turns() {
  auto until = now() + kHandlersTurn;
  while (!turns_.empty()) {
    auto found = connections_.find(turns_.front());
    turns_.pop_front();
    if (found != connections_.end()) found->second->take_turn();
    if (now() >= until) return;
  }
}

void Worker::start_drain() {
  asio::post(io_, [this] { drain(); });
}

void Worker::stop() {
  mailbox_->close();
  io_.stop();
  if (!thread_.joinable()) return;  // never started, or stopped before
  thread_.join();
  stop_listening();
  while (!connections_.empty()) remove(connections_.begin()->first);
}

std::string_view Worker::date() {
  UtcMicros now = clock_.now();
  std::int64_t second = now.value / 1'000'000;
  if (second != date_second_) {
    date_second_ = second;
    date_ = http_date(now);
  }
  return date_;
}

void Worker::remove(std::uint64_t connection) {
  connections_.erase(connection);
  census_.leave();
}

void Worker::accept() {
  acceptor_.async_accept(io_.get_executor(), [this](error_code error, Socket socket) {
    on_accepted(error, std::move(socket));
  });
}

void Worker::on_accepted(error_code error, Socket socket) {
  if (!error) adopt(std::move(socket));
  if (draining_) return;
  bool no_files = error == asio::error::no_descriptors;
  if (error && !(no_files && displace())) return accept_later(error);
  accept();
}

// Mostly "too many open files": the connection stays in the backlog, so trying again at once would
// spin.
void Worker::accept_later(error_code error) {
  logging::warning("http: cannot accept a connection: {}", error.message());
  accept_timer_.expires_after(kAcceptPause);
  accept_timer_.async_wait([this](error_code) {
    if (!draining_) accept();
  });
}

void Worker::adopt(Socket socket) {
  auto admission = census_.arrive();
  if (admission != Census::Admission::welcome && displace()) admission = Census::Admission::welcome;
  if (admission == Census::Admission::far_too_many) {
    metrics_.refused(Refusal::connections);
    return census_.leave();
  }
  std::uint64_t id = next_connection_++;
  auto& connection = connections_[id];
  connection = std::make_unique<Connection>(*this, std::move(socket), id);
  if (admission == Census::Admission::too_many) {
    metrics_.refused(Refusal::connections);
    connection->turn_away(too_many_connections(options_.max_connections, kRetryAfterSeconds));
  } else {
    connection->start();
  }
  if (draining_) connection->drain();
}

// Ends a connection whose body makes others wait, or else the one that has been idle, or within a
// head, for longest. One whose bytes are only not read yet is spared.
bool Worker::displace() {
  auto one_of = [at = now()](WaitingLine& line) {
    int looked_at = 0;
    for (Connection& connection : line) {
      if (++looked_at > kMaxLookedAt) break;
      if (connection.give_way(at)) return true;
    }
    return false;
  };
  bool displaced = one_of(receiving_) || one_of(waiting_);
  if (displaced) metrics_.refused(Refusal::displaced);
  return displaced;
}

bool Worker::end_unread() {
  if (unread_.empty() || !unread_.front().leave_unread(now())) return false;
  metrics_.refused(Refusal::unread);
  return true;
}

void Worker::drain() {
  if (draining_) return;
  accept_backlog();
  draining_ = true;
  for (auto& [id, connection] : connections_) connection->drain();
  stop_listening();
}

void Worker::stop_listening() {
  if (!acceptor_.is_open()) return;
  error_code error;
  acceptor_.close(error);
  census_.stop_listening();
}

// Clients that the kernel has connected but nobody has accepted may have sent a request already.
void Worker::accept_backlog() {
  for (;;) {
    error_code error;
    Socket socket(io_);
    acceptor_.accept(socket, error);
    if (error) return;
    adopt(std::move(socket));
  }
}

void Worker::deliver() {
  for (Letter& letter : mailbox_->take()) {
    auto found = connections_.find(letter.to.connection);
    if (found != connections_.end()) found->second->deliver(std::move(letter));
  }
}

// One timer for all connections instead of one each: deadlines move with every read, and are met a
// little late at no harm.
void Worker::sweep() {
  auto now = clock_.monotonic();
  bool scarce = budget_.is_nearly_full();
  for (auto& [id, connection] : connections_) connection->check_deadline(now, scarce);
  while (scarce && end_unread()) {  // other workers' bodies need room too
  }
  request_log_.tick(now);
  sweep_timer_.expires_after(sweep_interval(options_));
  sweep_timer_.async_wait([this](error_code) { sweep(); });
}

}  // namespace tillrace::http
