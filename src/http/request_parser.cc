#include "http/request_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "base/check.h"
#include "http/chunk_decoder.h"
#include "http/problem.h"

namespace tillrace::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

constexpr std::size_t kMaxReservedBytes =
    256 * 1024;  // the rest of a body's memory is taken as it arrives

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

  std::size_t feed_head(std::string_view bytes);
  std::size_t feed_body(std::string_view bytes);
  void fail_head(error_code error, std::string_view bytes);
  void finish_head();
  // What RFC 9112 asks of a head beyond its syntax; nullopt when all is well.
  std::optional<Response> refuse_head() const;
  std::optional<Response> refuse_transfer_encoding() const;
  void fault_with(Response response);

  const std::size_t max_header_bytes;
  State state = State::idle;
  Request request;
  std::optional<HeadParser> head;
  std::size_t head_bytes = 0;
  std::size_t max_body_bytes = 0;
  std::optional<ChunkDecoder> chunks;
  std::uint64_t content_length = 0;
  Response fault;
};

void RequestParser::Impl::fault_with(Response response) {
  fault = std::move(response);
  state = State::failed;
}

std::size_t RequestParser::Impl::feed_head(std::string_view bytes) {
  std::size_t used = 0;
  // An empty line before a request is forgiven (RFC 9112, section 2.2): some clients end a body
  // with one.
  if (state == State::idle && bytes.starts_with("\r\n")) used = 2;
  if (used == bytes.size() || (state == State::idle && bytes == "\r")) return used;
  state = State::head;
  if (!head) head.emplace(request, max_header_bytes);
  error_code error;
  std::string_view rest = bytes.substr(used);
  std::size_t parsed = head->put(boost::asio::const_buffer(rest.data(), rest.size()), error);
  head_bytes += parsed;
  used += parsed;
  if (error && error != beast_http::error::need_more) {
    fail_head(error, rest);
  } else if (head->is_done()) {
    finish_head();
  } else if (head_bytes + rest.size() - parsed > max_header_bytes) {
    fail_head(beast_http::error::header_limit,
              rest);  // Beast's own limit counts what is unparsed only
  }
  return used;
}

void RequestParser::Impl::fail_head(error_code error, std::string_view bytes) {
  if (error == beast_http::error::bad_version) return fault_with(refuse_version(bytes));
  if (error != beast_http::error::header_limit)
    return fault_with(malformed_request(explain(error)));
  bool in_request_line = request.target.empty() && bytes.find("\r\n") == std::string_view::npos;
  fault_with(in_request_line ? target_too_long(max_header_bytes)
                             : header_too_large(max_header_bytes));
}

void RequestParser::Impl::finish_head() {
  if (head_bytes > max_header_bytes) return fault_with(header_too_large(max_header_bytes));
  if (auto refused = refuse_head()) return fault_with(std::move(*refused));
  Status split = split_target(request);
  if (!split) return fault_with(malformed_request(split.error().message));
  if (head->chunked()) chunks.emplace();
  content_length = head->content_length().value_or(0);
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

std::size_t RequestParser::Impl::feed_body(std::string_view bytes) {
  if (!chunks) {
    std::uint64_t missing = content_length - request.body.size();
    auto length = static_cast<std::size_t>(std::min<std::uint64_t>(missing, bytes.size()));
    request.body.append(bytes, 0, length);
    if (length == missing) state = State::done;
    return length;
  }
  std::size_t used = chunks->feed(bytes, max_body_bytes, request.body);
  switch (chunks->state()) {
    case ChunkDecoder::State::more: break;
    case ChunkDecoder::State::done: state = State::done; break;
    case ChunkDecoder::State::too_large: fault_with(body_too_large(max_body_bytes)); break;
    case ChunkDecoder::State::malformed:
      fault_with(malformed_request(fmt::format(
          "the chunked body is malformed after {} decoded bytes", request.body.size())));
  }
  return used;
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
const Request& RequestParser::request() const { return impl_->request; }
bool RequestParser::has_body() const { return impl_->chunks || impl_->content_length > 0; }
bool RequestParser::keep_alive() const { return impl_->head->keep_alive(); }
bool RequestParser::http_1_0() const { return impl_->head->version() == 10; }

bool RequestParser::expects_continue() const {
  return has_body() && !http_1_0() && impl_->request.headers.find("Expect").has_value();
}

void RequestParser::expect_body(std::size_t max_body_bytes) {
  CHECK(state() == State::head_done);
  impl_->max_body_bytes = max_body_bytes;
  if (impl_->content_length > max_body_bytes)
    return impl_->fault_with(body_too_large(max_body_bytes));
  auto length = static_cast<std::size_t>(impl_->content_length);
  impl_->request.body.reserve(std::min(length, kMaxReservedBytes));
  impl_->state = has_body() ? State::body : State::done;
}

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
  std::size_t arrived = impl_->request.body.size();
  if (impl_->chunks)
    return malformed_request(fmt::format("the chunked body ends early, after {} bytes", arrived));
  return malformed_request(fmt::format("the body ends after {} of the {} bytes of Content-Length",
                                       arrived, impl_->content_length));
}

void RequestParser::reset() {
  impl_->state = State::idle;
  impl_->request = Request{};
  impl_->head.reset();
  impl_->chunks.reset();
  impl_->head_bytes = 0;
  impl_->content_length = 0;
}

}  // namespace tillrace::http
