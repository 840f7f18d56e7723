#include "http/connection.h"

#include <algorithm>
#include <boost/asio/error.hpp>

#include "base/check.h"
#include "http/problem.h"
#include "http/response_head.h"
#include "http/worker.h"

namespace tillrace::http {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::size_t kSmallBufferBytes = 4 * 1024;
constexpr std::size_t kLargeBufferBytes = 64 * 1024;  // while a body comes in
constexpr std::size_t kKeptAnswerBytes = 16 * 1024;   // an answer's memory beyond it is given back
// How long a client that is still sending may take to notice an early answer (RFC 9112,
// section 9.6).
constexpr milliseconds kLinger{2000};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr nanoseconds kNever = nanoseconds::max();
constexpr double kMaxSeconds = 1e8;  // three years, far from where nanoseconds overflow

}  // namespace

Connection::Connection(Worker& worker, Socket socket, std::uint64_t id)
    : worker_(worker),
      socket_(std::move(socket)),
      id_(id),
      parser_(worker.options().max_header_bytes) {
  ErrorCode error;
  socket_.set_option(asio::ip::tcp::no_delay(true),
                     error);  // fails only when the peer has left already
  auto peer = socket_.remote_endpoint(error);
  if (!error) remote_address_ = peer.address().to_string();
  worker_.metrics().connected();
}

Connection::~Connection() { worker_.metrics().disconnected(); }

void Connection::start() {
  deadline_ = worker_.now() + milliseconds(worker_.options().header_timeout_ms);
  read();
}

void Connection::refuse(Response response) { answer(std::move(response), true); }

void Connection::drain() {
  draining_ = true;
  ErrorCode error;
  if (state_ == State::idle)
    socket_.cancel(error);  // on_read_failed() looks whether a request has begun after all
}

void Connection::check_deadline(nanoseconds now) {
  if (now < deadline_) return;
  bool reading = state_ == State::idle || state_ == State::head || state_ == State::body;
  if (!reading) return abort();
  timed_out_ = true;  // on_read_failed() answers or ends it, unless bytes came in the last moment
  ErrorCode error;
  socket_.cancel(error);
}

// Ends the operation under way; its completion finishes the connection.
void Connection::abort() {
  ErrorCode error;
  socket_.close(error);
}

void Connection::finish() { worker_.remove(id_); }

// A peer may pause up to `pause_ms`, and may take that plus the time of its bytes at the lowest
// rate in all.
nanoseconds Connection::transfer_deadline(std::size_t moved_bytes, int pause_ms) const {
  double rate = static_cast<double>(worker_.options().min_bytes_per_second);
  std::chrono::duration<double> allowed(
      std::min(static_cast<double>(moved_bytes) / rate, kMaxSeconds));
  auto pause = milliseconds(pause_ms);
  return std::min(worker_.now() + pause,
                  transfer_started_ + pause + std::chrono::duration_cast<nanoseconds>(allowed));
}

// ---- reading

void Connection::read() {
  bool large = state_ == State::body && parser_.request().body.size() >= kSmallBufferBytes;
  std::size_t capacity = large ? kLargeBufferBytes : kSmallBufferBytes;
  auto room = buffer_.prepare(capacity);
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [this](ErrorCode error, std::size_t length) { on_read(error, length); });
}

void Connection::on_read(ErrorCode error, std::size_t length) {
  if (error) return on_read_failed(error);
  timed_out_ = false;  // the bytes came just before the cancellation: they count
  buffer_.commit(length);
  proceed();
}

void Connection::on_read_failed(ErrorCode error) {
  bool begun = state_ == State::head || state_ == State::body;
  if (begun && timed_out_ && socket_.is_open()) return answer(timed_out(), true);
  if (begun && error == asio::error::eof) return answer(parser_.truncated(), true);
  ErrorCode ignored;
  bool drained = draining_ && error == asio::error::operation_aborted;
  if (drained && socket_.available(ignored) > 0) return read();
  finish();
}

Response Connection::timed_out() const {
  const ServerOptions& options = worker_.options();
  if (state_ == State::head)
    return request_timeout(
        fmt::format("the head of a request must arrive within {} ms", options.header_timeout_ms));
  return request_timeout(
      fmt::format("a body must not pause for {} ms, and must bring {} bytes a second or more",
                  options.body_timeout_ms, options.min_bytes_per_second));
}

// Feeds the parser until it needs more bytes, or the request is someone else's turn.
void Connection::proceed() {
  using Parsing = RequestParser::State;
  while (!buffer_.unread().empty()) {
    std::size_t used = parser_.feed(buffer_.unread());
    buffer_.consume(used);
    switch (parser_.state()) {
      case Parsing::failed: return answer(parser_.take_fault(), true);
      case Parsing::head_done: return on_head();
      case Parsing::done: return handle();
      case Parsing::idle:
      case Parsing::head:
      case Parsing::body: break;
    }
    if (used == 0) break;
  }
  after_feed();
}

void Connection::after_feed() {
  bool begins = state_ == State::idle && parser_.state() == RequestParser::State::head;
  if (begins) {
    state_ = State::head;
    deadline_ = worker_.now() + milliseconds(worker_.options().header_timeout_ms);
  } else if (state_ == State::body) {
    std::size_t arrived = parser_.request().body.size();
    deadline_ = transfer_deadline(arrived, worker_.options().body_timeout_ms);
  }
  read();
}

void Connection::on_head() {
  const Request& request = parser_.request();
  head_only_ = request.method == Method::head;
  keep_alive_ = parser_.keep_alive();
  http_1_0_ = parser_.http_1_0();
  auto route = worker_.router().match(request.method, request.path);
  // An unwanted body is not read: the connection ends instead.
  if (!route && parser_.has_body()) return answer(std::move(route.error()), true);
  if (!route) {
    parser_.expect_body(0);
    return answer(std::move(route.error()), false);
  }
  route_ = *route;
  parser_.expect_body(route_->options.max_body_bytes.value_or(worker_.options().max_body_bytes));
  if (parser_.state() == RequestParser::State::failed) return answer(parser_.take_fault(), true);
  if (parser_.state() == RequestParser::State::done) return handle();
  state_ = State::body;
  transfer_started_ = worker_.now();
  bool waiting = parser_.expects_continue() && buffer_.unread().empty();
  if (waiting) return send_continue();
  proceed();
}

void Connection::send_continue() {
  state_ = State::continuing;
  deadline_ = worker_.now() + milliseconds(worker_.options().write_timeout_ms);
  // The 25 bytes fit a socket's buffer, which is empty: the client has had all earlier answers. If
  // they do not, the client sees half a line and the connection ends.
  socket_.async_write_some(asio::buffer(kContinue), [this](ErrorCode error, std::size_t length) {
    if (!error && length < kContinue.size()) error = asio::error::no_buffer_space;
    on_continue_sent(error);
  });
}

void Connection::on_continue_sent(ErrorCode error) {
  if (error) return finish();
  state_ = State::body;
  transfer_started_ = worker_.now();
  after_feed();
}

void Connection::handle() {
  state_ = State::handling;
  deadline_ = kNever;  // the handler's turn; it bounds its own time
  handled_from_ = worker_.now();
  buffer_.shrink(kSmallBufferBytes);
  Request request = parser_.take_request();
  request.remote_address = remote_address_;
  route_->handler(std::move(request), make_reply(worker_.mailbox(), {id_, ++request_number_}));
}

void Connection::deliver(std::uint64_t request, Response response) {
  if (state_ != State::handling || request != request_number_) return;
  answer(std::move(response), false);
}

// ---- writing

void Connection::answer(Response response, bool close) {
  state_ = State::writing;
  close_ = close || !keep_alive_ || draining_;
  status_ = response.status;
  head_.clear();
  append_head(head_, response, {worker_.date(), close_, http_1_0_});
  body_.clear();
  if (may_have_body(status_) && !head_only_) body_ = std::move(response.body);
  written_ = 0;
  transfer_started_ = worker_.now();
  write();
}

std::array<asio::const_buffer, 2> Connection::unwritten() const {
  std::size_t of_head = std::min(written_, head_.size());
  std::size_t of_body = written_ - of_head;
  return {asio::buffer(head_) + of_head, asio::buffer(body_) + of_body};
}

void Connection::write() {
  deadline_ = transfer_deadline(written_, worker_.options().write_timeout_ms);
  socket_.async_write_some(
      unwritten(), [this](ErrorCode error, std::size_t length) { on_written(error, length); });
}

void Connection::on_written(ErrorCode error, std::size_t length) {
  if (error) return finish();
  written_ += length;
  if (written_ < head_.size() + body_.size()) return write();
  on_answered();
}

void Connection::on_answered() {
  worker_.metrics().answered(status_);
  if (handled_from_.count() > 0) worker_.metrics().handled_in(worker_.now() - handled_from_);
  if (body_.capacity() > kKeptAnswerBytes) body_ = {};
  if (close_) return linger();
  next_request();
}

void Connection::next_request() {
  parser_.reset();
  state_ = State::idle;
  head_only_ = false;
  handled_from_ = {};
  deadline_ = worker_.now() + milliseconds(worker_.options().idle_timeout_ms);
  ErrorCode error;
  if (draining_ && buffer_.unread().empty() && socket_.available(error) == 0) return finish();
  proceed();
}

// ---- ending

// Closing while the client still sends would make the kernel reset the connection, and the client
// might never see its answer.
void Connection::linger() {
  ErrorCode error;
  socket_.shutdown(Socket::shutdown_send, error);
  bool all_read = parser_.state() == RequestParser::State::done && buffer_.unread().empty() &&
                  socket_.available(error) == 0;
  if (error || all_read) return finish();
  state_ = State::lingering;
  deadline_ = worker_.now() + kLinger;
  on_lingered({});
}

void Connection::on_lingered(ErrorCode error) {
  if (error) return finish();
  buffer_.consume(buffer_.unread().size());
  auto room = buffer_.prepare(kSmallBufferBytes);
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [this](ErrorCode failed, std::size_t) { on_lingered(failed); });
}

}  // namespace tillrace::http
