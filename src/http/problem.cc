#include "http/problem.h"

#include <fmt/format.h>

namespace tillrace::http {

Response problem(int status, std::string_view slug, std::string_view title, std::string_view detail,
                 const ProblemMembers& members) {
  JsonWriter json;
  json.begin_object()
      .field("type", fmt::format("/problems/{}", slug))
      .field("title", title)
      .field("status", static_cast<std::int64_t>(status))
      .field("detail", detail);
  if (members) members(json);
  json.end_object();
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = json.take();
  return response;
}

Response malformed_request(std::string_view detail) {
  return problem(400, "malformed-request", "The request is not well-formed HTTP", detail);
}

Response malformed_content_coding(std::string_view coding, std::uint64_t after_bytes) {
  auto detail = fmt::format(
      "the body is not what 'Content-Encoding: {}' says; its first {} bytes cannot be decoded, or "
      "its end is missing",
      coding, after_bytes);
  return problem(400, "malformed-content-coding", "The body's content coding is broken", detail);
}

Response request_timeout(std::string_view detail) {
  return problem(408, "request-timeout", "The request took too long to arrive", detail);
}

Response body_too_large(std::size_t max_body_bytes) {
  auto detail = fmt::format("the body may have up to {} bytes; send less at once", max_body_bytes);
  return problem(413, "body-too-large", "The body is too large", detail, [&](JsonWriter& json) {
    json.field("max_body_bytes", static_cast<std::int64_t>(max_body_bytes));
  });
}

Response target_too_long(std::size_t max_header_bytes) {
  auto detail = fmt::format(
      "request line and header fields may have up to {} bytes together; "
      "the request line alone has more",
      max_header_bytes);
  return problem(414, "target-too-long", "The request's target is too long", detail);
}

Response unsupported_content_coding(std::string_view coding) {
  auto detail = fmt::format(
      "'Content-Encoding: {}' is not taken; gzip or zstd is, one of them, or none", coding);
  Response response =
      problem(415, "unsupported-content-coding", "The body's content coding is not taken", detail);
  response.headers.add("Accept-Encoding", "gzip, zstd");
  return response;
}

Response tls_expected() {
  return malformed_request("this port speaks TLS and the request came without; use https://");
}

Response unknown_expectation(std::string_view expectation) {
  auto detail = fmt::format("'Expect: {}' is not known; only 100-continue is", expectation);
  return problem(417, "unknown-expectation", "The expectation cannot be met", detail);
}

Response busy(std::size_t max_in_flight_bytes, int retry_after_s) {
  auto detail = fmt::format(
      "the bodies of the requests in flight fill the {} bytes that they may; try again in {} s",
      max_in_flight_bytes, retry_after_s);
  Response response = problem(429, "busy", "Too much is waiting to be stored", detail);
  response.headers.add("Retry-After", std::to_string(retry_after_s));
  return response;
}

Response header_too_large(std::size_t max_header_bytes) {
  auto detail = fmt::format("request line and header fields may have up to {} bytes together",
                            max_header_bytes);
  return problem(431, "header-too-large", "The header fields are too large", detail);
}

Response no_reply() {
  return problem(500, "internal-error", "The server failed to answer",
                 "the request was given up inside the server; it may have taken effect");
}

Response unknown_transfer_coding(std::string_view coding) {
  auto detail = fmt::format("'Transfer-Encoding: {}' is not known; only chunked is", coding);
  return problem(501, "unknown-transfer-coding", "The transfer coding is not known", detail);
}

Response too_many_connections(std::size_t max_connections, int retry_after_s) {
  auto detail = fmt::format("{} connections are open, which is the limit; try again in {} s",
                            max_connections, retry_after_s);
  Response response = problem(503, "too-many-connections", "Too many connections", detail);
  response.headers.add("Retry-After", std::to_string(retry_after_s));
  return response;
}

Response unknown_version(std::string_view version) {
  auto detail = fmt::format("'{}' is not spoken here; use HTTP/1.1", version);
  return problem(505, "unknown-version", "The HTTP version is not supported", detail);
}

}  // namespace tillrace::http
