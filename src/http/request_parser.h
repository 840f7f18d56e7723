// Bytes to Request, without any I/O: what the wire brings goes in with feed(), however it is split.
// Beast reads the head; the body is read here, so that a later reader of streams can take its
// place.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "http/message.h"

namespace tillrace::http {

// Parses one request after another. Not thread-safe.
//
//   idle -> head -> head_done -> body -> done        failed from each of them
//
// In head_done the owner looks at request() and calls expect_body() or gives up; in done it takes
// the request and calls reset().
class RequestParser {
 public:
  enum class State { idle, head, head_done, body, done, failed };

  explicit RequestParser(std::size_t max_header_bytes);
  ~RequestParser();

  // Returns how many bytes were used; the rest has to come again at the front of the next call's
  // bytes. While the head is incomplete up to max_header_bytes may be left over. Legal in idle,
  // head and body; stops at head_done, done and failed.
  std::size_t feed(std::string_view bytes);
  State state() const;

  // From head_done on.
  const Request& request() const;
  bool has_body() const;
  bool keep_alive() const;
  bool http_1_0() const;
  // The client waits for "100 Continue" before it sends the body.
  bool expects_continue() const;

  // Goes on to body or, if there is none, to done; to failed with 413 when Content-Length is beyond
  // `max_body_bytes`.
  void expect_body(std::size_t max_body_bytes);

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
