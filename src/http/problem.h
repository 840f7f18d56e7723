// Errors as RFC 9457 wants them told: application/problem+json with a stable type.
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/json_writer.h"
#include "http/message.h"

namespace tillrace::http {

// Writes further members into the problem's object, with key() and values: the field that was
// wrong, a list of records.
using ProblemMembers = std::function<void(JsonWriter&)>;

// {"type":"/problems/<slug>","title":...,"status":...,"detail":..., members}. `slug` and `title`
// belong together and never change; `detail` says what was wrong this time and what would be right.
// The type is a relative reference, which RFC 9457, section 3.1.1 allows: its documentation lies on
// the server that answers.
Response problem(int status, std::string_view slug, std::string_view title, std::string_view detail,
                 const ProblemMembers& members = {});

// The problems that the server finds by itself, before or without a handler.
Response malformed_request(std::string_view detail);                                    // 400
Response malformed_content_coding(std::string_view coding, std::uint64_t after_bytes);  // 400
Response tls_expected();                                                                // 400
Response request_timeout(std::string_view detail);                                      // 408
Response body_too_large(std::size_t max_body_bytes);                                    // 413
Response target_too_long(std::size_t max_header_bytes);                                 // 414
Response unsupported_content_coding(std::string_view coding);                           // 415
Response unknown_expectation(std::string_view expectation);                             // 417
Response busy(std::size_t max_in_flight_bytes, int retry_after_s);                      // 429
Response header_too_large(std::size_t max_header_bytes);                                // 431
Response no_reply();                                                                    // 500
Response unknown_transfer_coding(std::string_view coding);                              // 501
Response too_many_connections(std::size_t max_connections, int retry_after_s);          // 503
Response unknown_version(std::string_view version);                                     // 505

}  // namespace tillrace::http
