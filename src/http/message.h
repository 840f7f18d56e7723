// Requests and responses, as handlers and callers of the client see them. Plain values; nothing
// here does I/O.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tillrace::http {

// `other` is every method that is not listed.
enum class Method { get, head, post, put, delete_, options, other };
// "GET", "HEAD" ...
std::string_view name(Method method);

// Header fields in the order they came. Names compare without case (RFC 9110, section 5.1).
class Headers {
 public:
  struct Field {
    std::string name;
    std::string value;
  };

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  void add(std::string_view field, std::string_view value);
  // The value of the first field of this name; borrowed from this object. nullopt when there is
  // none.
  std::optional<std::string_view> find(std::string_view field) const;
  std::size_t count(std::string_view field) const;

  std::size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};
bool equal_without_case(std::string_view a, std::string_view b);

struct Request {
  Method method = Method::get;
  std::string target;  // as sent: "/v1/reports?from=2011-01-01"
  std::string path;    // percent-decoded, without the query: "/v1/reports"
  std::string query;   // as sent, without the "?"; Query::parse() reads it
  Headers headers;
  std::optional<std::uint64_t> content_length;  // as sent; none when chunked or without a body
  std::string body;            // decoded: Transfer-Encoding and Content-Encoding are undone
  std::string remote_address;  // the peer's IP address, without the port
  std::string client;          // who asks: set by a route's Admit, else the remote address
  std::string request_id;      // see Server; the answer carries it as X-Request-Id
  bool over_tls = false;
  // Of a client certificate that was verified, as RFC 2253 writes it; else empty.
  std::string tls_subject;
};

struct Response {
  int status = 200;  // 200 to 599
  Headers headers;  // without Content-Type, Content-Length, Transfer-Encoding, Connection, Date and
                    // X-Request-Id: the server writes those
  std::string content_type;  // none when empty
  std::string body;
  bool more = false;  // of a BodyStream's reply: the answer goes on (router.h)
};

// "%41" becomes "A". invalid when a % is not followed by two hex digits.
Result<std::string> percent_decode(std::string_view text);
// Keeps what RFC 3986 calls unreserved (letters, digits, "-._~") and encodes the rest: fit for any
// part of a URL.
std::string percent_encode(std::string_view text);

// The parameters of a query string, decoded as HTML forms encode them: "a=1&b=x+y%26z".
class Query {
 public:
  // invalid, naming the parameter, when the encoding is malformed.
  static Result<Query> parse(std::string_view query);

  // The first value of `parameter`; borrowed from this object. A parameter without "=" has the
  // value "".
  std::optional<std::string_view> find(std::string_view parameter) const;

  auto begin() const { return parameters_.begin(); }
  auto end() const { return parameters_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

}  // namespace tillrace::http
