#include "app/problem_kinds.h"

#include <fmt/format.h>

#include <array>

#include "base/json_writer.h"

namespace tillrace::app {
namespace {

constexpr std::array kKinds = {
    ProblemKind{
        400, "malformed-request", "The request is not well-formed HTTP",
        "The request line, a header field or the chunks of the body cannot be read, or what "
        "may stand once stands twice.",
        "Put right what the detail names. Sending the same again gives the same answer."},
    ProblemKind{400, "malformed-query", "The query is not understood",
                "The query has a parameter that the path does not know, or a value that it cannot "
                "have.",
                "Put right what the detail names."},
    ProblemKind{400, "malformed-body", "The body is not JSON",
                "The body is no JSON object and no array of objects, or holds no record.",
                "Send one JSON object, a JSON array of objects, or, as application/x-ndjson, one "
                "object a line; in UTF-8 without a byte order mark."},
    ProblemKind{
        400, "malformed-content-coding", "The body's content coding is broken",
        "The body does not decode as gzip or zstd, is cut off, or has bytes behind its end.",
        "Compress the whole body, or send it without Content-Encoding."},
    ProblemKind{400, "invalid-idempotency-key", "The Idempotency-Key is malformed",
                "An Idempotency-Key is 1 to 255 visible ASCII characters, given once.",
                "Use something like a UUID: a new one for each body, the same one when the body is "
                "sent again."},
    ProblemKind{401, "unauthorized", "The request needs valid credentials",
                "Authentication is on, and the request brings no API key and no token, or one that "
                "is unknown, revoked or expired.",
                "Send 'Authorization: Bearer' with an API key or a JWT, or X-API-Key. 'tillrace "
                "keys create' makes a key."},
    ProblemKind{403, "forbidden", "The credentials do not allow this",
                "The key or token is valid, but not for this: sending events needs the scope "
                "'ingest', reading metrics needs 'read'.",
                "Use one that has the scope which the detail names."},
    ProblemKind{404, "no-such-path", "There is no such path",
                "The server has nothing at this path.",
                "Look at 'nearest', which lists paths that look like it, or at /docs."},
    ProblemKind{405, "method-not-allowed", "The path has no such method",
                "The path is there, but not for this method.",
                "Use one of the methods that the Allow header lists."},
    ProblemKind{408, "request-timeout", "The request took too long to arrive",
                "The request paused too long, or came too slowly on the whole.",
                "Send it again on a new connection; send less at once when the line is slow."},
    ProblemKind{413, "body-too-large", "The body is too large",
                "The body, decoded, has more bytes than one request may have.",
                "Send less at once, or a stream of any length: application/x-ndjson with "
                "partial=true."},
    ProblemKind{413, "too-many-records", "The batch holds too many records",
                "The batch holds more events than one request may.",
                "Send fewer at once, or a stream of any length: application/x-ndjson with "
                "partial=true."},
    ProblemKind{413, "batch-too-large", "The batch is too large for the log",
                "The batch is larger than what the log takes in one piece.", "Send less at once."},
    ProblemKind{414, "target-too-long", "The request's target is too long",
                "Path and query are longer than request line and header fields together may be.",
                "Shorten the query; events go into the body."},
    ProblemKind{415, "unsupported-media-type", "The content type is not taken",
                "The Content-Type is not one that events are taken in.",
                "Send application/json with one object or an array, or application/x-ndjson with "
                "one object a line, in UTF-8. A stream with partial=true is application/x-ndjson."},
    ProblemKind{415, "unsupported-content-coding", "The body's content coding is not taken",
                "The body is compressed in a way that is not taken.",
                "Use gzip or zstd, one of them once, or send the body as it is."},
    ProblemKind{417, "unknown-expectation", "The expectation cannot be met",
                "The Expect header asks for something that is not known.",
                "Leave it out, or send 'Expect: 100-continue'."},
    ProblemKind{
        422, "invalid-events", "Events break the rules of their fields",
        "The body is JSON, but at least one event has a field that breaks its rule. Nothing "
        "was stored.",
        "Correct the events that 'errors' lists by their index, and send all again; or send "
        "them with partial=true, which takes the others."},
    ProblemKind{422, "idempotency-key-reused", "The Idempotency-Key belongs to another request",
                "Another body was sent under this key before. Nothing was stored.",
                "Use a new key for a new body. To send a body again, send it unchanged."},
    ProblemKind{429, "busy", "Too much is waiting to be stored",
                "Requests come faster than they can be made durable, and what may wait is bounded.",
                "Send it again after Retry-After seconds; slow down when it happens often."},
    ProblemKind{429, "rate-limited", "This client sends too much",
                "The operator has set how many events and bytes a second one client may send.",
                "Send it again after Retry-After seconds, or ask the operator for more."},
    ProblemKind{429, "too-many-attempts", "Too many bad credentials",
                "So many requests with bad credentials came from this address that it must wait.",
                "Wait Retry-After seconds, and put the key or token right."},
    ProblemKind{431, "header-too-large", "The header fields are too large",
                "Request line and header fields together are larger than they may be.",
                "Leave out what is not needed, such as cookies."},
    ProblemKind{
        500, "internal-error", "The server failed to answer",
        "Something inside the server went wrong. The events may have been stored.",
        "Send them again, which is safe with LineNo, EventId or an Idempotency-Key; tell the "
        "operator, with the X-Request-Id."},
    ProblemKind{500, "log-failed", "The log does not take events",
                "The log's files cannot be written or are damaged. An operator must look.",
                "Keep the events and send them again later."},
    ProblemKind{501, "unknown-transfer-coding", "The transfer coding is not known",
                "The Transfer-Encoding is not 'chunked'.",
                "Send a Content-Length or 'Transfer-Encoding: chunked'; compression goes into "
                "Content-Encoding."},
    ProblemKind{
        503, "unavailable", "The events could not be stored now",
        "The log could not store the events at this moment, or is being closed.",
        "Send them again after Retry-After seconds, which is safe with LineNo, EventId or an "
        "Idempotency-Key."},
    ProblemKind{
        503, "identity-provider-unavailable", "The token cannot be checked now",
        "The keys that tokens are signed with could not be read from the identity provider.",
        "Send it again after Retry-After seconds, or use an API key."},
    ProblemKind{
        503, "disk-full", "The disk is nearly full",
        "There is less free disk than the operator wants kept. Nothing was stored.",
        "Keep the events and send them again after Retry-After seconds; tell the operator."},
    ProblemKind{
        503, "log-full", "The log holds as much as it may for its sinks",
        "The warehouse or the lake has been away so long that the log holds as much as it may. "
        "Nothing was stored.",
        "Keep the events and send them again after Retry-After seconds; tell the operator."},
    ProblemKind{503, "too-many-connections", "Too many connections",
                "As many connections are open as the server takes.",
                "Try again after Retry-After seconds; keep connections open and use them for many "
                "requests."},
    ProblemKind{505, "unknown-version", "The HTTP version is not supported",
                "The request names a version of HTTP that is not spoken here.",
                "Use HTTP/1.1 or HTTP/1.0."},
};

void write(JsonWriter& json, const ProblemKind& kind) {
  json.begin_object()
      .field("type", fmt::format("/problems/{}", kind.slug))
      .field("status", std::int64_t{kind.status})
      .field("title", kind.title)
      .field("meaning", kind.meaning)
      .field("remedy", kind.remedy)
      .end_object();
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string page(std::string_view title, std::string_view content) {
  return fmt::format(
      R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{0} - Tillrace</title>
<link rel="icon" href="/docs/icon.svg">
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<main class="leaf">
<h1>{0}</h1>
{1}</main>
</body>
</html>
)",
      escaped(title), content);
}

}  // namespace

std::span<const ProblemKind> problem_kinds() { return kKinds; }

std::string to_json(const ProblemKind& kind) {
  JsonWriter json;
  write(json, kind);
  return json.take();
}

std::string to_json(std::span<const ProblemKind> kinds) {
  JsonWriter json;
  json.begin_array();
  for (const ProblemKind& kind : kinds) write(json, kind);
  json.end_array();
  return json.take();
}

std::string to_page(const ProblemKind& kind) {
  return page(kind.title,
              fmt::format(R"(<p><code>{} /problems/{}</code></p>
<h2>What it means</h2>
<p>{}</p>
<h2>What to do</h2>
<p>{}</p>
<p><a href="/problems">All problems</a> · <a href="/docs">The API</a></p>
)",
                          kind.status, kind.slug, escaped(kind.meaning), escaped(kind.remedy)));
}

std::string to_page(std::span<const ProblemKind> kinds) {
  std::string rows;
  for (const ProblemKind& kind : kinds)
    rows += fmt::format(
        "<tr><td>{0}</td><td><a href=\"/problems/{1}\">{1}</a></td><td>{2}</td><td>{3}</td></tr>\n",
        kind.status, kind.slug, escaped(kind.meaning), escaped(kind.remedy));
  return page("Problems", fmt::format(R"(<table>
<thead><tr><th>Status</th><th>Problem</th><th>What it means</th><th>What to do</th></tr></thead>
<tbody>
{}</tbody>
</table>
<p><a href="/docs">The API</a></p>
)",
                                      rows));
}

}  // namespace tillrace::app
