#include "http/connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "base/check.h"
#include "http/cors.h"
#include "http/problem.h"
#include "http/worker.h"

namespace tillrace::http {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::size_t kSmallBufferBytes = 4 * 1024;
constexpr std::uint64_t kReservedAtHead = 1024 * 1024;
constexpr std::size_t kLargeBufferBytes = 64 * 1024;  // while a body comes in
// How long a client that is still sending may take to notice an early answer (RFC 9112,
// section 9.6).
constexpr milliseconds kLinger{2000};
// How long a reader may take before its answer gives way to a body that needs the room.
constexpr milliseconds kReadingTime{1000};
// What a decoder may hold beside the body (content_decoder.h); memory comes as it is filled.
constexpr std::size_t kMaxZstdWindowBytes = 8 * 1024 * 1024;
// What a body must keep to while room is scarce.
constexpr int kScarcePauseMs = 1'000;
constexpr std::size_t kScarceBytesPerSecond = 64 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr nanoseconds kNever = nanoseconds::max();

// What the field says, or the whole list when it is given more than once.
std::string content_encoding(const Headers& headers) {
  std::string all;
  for (const Headers::Field& field : headers) {
    if (!equal_without_case(field.name, "Content-Encoding")) continue;
    if (!all.empty()) all += ", ";
    all += field.value;
  }
  return all;
}

}  // namespace

Connection::Connection(Worker& worker, Socket socket, std::uint64_t id)
    : worker_(worker),
      transport_(std::move(socket), worker.tls()),
      id_(id),
      remote_address_(transport_.remote_address()),
      reading_({worker.options().body_timeout_ms, worker.options().min_bytes_per_second},
               {kScarcePauseMs, kScarceBytesPerSecond}),
      writing_(worker.options().write_timeout_ms, worker.options().min_bytes_per_second),
      parser_(worker.options().max_header_bytes),
      reservation_(worker.budget()) {
  worker_.metrics().connected();
}

Connection::~Connection() {
  if (state_ == State::idle) transport_.say_goodbye();
  worker_.metrics().disconnected();
}

void Connection::start() {
  deadline_ = worker_.now() + milliseconds(worker_.options().header_timeout_ms);
  stand_in(worker_.waiting());
  read();
}

// At its end.
void Connection::stand_in(WaitingLine& line) {
  leave_line();
  line.push_back(*this);
}

void Connection::leave_line() {
  if (is_linked()) unlink();
}

bool Connection::give_way(nanoseconds now) {
  if (receiving() ? !holds_up_others(now) : transport_.has_unread()) return false;
  unlink();
  abort();
  return true;
}

bool Connection::leave_unread(nanoseconds now) {
  if (now < written_from_ + kReadingTime) return false;
  unlink();
  reservation_.release();
  abort();
  return true;
}

void Connection::turn_away(Response response) { answer(std::move(response), true); }

void Connection::drain() {
  draining_ = true;
  if (state_ == State::idle || state_ == State::dropping)
    transport_.cancel();  // on_read_failed() looks whether a request has begun after all
}

// The client then learns from its answer, or from the one before, that none follows.
bool Connection::ends_when_drained() {
  return draining_ && buffer_.unread().empty() && !transport_.has_unread();
}

// What has come and is only not read yet is no fault of the client's.
bool Connection::holds_up_others(nanoseconds now) {
  return receiving() && now >= scarce_deadline_ && !transport_.has_unread();
}

void Connection::check_deadline(nanoseconds now, bool scarce) {
  scarce_ = scarce && holds_up_others(now);
  if (now < deadline_ && !scarce_) return;
  bool reading = state_ == State::idle || state_ == State::head || receiving();
  if (!reading) return abort();
  timed_out_ = true;  // on_read_failed() answers or ends it, unless bytes came in the last moment
  transport_.cancel();
}

// ---- reading

void Connection::read() {
  bool large = state_ == State::dropping ||
               (state_ == State::body && parser_.body_bytes() >= kSmallBufferBytes);
  auto room = buffer_.prepare(large ? kLargeBufferBytes : kSmallBufferBytes);
  if (receiving()) {
    auto now = worker_.now();
    deadline_ = reading_.deadline(now);
    scarce_deadline_ = reading_.scarce_deadline(now);
    stand_in(worker_.receiving());
  }
  transport_.async_read_some(
      asio::buffer(room.data(), room.size()),
      [this](ErrorCode error, std::size_t length) { on_read(error, length); });
}

void Connection::on_read(ErrorCode error, std::size_t length) {
  if (error) return on_read_failed(error);
  timed_out_ = false;  // the bytes came just before the cancellation: they count
  buffer_.commit(length);
  if (receiving()) reading_.moved(worker_.now(), length);
  proceed();
}

void Connection::on_read_failed(ErrorCode error) {
  bool begun = state_ == State::head || state_ == State::body;
  if (begun && timed_out_ && transport_.is_open()) {
    worker_.metrics().refused(Refusal::timeout);
    return fail_request(timed_out());
  }
  if (begun && error == asio::error::eof) {
    worker_.metrics().refused(Refusal::malformed);
    return fail_request(parser_.truncated());
  }
  if (transport_.tls_has_failed()) return on_tls_failed();
  bool drained = draining_ && error == asio::error::operation_aborted;
  if (drained && (transport_.has_unread() || transport_.is_mid_record())) return read();
  finish();
}

// The client can still read why: in plain if that is what it speaks, else in TLS's own words.
void Connection::on_tls_failed() {
  worker_.metrics().refused(Refusal::tls);
  if (transport_.fall_back_to_plain()) return answer(tls_expected(), true);
  linger();
}

Response Connection::timed_out() const {
  const ServerOptions& options = worker_.options();
  if (state_ == State::head)
    return request_timeout(
        fmt::format("the head of a request must arrive within {} ms", options.header_timeout_ms));
  if (scarce_)
    return request_timeout(
        fmt::format("many send at once: until that is over a body must not pause for {} ms, and "
                    "must bring {} bytes a second or more",
                    kScarcePauseMs, kScarceBytesPerSecond));
  return request_timeout(
      fmt::format("a body must not pause for {} ms, and must bring {} bytes a second or more",
                  options.body_timeout_ms, options.min_bytes_per_second));
}

// Feeds the parser until it needs more bytes, or the request is someone else's turn.
void Connection::proceed() {
  using Parsing = RequestParser::State;
  while (!buffer_.unread().empty() || parser_.wants_room()) {
    std::size_t used = parser_.feed(buffer_.unread());
    buffer_.consume(used);
    if (!reserve_body())
      return refuse(busy(worker_.budget().limit(), kRetryAfterSeconds), Refusal::busy);
    switch (parser_.state()) {
      case Parsing::failed: return on_fault();
      case Parsing::head_done: return on_head();
      case Parsing::done: return on_body_end();
      case Parsing::idle:
      case Parsing::head: break;
      case Parsing::body:
        if (stream_ && parser_.wants_room()) return hand_over();
        break;
    }
    if (used == 0 && !parser_.wants_room()) break;
  }
  after_feed();
}

void Connection::after_feed() {
  bool begins = state_ == State::idle && parser_.state() == RequestParser::State::head;
  if (begins) {
    state_ = State::head;
    stand_in(worker_.waiting());
    deadline_ = worker_.now() + milliseconds(worker_.options().header_timeout_ms);
  }
  bool part_waits = state_ == State::body && stream_ && parser_.part_size() > 0;
  if (part_waits && !transport_.has_unread()) return hand_over();
  read();
}

void Connection::on_fault() {
  if (state_ == State::dropping) return linger();  // more than is worth reading
  if (begun_) return break_off();
  Response fault = parser_.take_fault();
  bool too_large = fault.status == 413 || fault.status == 414 || fault.status == 431;
  refuse(std::move(fault), too_large ? Refusal::too_large : Refusal::malformed);
}

void Connection::on_head() {
  leave_line();
  Request& request = parser_.request();
  head_only_ = request.method == Method::head;
  keep_alive_ = parser_.keep_alive();
  http_1_0_ = parser_.http_1_0();
  request.remote_address = remote_address_;
  request.client = remote_address_;
  request.over_tls = transport_.over_tls();
  request.tls_subject = transport_.tls_subject();
  worker_.request_ids().choose(request.headers, facts_.id);
  request.request_id = facts_.id;
  allowed_origin_ = match_origin(worker_.options().cors_origins, request.headers);
  auto route = worker_.router().match(request.method, request.path);
  std::optional<Response> refused;
  if (route && (*route)->options.admit) refused = (*route)->options.admit(request);
  facts_.note(request, worker_.now());
  if (!route) return refuse(answer_without_route(std::move(route.error())), Refusal::no_route);
  if (refused) return refuse(std::move(*refused), Refusal::not_admitted);
  route_ = *route;
  choose_coding();
}

// 404, 405, or what OPTIONS gets.
Response Connection::answer_without_route(Response response) const {
  bool preflight = allowed_origin_ && response.status < 300 && is_preflight(parser_.request());
  if (preflight) allow_preflight(parser_.request(), response);
  return response;
}

void Connection::choose_coding() {
  if (!parser_.has_body()) return begin_body(ContentCoding::identity);
  std::string named = content_encoding(parser_.request().headers);
  auto coding = parse_content_coding(named);
  if (!coding) return refuse(unsupported_content_coding(named), Refusal::coding);
  begin_body(*coding);
}

void Connection::begin_body(ContentCoding coding) {
  const RouteOptions& route = route_->options;
  window_bytes_ = coding == ContentCoding::zstd ? kMaxZstdWindowBytes : 0;
  const auto& length = parser_.request().content_length;
  // The rest is reserved as it comes: slow senders of large bodies must not hold what they do not
  // use.
  std::uint64_t held = std::min<std::uint64_t>(length.value_or(0), kReservedAtHead);
  if (route.stream && !head_only_) stream_ = route.stream(parser_.request());
  if (stream_) {
    bool small = length && *length < route.part_bytes && coding == ContentCoding::identity;
    if (parser_.has_body() && !small) held = route.part_bytes + window_bytes_;
    parser_.expect_parts(route.part_bytes, coding);
  } else {
    parser_.expect_body(route.max_body_bytes.value_or(worker_.options().max_body_bytes), coding);
  }
  if (parser_.state() == RequestParser::State::failed) return on_fault();
  part_share_ = static_cast<std::size_t>(held);
  if (!reserve(part_share_))
    return refuse(busy(worker_.budget().limit(), kRetryAfterSeconds), Refusal::busy);
  if (parser_.state() == RequestParser::State::done) return on_body_end();
  bool waiting = parser_.expects_continue() && buffer_.unread().empty();
  if (waiting) return send_continue();
  state_ = State::body;
  reading_.start(worker_.now());
  proceed();
}

bool Connection::reserve(std::size_t bytes) {
  while (!reservation_.grow_to(bytes))
    if (!worker_.end_unread()) return false;
  return true;
}

// What a whole body has grown to, and with it a decoder's window; a stream has reserved all that it
// may hold.
bool Connection::reserve_body() {
  if (state_ != State::body || stream_) return true;
  std::size_t body = parser_.part_size();
  return reserve(body + std::min(body, window_bytes_));
}

void Connection::send_continue() {
  state_ = State::continuing;
  deadline_ = worker_.now() + milliseconds(worker_.options().write_timeout_ms);
  // The 25 bytes fit a socket's buffer, which is empty: the client has had all earlier answers. If
  // they do not, the client sees half a line and the connection ends.
  transport_.async_write_some(asio::buffer(kContinue), [this](ErrorCode error, std::size_t length) {
    if (!error && length < kContinue.size()) error = asio::error::no_buffer_space;
    on_continue_sent(error);
  });
}

void Connection::on_continue_sent(ErrorCode error) {
  if (error) return finish();
  state_ = State::body;
  reading_.start(worker_.now());
  read();
}

void Connection::on_body_end() {
  if (state_ == State::dropping) return next_request();
  if (stream_) return hand_over();
  handle();
}

// ---- handing over

void Connection::handle() {
  leave_line();
  state_ = State::handling;
  deadline_ = kNever;  // the handler's turn; it bounds its own time
  handled_from_ = worker_.now();
  buffer_.shrink(kSmallBufferBytes);
  worker_.queue_for_turn(id_);
}

void Connection::hand_over() {
  leave_line();
  auto now = worker_.now();
  if (state_ == State::body) reading_.suspend(now);
  state_ = State::handling;
  deadline_ = kNever;
  bool is_last = parser_.state() == RequestParser::State::done;
  if (is_last && handled_from_.count() == 0) handled_from_ = now;
  worker_.queue_for_turn(id_);
}

// While it waited for its turn, answers that are not read can have filled the room. What has no
// body, such as a look at the metrics, is not refused for that.
bool Connection::is_crowded_out() {
  if (begun_ || reservation_.held() == 0) return false;
  while (worker_.budget().is_overdrawn())
    if (!worker_.end_unread()) return true;
  return false;
}

void Connection::take_turn() {
  if (is_crowded_out())
    return refuse(busy(worker_.budget().limit(), kRetryAfterSeconds), Refusal::busy);
  Reply reply = make_reply(worker_.mailbox(), {id_, ++request_number_});
  if (!stream_) return route_->handler(parser_.take_request(), std::move(reply));
  bool is_last = parser_.state() == RequestParser::State::done;
  stream_->take(parser_.take_part(), is_last, std::move(reply));
}

void Connection::next_part() {
  out_.shrink();
  reservation_.hold(part_share_);
  auto now = worker_.now();
  writing_.suspend(now);
  if (parser_.state() == RequestParser::State::done) return hand_over();
  state_ = State::body;
  reading_.resume(now);
  proceed();
}

void Connection::next_request() {
  parser_.reset();
  buffer_.shrink(kSmallBufferBytes);
  state_ = State::idle;
  head_only_ = false;
  begun_ = false;
  handled_from_ = {};
  facts_.clear();
  allowed_origin_ = nullptr;
  stand_in(worker_.waiting());
  deadline_ = worker_.now() + milliseconds(worker_.options().idle_timeout_ms);
  if (ends_when_drained()) return finish();
  proceed();
}

// ---- ending

// An answer in parts ends before its last chunk, by which the client knows.
void Connection::break_off() {
  log(RequestLog::Outcome::broken_off, worker_.now());
  stream_.reset();
  reservation_.release();
  linger();
}

// Closing while the client still sends would make the kernel reset the connection, and the client
// might never see its answer.
void Connection::linger() {
  leave_line();
  bool cut_off = goes_on_;
  if (!cut_off) transport_.say_goodbye();
  bool connected = transport_.shutdown_send();
  bool all_read = parser_.state() == RequestParser::State::done && buffer_.unread().empty() &&
                  !transport_.has_unread();
  if (!connected || all_read) return finish();
  state_ = State::lingering;
  deadline_ = worker_.now() + kLinger;
  on_lingered({});
}

void Connection::on_lingered(ErrorCode error) {
  if (error) return finish();
  buffer_.consume(buffer_.unread().size());
  auto room = buffer_.prepare(kSmallBufferBytes);
  transport_.async_read_some(asio::buffer(room.data(), room.size()),
                             [this](ErrorCode failed, std::size_t) { on_lingered(failed); });
}

// Ends the operation under way; its completion finishes the connection.
void Connection::abort() { transport_.close(); }

void Connection::finish() { worker_.remove(id_); }

}  // namespace tillrace::http
