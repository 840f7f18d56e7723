// Any bytes as what a connection reads. The input's first five bytes choose the limits, what is
// done with bodies and how the others are split. Requests, bodies and faults are the same in one
// piece and in splits; a reader of bodies that sees all bytes at once agrees where each ends and
// what it holds; a request that is written again reads the same. Percent encoding and queries hold
// for any text.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "http/request_parser.h"

namespace {

using tillrace::http::ContentCoding;
using tillrace::http::ContentDecoder;
using tillrace::http::Headers;
using tillrace::http::Method;
using tillrace::http::Query;
using tillrace::http::Request;
using tillrace::http::RequestParser;
using tillrace::http::Response;
using State = RequestParser::State;

enum class Bodies { whole, parts, dropped };

struct Limits {
  std::size_t header_bytes;
  std::size_t body_bytes;
  Bodies bodies = Bodies::whole;
};

struct Taken {
  Request request;
  bool http_1_0;
  bool keep_alive;
  bool expects_continue;
  std::size_t body_begin;  // in the input
  std::size_t end;
};

struct Outcome {
  std::vector<Taken> taken;
  State state = State::idle;
  Response fault;      // or, in head and body, what is said of the end
  bool coded = false;  // it was in a body of gzip or zstd
};

// One that is not taken is left as it is.
ContentCoding coding_of(const Request& request) {
  auto value = request.headers.find("Content-Encoding").value_or("");
  return tillrace::http::parse_content_coding(value).value_or(ContentCoding::identity);
}

bool same(const Headers& a, const Headers& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.name == y.name && x.value == y.value;
  });
}

bool same(const Request& a, const Request& b) {
  return a.method == b.method && a.target == b.target && a.path == b.path && a.query == b.query &&
         same(a.headers, b.headers) && a.body == b.body;
}

bool same(const Taken& a, const Taken& b) {
  return same(a.request, b.request) && a.http_1_0 == b.http_1_0 && a.keep_alive == b.keep_alive &&
         a.expects_continue == b.expects_continue && a.body_begin == b.body_begin && a.end == b.end;
}

bool same(const Outcome& a, const Outcome& b) {
  // A body may be wrong in its chunks and in its coding; which is found first is open.
  bool same_fault = a.fault.status == b.fault.status && a.fault.body == b.fault.body;
  return a.state == b.state && (same_fault || (a.coded && b.coded)) &&
         std::equal(a.taken.begin(), a.taken.end(), b.taken.begin(), b.taken.end(),
                    [](const Taken& x, const Taken& y) { return same(x, y); });
}

// Feeds a parser as a connection does, and keeps what comes of it.
class Reader {
 public:
  Reader(std::string_view bytes, Limits limits)
      : bytes_(bytes), limits_(limits), parser_(limits.header_bytes) {}

  // The first `arrived` bytes are there. False when the parser has failed.
  bool read(std::size_t arrived) {
    while (used_ < arrived || parser_.wants_room()) {
      std::size_t used = parser_.feed(bytes_.substr(used_, arrived - used_));
      std::size_t taken = outcome_.taken.size();
      used_ += used;
      CHECK(used_ <= arrived);
      if (!settle() || parser_.state() == State::failed) return false;
      if (used == 0 && taken == outcome_.taken.size() && !parser_.wants_room()) break;
    }
    CHECK(arrived - used_ <= limits_.header_bytes);
    CHECK(parser_.state() != State::body || used_ == arrived);
    return true;
  }

  Outcome end() {
    outcome_.state = parser_.state();
    outcome_.coded = begun_ && coding_of(parser_.request()) != ContentCoding::identity;
    if (outcome_.state == State::failed) outcome_.fault = parser_.take_fault();
    if (outcome_.state == State::head || outcome_.state == State::body)
      outcome_.fault = parser_.truncated();
    return std::move(outcome_);
  }

 private:
  // False when a body cannot be dropped.
  bool settle() {
    if (parser_.state() == State::head_done && !begin_body()) return false;
    if (parser_.state() == State::failed) return true;
    CHECK(parser_.part_size() <= limits_.body_bytes);
    if (limits_.bodies == Bodies::parts && begun_) body_ += parser_.take_part();
    if (parser_.state() != State::done) return true;
    bool old = parser_.http_1_0(), stays = parser_.keep_alive(), waits = parser_.expects_continue();
    outcome_.taken.push_back({parser_.take_request(), old, stays, waits, body_begin_, used_});
    if (limits_.bodies == Bodies::parts) outcome_.taken.back().request.body = std::move(body_);
    body_.clear();
    begun_ = false;
    parser_.reset();
    CHECK(parser_.state() == State::idle);
    return true;
  }

  bool begin_body() {
    begun_ = true;
    body_begin_ = used_;
    ContentCoding coding = coding_of(parser_.request());
    if (limits_.bodies == Bodies::dropped) return parser_.drop_body(limits_.body_bytes);
    if (limits_.bodies == Bodies::parts)
      parser_.expect_parts(limits_.body_bytes, coding);
    else
      parser_.expect_body(limits_.body_bytes, coding);
    return true;
  }

  const std::string_view bytes_;
  const Limits limits_;
  RequestParser parser_;
  std::size_t used_ = 0;
  std::size_t body_begin_ = 0;
  bool begun_ = false;  // the current request's head is done
  std::string body_;    // of its parts so far
  Outcome outcome_;
};

// In pieces of these sizes, over and over; in one when there are none.
Outcome parse(std::string_view bytes, Limits limits, std::span<const std::uint8_t> pieces) {
  Reader reader(bytes, limits);
  std::size_t arrived = 0;
  for (std::size_t piece = 0; arrived < bytes.size(); ++piece) {
    std::size_t length = pieces.empty() ? bytes.size() : pieces[piece % pieces.size()] + 1u;
    arrived = std::min(bytes.size(), arrived + length);
    if (!reader.read(arrived)) break;
  }
  return reader.end();
}

std::string_view take_line(std::string_view& bytes) {
  std::size_t end = bytes.find("\r\n");
  CHECK(end != std::string_view::npos);
  std::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(end + 2);
  return line;
}

template <class Number>
Number number(std::string_view digits, int base) {
  Number value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  CHECK(error == std::errc{} && end != digits.data());
  return value;
}

// What the chunks decode to; `bytes` are all of a sound chunked body.
std::string unchunk(std::string_view bytes) {
  std::string body;
  while (auto size = number<std::uint64_t>(take_line(bytes), 16)) {
    CHECK(size <= bytes.size());
    body += bytes.substr(0, size);
    bytes.remove_prefix(size);
    CHECK(take_line(bytes).empty());
  }
  while (!take_line(bytes).empty()) continue;  // the trailer
  CHECK(bytes.empty());
  return body;
}

std::string decoded(ContentCoding coding, std::string_view bytes) {
  if (coding == ContentCoding::identity) return std::string(bytes);
  ContentDecoder decoder(coding);
  std::string body;
  CHECK(decoder.feed(bytes, std::size_t{1} << 30, body) == bytes.size());
  CHECK(decoder.finish() == ContentDecoder::State::done);
  return body;
}

void check_body(const Taken& taken, std::string_view bytes, Bodies bodies) {
  const Request& request = taken.request;
  std::string raw(bytes.substr(taken.body_begin, taken.end - taken.body_begin));
  if (request.headers.find("Transfer-Encoding")) {
    CHECK(request.headers.count("Transfer-Encoding") == 1);
    CHECK(!request.headers.find("Content-Length") && !taken.http_1_0 && !request.content_length);
    raw = unchunk(raw);
  } else {
    CHECK(raw.size() == request.content_length.value_or(0));
    CHECK(request.content_length.has_value() == request.headers.find("Content-Length").has_value());
    for (const auto& field : request.headers)
      if (tillrace::http::equal_without_case(field.name, "Content-Length"))
        CHECK(number<std::size_t>(field.value, 10) == raw.size());
    if (raw.empty()) return CHECK(request.body.empty());
  }
  if (bodies == Bodies::dropped) return CHECK(request.body.empty());
  CHECK(request.body == decoded(coding_of(request), raw));
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
  });
}

void check_head(const Taken& taken) {
  const Request& request = taken.request;
  bool asterisk = request.method == Method::options && request.target == "*";
  CHECK(request.path.starts_with('/') || asterisk);
  CHECK(!has_control(request.target) && request.target.find(' ') == std::string::npos);
  CHECK(request.query.empty() || request.target.ends_with("?" + request.query));
  CHECK(request.headers.count("Host") == 1 || (taken.http_1_0 && !request.headers.find("Host")));
  for (const auto& field : request.headers) {
    CHECK(!field.name.empty() && field.name.find_first_of(" \t:\r\n") == std::string::npos);
    CHECK(!has_control(field.value));
    CHECK(request.headers.count(field.name) >= 1 && request.headers.find(field.name));
  }
}

std::string written(const Taken& taken) {
  const Request& request = taken.request;
  bool other = request.method == Method::other;
  std::string text(other ? "PATCH" : tillrace::http::name(request.method));
  text += ' ' + request.target + (taken.http_1_0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  for (const auto& field : request.headers) text += field.name + ": " + field.value + "\r\n";
  text += "\r\n";
  if (!request.headers.find("Transfer-Encoding")) return text + request.body;
  if (!request.body.empty())
    text += fmt::format("{:x}\r\n{}\r\n", request.body.size(), request.body);
  return text + "0\r\n\r\n";
}

void check_written_again(const Taken& taken, Bodies bodies) {
  if (bodies == Bodies::dropped || coding_of(taken.request) != ContentCoding::identity) return;
  constexpr Limits kLarge{1 << 20, 1 << 20};
  std::string text = written(taken);
  Outcome again = parse(text, kLarge, {});
  CHECK(again.state == State::idle && again.taken.size() == 1);
  CHECK(same(again.taken[0].request, taken.request) && again.taken[0].end == text.size());
  CHECK(again.taken[0].keep_alive == taken.keep_alive);
}

void check_fault(const Outcome& outcome) {
  if (outcome.state == State::idle) return;
  const Response& fault = outcome.fault;
  CHECK(fault.status >= 400 && fault.status < 600);
  CHECK(fault.content_type == "application/problem+json");
  CHECK(fault.body.starts_with("{\"type\":\"/problems/") && fault.body.ends_with('}'));
}

bool percent_is_sound(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdefABCDEF";
  for (std::size_t at = text.find('%'); at != text.npos; at = text.find('%', at + 3)) {
    if (at + 2 >= text.size() || kHex.find(text[at + 1]) == kHex.npos ||
        kHex.find(text[at + 2]) == kHex.npos)
      return false;
  }
  return true;
}

void check_percent(std::string_view text) {
  using tillrace::http::percent_decode;
  std::string encoded = tillrace::http::percent_encode(text);
  CHECK(percent_decode(encoded).value() == text);
  CHECK(!has_control(encoded) && encoded.find_first_of(" /?&=+#") == std::string::npos);
  auto decoded = percent_decode(text);
  CHECK(decoded.has_value() == percent_is_sound(text));
  if (decoded)
    CHECK(text.size() - decoded->size() ==
          2 * std::size_t(std::count(text.begin(), text.end(), '%')));
}

bool equal(const Query& a, const Query& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void check_query(std::string_view text) {
  auto query = Query::parse(text);
  CHECK(query.has_value() == percent_is_sound(text));
  if (!query) return;
  std::string again;
  for (const auto& [name, value] : *query) {
    again += tillrace::http::percent_encode(name) + '=';
    again += tillrace::http::percent_encode(value) + '&';
    CHECK(query->find(name).has_value());
  }
  CHECK(equal(Query::parse(again).value(), *query));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 5) return 0;
  constexpr Bodies kBodies[] = {Bodies::whole, Bodies::parts, Bodies::dropped, Bodies::whole};
  Limits limits{data[0] & 1 ? 64u : 4096u, data[0] & 2 ? 16u : 4096u, kBodies[data[0] >> 2 & 3]};
  std::string_view bytes(reinterpret_cast<const char*>(data + 5), size - 5);
  Outcome whole = parse(bytes, limits, {});
  CHECK(same(whole, parse(bytes, limits, std::span(data + 1, 4))));
  if (limits.bodies != Bodies::dropped) check_fault(whole);
  for (const Taken& taken : whole.taken) {
    check_head(taken);
    check_body(taken, bytes, limits.bodies);
    check_written_again(taken, limits.bodies);
    check_query(taken.request.query);
  }
  check_percent(bytes);
  check_query(bytes);
  return 0;
}
