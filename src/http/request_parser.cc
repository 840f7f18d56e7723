#include "http/request_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "base/check.h"
#include "http/body_reader.h"
#include "http/problem.h"

namespace tillrace::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

constexpr std::size_t kMaxReservedBytes =
    256 * 1024;  // the rest of a body's memory is taken as it arrives
constexpr std::size_t kStepBytes = 256 * 1024;  // of a whole body that one feed() decodes

Method to_method(beast_http::verb verb) {
  switch (verb) {
    case beast_http::verb::get: return Method::get;
    case beast_http::verb::head: return Method::head;
    case beast_http::verb::post: return Method::post;
    case beast_http::verb::put: return Method::put;
    case beast_http::verb::delete_: return Method::delete_;
    case beast_http::verb::options: return Method::options;
    default: return Method::other;
  }
}

std::string_view to_std(string_view text) { return {text.data(), text.size()}; }

// Beast's parser, told to stop after the head, filling a Request in place.
class HeadParser final : public beast_http::basic_parser<true> {
 public:
  HeadParser(Request& request, std::size_t max_header_bytes) : request_(request) {
    skip(true);
    body_limit(boost::none);
    header_limit(static_cast<std::uint32_t>(max_header_bytes));
    eager(true);
  }
  int version() const { return version_; }

 private:
  void on_request_impl(beast_http::verb verb, string_view, string_view target, int version,
                       error_code&) override {
    request_.method = to_method(verb);
    request_.target = to_std(target);
    version_ = version;
  }
  void on_field_impl(beast_http::field, string_view name, string_view value, error_code&) override {
    request_.headers.add(to_std(name), to_std(value));
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  Request& request_;
  int version_ = 11;
};

// Finds where a head's request line ends and where all of it does, and what can be in no head.
// Beast sees whole lines only: what it says of a piece of a line, or whether it says anything yet,
// depends on how the bytes were split.
class HeadLines {
 public:
  enum class Found { nothing, request_line, fields, stray_byte };
  struct Result {
    Found found;
    std::size_t length;  // of what was found, to the end of its last line or to the stray byte
  };

  // `bytes` are those behind the last line or fields that were found. Looks at each byte once.
  Result find(std::string_view bytes) {
    for (; seen_ < bytes.size(); ++seen_) {
      char c = bytes[seen_];
      bool after_cr = seen_ > line_ && bytes[seen_ - 1] == '\r';
      if (after_cr != (c == '\n') || (is_control(c) && c != '\r' && c != '\n'))
        return {Found::stray_byte, seen_ + 1};
      if (c != '\n') continue;
      bool empty = seen_ - line_ == 1;
      line_ = seen_ + 1;
      if (in_fields_ && !empty) continue;
      Found found = in_fields_ ? Found::fields : Found::request_line;
      in_fields_ = true;
      seen_ = 0;
      return {found, std::exchange(line_, 0)};
    }
    return {Found::nothing, 0};
  }
  bool in_fields() const { return in_fields_; }

 private:
  static bool is_control(char c) {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
  }

  bool in_fields_ = false;
  std::size_t line_ = 0;  // where the current line begins
  std::size_t seen_ = 0;
};

std::string_view explain(error_code error) {
  switch (static_cast<beast_http::error>(error.value())) {
    case beast_http::error::bad_method: return "the method is no token such as GET or POST";
    case beast_http::error::bad_target: return "the request line has no target such as /v1/things";
    case beast_http::error::bad_version: return "the request line does not end with HTTP/1.1";
    case beast_http::error::bad_line_ending: return "a line does not end with CR LF";
    case beast_http::error::bad_field: return "a header field's name is malformed";
    case beast_http::error::bad_value: return "a header field's value is malformed";
    case beast_http::error::bad_content_length:
      return "Content-Length must be one decimal number, without Transfer-Encoding";
    case beast_http::error::multiple_content_length:
      return "Content-Length is given twice, differently";
    case beast_http::error::bad_transfer_encoding:
      return "Transfer-Encoding must be given once, without Content-Length";
    default: return "the request line or a header field is malformed";
  }
}

// The last word of a request line that Beast called bad_version: a version that is not ours, or
// nonsense.
Response refuse_version(std::string_view bytes) {
  std::string_view line = bytes.substr(0, bytes.find('\r'));
  std::string_view version = line.substr(line.rfind(' ') + 1);
  bool ours =
      version == "HTTP/1.1" || version == "HTTP/1.0";  // then it is the target that has a space
  if (version.starts_with("HTTP/") && !ours) return unknown_version(version.substr(0, 16));
  return malformed_request(explain(beast_http::error::bad_version));
}

// A target is /path?query, the same after http://host (RFC 9112, section 3.2.2), or * for OPTIONS.
Status split_target(Request& request) {
  std::string_view target = request.target;
  std::size_t scheme = target.find("://");
  if (!target.starts_with('/') && scheme != std::string_view::npos) {
    std::size_t path = target.find_first_of("/?", scheme + 3);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  bool asterisk = request.method == Method::options && target == "*";
  if (!target.starts_with('/') && !asterisk)
    return fail(Code::invalid, "the target must start with /");
  std::size_t question = target.find('?');
  auto path = percent_decode(target.substr(0, question));
  if (!path) return fail(path.error(), "target");
  request.path = std::move(*path);
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  return {};
}

}  // namespace

struct RequestParser::Impl {
  explicit Impl(std::size_t max_header) : max_header_bytes(max_header) {}

  enum class Purpose { whole, parts, drop };

  std::size_t feed_head(std::string_view bytes);
  std::size_t feed_body(std::string_view bytes);
  void on_body_fed();
  std::size_t skip_empty_line(std::string_view bytes);
  std::size_t feed_lines(std::string_view bytes);
  void fail_head(error_code error, std::string_view line);
  void finish_head();
  // What RFC 9112 asks of a head beyond its syntax; nullopt when all is well.
  std::optional<Response> refuse_head() const;
  std::optional<Response> refuse_transfer_encoding() const;
  BodyFraming framing() const { return {head->chunked(), request.content_length.value_or(0)}; }
  bool has_body() const { return head->chunked() || request.content_length.value_or(0) > 0; }
  void begin_body(Purpose wanted, ContentCoding coding);
  void fault_with(Response response);

  const std::size_t max_header_bytes;
  State state = State::idle;
  Request request;
  std::optional<HeadParser> head;
  HeadLines lines;
  std::size_t head_bytes = 0;
  bool empty_line_skipped = false;
  bool framing_known = false;  // where the body ends can be told
  Purpose purpose = Purpose::whole;
  std::optional<BodyReader> body;
  std::uint64_t max_bytes = 0;  // of a whole body, of a part, or of what may be dropped
  Response fault;
};

void RequestParser::Impl::fault_with(Response response) {
  fault = std::move(response);
  state = State::failed;
}

std::size_t RequestParser::Impl::feed_head(std::string_view bytes) {
  std::size_t used = skip_empty_line(bytes);
  if (used == bytes.size()) return used;
  bool may_be_empty_line = state == State::idle && !empty_line_skipped && bytes == "\r";
  if (may_be_empty_line) return used;
  state = State::head;
  if (!head) head.emplace(request, max_header_bytes);
  while (state == State::head) {
    std::size_t length = feed_lines(bytes.substr(used));
    if (length == 0) break;
    used += length;
  }
  return used;
}

// An empty line before a request is forgiven (RFC 9112, section 2.2): some clients end a body with
// one.
std::size_t RequestParser::Impl::skip_empty_line(std::string_view bytes) {
  if (state != State::idle || empty_line_skipped || !bytes.starts_with("\r\n")) return 0;
  empty_line_skipped = true;
  return 2;
}

// Gives the request line, or all fields, to Beast once they are there. Returns their length, else
// 0.
std::size_t RequestParser::Impl::feed_lines(std::string_view bytes) {
  std::size_t most = std::min(bytes.size(), max_header_bytes - head_bytes);
  auto [found, length] = lines.find(bytes.substr(0, most));
  if (found == HeadLines::Found::nothing) {
    if (bytes.size() > most)
      fault_with(lines.in_fields() ? header_too_large(max_header_bytes)
                                   : target_too_long(max_header_bytes));
    return 0;
  }
  error_code error;
  head->put(boost::asio::const_buffer(bytes.data(), length), error);
  head_bytes += length;
  bool unfinished = error == beast_http::error::need_more;
  if (found == HeadLines::Found::stray_byte && (!error || unfinished))
    error = beast_http::error::bad_line_ending;
  if (error && !(unfinished && found == HeadLines::Found::request_line))
    fail_head(error, bytes.substr(0, length));
  else if (found == HeadLines::Found::fields)
    finish_head();
  return length;
}

void RequestParser::Impl::fail_head(error_code error, std::string_view line) {
  fault_with(error == beast_http::error::bad_version ? refuse_version(line)
                                                     : malformed_request(explain(error)));
}

void RequestParser::Impl::finish_head() {
  if (auto refused = refuse_head()) return fault_with(std::move(*refused));
  Status split = split_target(request);
  if (!split) return fault_with(malformed_request(split.error().message));
  if (auto length = head->content_length()) request.content_length = *length;
  framing_known = true;
  state = State::head_done;
}

std::optional<Response> RequestParser::Impl::refuse_head() const {
  std::size_t hosts = request.headers.count("Host");
  if (hosts > 1) return malformed_request("Host is given more than once");
  if (hosts == 0 && head->version() > 10) return malformed_request("HTTP/1.1 needs a Host field");
  auto expectation = request.headers.find("Expect");
  if (expectation && !equal_without_case(*expectation, "100-continue"))
    return unknown_expectation(*expectation);
  return refuse_transfer_encoding();
}

std::optional<Response> RequestParser::Impl::refuse_transfer_encoding() const {
  auto coding = request.headers.find("Transfer-Encoding");
  if (!coding) return std::nullopt;
  if (head->version() == 10) return malformed_request("HTTP/1.0 knows no Transfer-Encoding");
  if (head->content_length())
    return malformed_request(explain(beast_http::error::bad_transfer_encoding));
  bool chunked_alone = request.headers.count("Transfer-Encoding") == 1 &&
                       equal_without_case(*coding, "chunked") && head->chunked();
  if (!chunked_alone) return unknown_transfer_coding(*coding);
  return std::nullopt;
}

void RequestParser::Impl::begin_body(Purpose wanted, ContentCoding coding) {
  purpose = wanted;
  if (has_body()) body.emplace(framing(), coding);
  state = has_body() ? State::body : State::done;
}

std::size_t RequestParser::Impl::feed_body(std::string_view bytes) {
  std::size_t used = 0;
  if (purpose == Purpose::drop) {
    used = body->drop(bytes);
  } else {
    std::uint64_t most = max_bytes;
    // A byte more than allowed tells a body that is too large.
    if (purpose == Purpose::whole)
      most = std::min<std::uint64_t>(max_bytes, request.body.size() + kStepBytes) + 1;
    used = body->feed(bytes, static_cast<std::size_t>(most), request.body);
  }
  on_body_fed();
  return used;
}

void RequestParser::Impl::on_body_fed() {
  bool too_large = purpose == Purpose::whole && request.body.size() + body->announced() > max_bytes;
  if (too_large) return fault_with(body_too_large(static_cast<std::size_t>(max_bytes)));
  bool too_much = purpose == Purpose::drop && body->arrived() > max_bytes;
  if (too_much) return fault_with({});
  switch (body->state()) {
    case BodyReader::State::more: return;
    case BodyReader::State::done: state = State::done; return;
    case BodyReader::State::bad_framing:
      framing_known = false;
      return fault_with(malformed_request(
          fmt::format("the chunked body is malformed after {} bytes", body->arrived())));
    case BodyReader::State::bad_coding:
      return fault_with(malformed_content_coding(
          request.headers.find("Content-Encoding").value_or(""), body->arrived()));
  }
}

RequestParser::RequestParser(std::size_t max_header_bytes)
    : impl_(std::make_unique<Impl>(max_header_bytes)) {}
RequestParser::~RequestParser() = default;

std::size_t RequestParser::feed(std::string_view bytes) {
  if (state() == State::body) return impl_->feed_body(bytes);
  CHECK(state() == State::idle || state() == State::head);
  return impl_->feed_head(bytes);
}

RequestParser::State RequestParser::state() const { return impl_->state; }
Request& RequestParser::request() { return impl_->request; }
const Request& RequestParser::request() const { return impl_->request; }
bool RequestParser::framing_known() const { return impl_->framing_known; }
bool RequestParser::has_body() const { return impl_->has_body(); }
bool RequestParser::keep_alive() const { return impl_->head->keep_alive(); }
bool RequestParser::http_1_0() const { return impl_->head->version() == 10; }

bool RequestParser::expects_continue() const {
  return has_body() && !http_1_0() && impl_->request.headers.find("Expect").has_value();
}

void RequestParser::expect_body(std::size_t max_body_bytes, ContentCoding coding) {
  CHECK(state() == State::head_done);
  impl_->max_bytes = max_body_bytes;
  std::uint64_t length = impl_->request.content_length.value_or(0);
  if (length > max_body_bytes) return impl_->fault_with(body_too_large(max_body_bytes));
  impl_->request.body.reserve(std::min(static_cast<std::size_t>(length), kMaxReservedBytes));
  impl_->begin_body(Impl::Purpose::whole, coding);
}

void RequestParser::expect_parts(std::size_t part_bytes, ContentCoding coding) {
  CHECK(state() == State::head_done);
  impl_->max_bytes = part_bytes;
  impl_->begin_body(Impl::Purpose::parts, coding);
}

bool RequestParser::drop_body(std::size_t max_bytes) {
  if (state() == State::done) return true;
  if (!impl_->framing_known) return false;
  std::uint64_t length = impl_->request.content_length.value_or(0);
  if (length > body_bytes() + max_bytes) return false;
  impl_->request.body = {};
  impl_->max_bytes = max_bytes + body_bytes();
  bool begun = impl_->body.has_value();
  if (!begun) impl_->begin_body(Impl::Purpose::drop, ContentCoding::identity);
  impl_->purpose = Impl::Purpose::drop;
  if (begun) impl_->state = impl_->body->framing_ended() ? State::done : State::body;
  return true;
}

bool RequestParser::wants_room() const {
  return state() == State::body && impl_->purpose != Impl::Purpose::drop && impl_->body->full();
}

std::size_t RequestParser::part_size() const { return impl_->request.body.size(); }
std::string RequestParser::take_part() { return std::exchange(impl_->request.body, {}); }
std::uint64_t RequestParser::body_bytes() const { return impl_->body ? impl_->body->arrived() : 0; }

Request RequestParser::take_request() {
  CHECK(state() == State::done);
  return std::move(impl_->request);
}

Response RequestParser::take_fault() {
  CHECK(state() == State::failed);
  return std::move(impl_->fault);
}

Response RequestParser::truncated() const {
  if (state() != State::body) return malformed_request("the request ends before its head does");
  if (impl_->body->chunked())
    return malformed_request(
        fmt::format("the chunked body ends early, after {} bytes", body_bytes()));
  return malformed_request(fmt::format("the body ends after {} of the {} bytes of Content-Length",
                                       body_bytes(), *impl_->request.content_length));
}

void RequestParser::reset() {
  impl_->state = State::idle;
  impl_->request = Request{};
  impl_->head.reset();
  impl_->body.reset();
  impl_->lines = {};
  impl_->head_bytes = 0;
  impl_->empty_line_skipped = false;
  impl_->framing_known = false;
}

}  // namespace tillrace::http
