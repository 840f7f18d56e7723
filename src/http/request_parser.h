// Bytes to Request, without any I/O: what the wire brings goes in with feed(), however it is split.
// Beast reads the head, a BodyReader the body.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "http/content_decoder.h"
#include "http/message.h"

namespace tillrace::http {

// Parses one request after another. Not thread-safe.
//
//   idle -> head -> head_done -> body -> done        failed from each of them
//
// In head_done the owner looks at request() and calls expect_body(), expect_parts() or drop_body(),
// or gives up; in done it takes the request and calls reset().
class RequestParser {
 public:
  enum class State { idle, head, head_done, body, done, failed };

  explicit RequestParser(std::size_t max_header_bytes);
  ~RequestParser();

  // Returns how many bytes were used; the rest has to come again at the front of the next call's
  // bytes. While the head is incomplete up to max_header_bytes may be left over. Legal in idle,
  // head and body; stops at head_done, done and failed, and where wants_room().
  std::size_t feed(std::string_view bytes);
  State state() const;

  // From head_done on.
  Request& request();
  const Request& request() const;
  // Where the body ends can be told; from head_done on, unless its framing is broken or unknown.
  bool framing_known() const;
  bool has_body() const;
  bool keep_alive() const;
  bool http_1_0() const;
  // The client waits for "100 Continue" before it sends the body.
  bool expects_continue() const;

  // Whole: goes on to body or, if there is none, to done; to failed with 413 when Content-Length is
  // beyond `max_body_bytes`. A feed() decodes 256 KB at most, so that what a small body blows up to
  // can be counted as it grows.
  void expect_body(std::size_t max_body_bytes, ContentCoding coding = ContentCoding::identity);
  // In parts: feed() stops when there are `part_bytes`, until take_part(). Goes on to body or done.
  void expect_parts(std::size_t part_bytes, ContentCoding coding);
  // Gives the body up: what comes of it is thrown away. False, and nothing changes, when it is
  // longer than `max_bytes` or its end cannot be found. Goes on to body or done, also from failed;
  // to failed when more than `max_bytes` come. Legal from head_done on.
  bool drop_body(std::size_t max_bytes);

  // In body: the last feed() stopped for room, not for bytes; feed() again, even without any.
  bool wants_room() const;
  std::size_t part_size() const;
  // In body and done, after expect_parts(): what has been decoded since the last call.
  std::string take_part();
  // Of the body, in bytes as sent (without chunks' framing).
  std::uint64_t body_bytes() const;

  Request take_request();
  // In failed: what to tell the client.
  Response take_fault();
  // In head or body: the answer when nothing more will come.
  Response truncated() const;
  // Ready for the next request.
  void reset();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tillrace::http
