// How a connection answers: whole, in parts, or with a refusal.
#include "http/connection.h"
#include "http/response_head.h"
#include "http/worker.h"

namespace tillrace::http {
namespace {

// Of a refused request's body: cheaper to read than a new connection is to make.
constexpr std::size_t kMaxDroppedBytes = 1024 * 1024;
// Of an answer: the sockets take so much of it at once, and most are smaller.
constexpr std::size_t kUncountedBytes = 4 * 1024;

std::size_t counted_bytes(const Response& response) {
  return response.body.size() > kUncountedBytes ? response.body.capacity() : 0;
}

}  // namespace

void Connection::deliver(Letter letter) {
  if (state_ != State::handling || letter.to.request != request_number_) return;
  if (!stream_) return answer(std::move(letter.response), false);
  if (letter.forgotten && begun_) return break_off();
  on_part_reply(std::move(letter.response));
}

void Connection::on_part_reply(Response response) {
  bool body_ended = parser_.state() == RequestParser::State::done;
  goes_on_ = response.more && may_have_body(response.status);
  if (!begun_ && !goes_on_) return answer(std::move(response), !body_ended);
  state_ = State::writing;
  std::size_t counted = counted_bytes(response);
  if (begun_) {
    writing_.resume(worker_.now());
    out_.next(std::move(response.body), !goes_on_);
  } else {
    begun_ = true;
    status_ = response.status;
    close_ = !keep_alive_ || http_1_0_ || ends_when_drained();
    writing_.start(worker_.now());
    HeadOptions options = head_options();
    options.length = http_1_0_ ? HeadOptions::Length::up_to_close : HeadOptions::Length::chunked;
    out_.begin(std::move(response), options);
  }
  close_ = close_ || (!goes_on_ && !body_ended);
  reservation_.hold(part_share_ + counted);
  write_counted(counted);
}

// Without reading its body, which is dropped after the answer if it is small. A client that waits
// to be told to continue may now send its body or not, so what comes next could not be told.
void Connection::refuse(Response response, Refusal why) {
  if (response.status >= 400) worker_.metrics().refused(why);
  bool may_skip_body = (state_ == State::idle || state_ == State::head) &&
                       buffer_.unread().empty() && parser_.framing_known() &&
                       parser_.expects_continue();
  bool stays = !may_skip_body && parser_.drop_body(kMaxDroppedBytes);
  stream_.reset();
  answer(std::move(response), !stays);
}

// What has come to an end before all of it was read.
void Connection::fail_request(Response response) {
  if (begun_) return break_off();
  stream_.reset();
  answer(std::move(response), true);
}

void Connection::answer(Response response, bool close) {
  leave_line();
  std::size_t counted = counted_bytes(response);
  reservation_.hold(counted);
  state_ = State::writing;
  goes_on_ = false;
  close_ = close || !keep_alive_ || ends_when_drained();
  status_ = response.status;
  out_.whole(std::move(response), head_options(), head_only_);
  writing_.start(worker_.now());
  write_counted(counted);
}

void Connection::write_counted(std::size_t bytes) {
  if (bytes > 0) {
    written_from_ = worker_.now();
    stand_in(worker_.unread());
  }
  write();
}

HeadOptions Connection::head_options() {
  if (!facts_.known) {  // there was no head to read anything from
    worker_.request_ids().fresh(facts_.id);
    facts_.client = remote_address_;
  }
  HeadOptions options;
  options.date = worker_.date();
  options.close = close_;
  options.http_1_0 = http_1_0_;
  options.over_tls = transport_.over_tls();
  options.request_id = facts_.id;
  options.cors = !worker_.options().cors_origins.empty();
  if (allowed_origin_) options.allowed_origin = *allowed_origin_;
  return options;
}

void Connection::log(RequestLog::Outcome outcome, Nanos now) {
  worker_.request_log().write(outcome, facts_, status_, parser_.body_bytes(), now);
}

void Connection::write() {
  if (out_.all_written()) return on_written({}, 0);
  deadline_ = writing_.deadline(worker_.now());
  transport_.async_write_some(
      out_.unwritten(), [this](ErrorCode error, std::size_t length) { on_written(error, length); });
}

void Connection::on_written(ErrorCode error, std::size_t length) {
  if (error) {
    log(RequestLog::Outcome::client_gone, worker_.now());
    return finish();
  }
  out_.advance(length);
  writing_.moved(worker_.now(), length);
  if (!out_.all_written()) return write();
  leave_line();
  if (goes_on_) return next_part();
  on_answered();
}

void Connection::on_answered() {
  stream_.reset();
  reservation_.release();
  out_.shrink();
  auto now = worker_.now();
  worker_.metrics().answered(status_);
  if (handled_from_.count() > 0) worker_.metrics().handled_in(now - handled_from_);
  log(RequestLog::Outcome::answered, now);
  bool all_read = parser_.state() == RequestParser::State::done;
  if (close_ || (draining_ && !all_read)) return linger();
  if (all_read) return next_request();
  state_ = State::dropping;
  reading_.start(worker_.now());
  proceed();
}

}  // namespace tillrace::http
