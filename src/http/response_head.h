// The status line and header fields of an answer (RFC 9112), as bytes.
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/message.h"

namespace tillrace::http {

struct HeadOptions {
  std::string_view date;  // http_date() of now
  bool close = false;     // the connection ends after this answer
  bool http_1_0 = false;  // the client must be told when the connection stays
  // How the client finds the body's end. up_to_close is for HTTP/1.0, and goes with `close`.
  enum class Length { known, chunked, up_to_close };
  Length length = Length::known;
  std::string_view request_id = {};
  bool over_tls = false;                 // then the client is to come by TLS only
  bool cors = false;                     // the answer depends on the request's Origin
  std::string_view allowed_origin = {};  // whose pages may read the answer; none when empty
};

// Appends the head to `out`, with the fields that every answer has: X-Request-Id, those that keep
// browsers from guessing and framing, Cache-Control: no-store unless the response has its own.
// Bytes in header values that would end a line become spaces, so that no value that a handler took
// from a request can add a field.
void append_head(std::string& out, const Response& response, const HeadOptions& options);
// 1xx, 204 and 304 have neither body nor Content-Length (RFC 9110, section 8.6).
bool may_have_body(int status);
std::string_view reason(int status);
// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
std::string http_date(UtcMicros time);

}  // namespace tillrace::http
