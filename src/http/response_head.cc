#include "http/response_head.h"

#include <fmt/format.h>
#include <time.h>

#include <array>

namespace tillrace::http {
namespace {

struct Reason {
  int status;
  std::string_view text;
};

// RFC 9110, section 15, and RFC 6585.
constexpr std::array kReasons = {
    Reason{200, "OK"},
    Reason{201, "Created"},
    Reason{202, "Accepted"},
    Reason{204, "No Content"},
    Reason{206, "Partial Content"},
    Reason{207, "Multi-Status"},
    Reason{301, "Moved Permanently"},
    Reason{302, "Found"},
    Reason{303, "See Other"},
    Reason{304, "Not Modified"},
    Reason{307, "Temporary Redirect"},
    Reason{308, "Permanent Redirect"},
    Reason{400, "Bad Request"},
    Reason{401, "Unauthorized"},
    Reason{403, "Forbidden"},
    Reason{404, "Not Found"},
    Reason{405, "Method Not Allowed"},
    Reason{406, "Not Acceptable"},
    Reason{408, "Request Timeout"},
    Reason{409, "Conflict"},
    Reason{410, "Gone"},
    Reason{412, "Precondition Failed"},
    Reason{413, "Content Too Large"},
    Reason{414, "URI Too Long"},
    Reason{415, "Unsupported Media Type"},
    Reason{416, "Range Not Satisfiable"},
    Reason{417, "Expectation Failed"},
    Reason{422, "Unprocessable Content"},
    Reason{428, "Precondition Required"},
    Reason{429, "Too Many Requests"},
    Reason{431, "Request Header Fields Too Large"},
    Reason{500, "Internal Server Error"},
    Reason{501, "Not Implemented"},
    Reason{502, "Bad Gateway"},
    Reason{503, "Service Unavailable"},
    Reason{504, "Gateway Timeout"},
    Reason{505, "HTTP Version Not Supported"},
    Reason{507, "Insufficient Storage"},
};

constexpr std::size_t kUsualHeadBytes = 512;

bool ends_a_line(char c) { return c == '\r' || c == '\n' || c == '\0'; }

// Of a value that the server made itself, or has checked.
void append_trusted(std::string& out, std::string_view field, std::string_view value) {
  out += field;
  out += ": ";
  out += value;
  out += "\r\n";
}

void append_number(std::string& out, std::size_t number) {
  fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
}

void append_field(std::string& out, std::string_view field, std::string_view value) {
  out += field;
  out += ": ";
  std::size_t start = out.size();
  out += value;
  for (std::size_t at = start; at < out.size(); ++at)
    if (ends_a_line(out[at])) out[at] = ' ';
  out += "\r\n";
}

void append_length(std::string& out, const Response& response, HeadOptions::Length length) {
  if (!may_have_body(response.status)) return;
  if (length == HeadOptions::Length::known) {
    out += "Content-Length: ";
    append_number(out, response.body.size());
    out += "\r\n";
  }
  if (length == HeadOptions::Length::chunked) out += "Transfer-Encoding: chunked\r\n";
}

constexpr std::string_view kForEveryAnswer =
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Frame-Options: DENY\r\n";
constexpr std::string_view kTlsOnly = "Strict-Transport-Security: max-age=31536000\r\n";

void append_common_fields(std::string& out, const Response& response, const HeadOptions& options) {
  if (!options.request_id.empty()) append_trusted(out, "X-Request-Id", options.request_id);
  out += kForEveryAnswer;
  if (!response.headers.find("Cache-Control")) out += "Cache-Control: no-store\r\n";
  if (options.over_tls) out += kTlsOnly;
  if (options.cors) out += "Vary: Origin\r\n";
  if (options.allowed_origin.empty()) return;
  append_trusted(out, "Access-Control-Allow-Origin", options.allowed_origin);
  out += "Access-Control-Expose-Headers: X-Request-Id, Retry-After, Idempotent-Replay\r\n";
}

}  // namespace

std::string_view reason(int status) {
  for (const Reason& each : kReasons)
    if (each.status == status) return each.text;
  return "Other";
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

void append_head(std::string& out, const Response& response, const HeadOptions& options) {
  out.reserve(kUsualHeadBytes);
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::size_t>(response.status));
  out += ' ';
  out += reason(response.status);
  out += "\r\n";
  append_trusted(out, "Date", options.date);
  if (!response.content_type.empty()) append_field(out, "Content-Type", response.content_type);
  append_length(out, response, options.length);
  for (const Headers::Field& each : response.headers) append_field(out, each.name, each.value);
  append_common_fields(out, response, options);
  if (options.close) {
    out += "Connection: close\r\n";
  } else if (options.http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

std::string http_date(UtcMicros time) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  time_t seconds = static_cast<time_t>(time.value / 1'000'000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                     kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace tillrace::http
