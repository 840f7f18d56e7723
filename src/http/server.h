// The listener: bytes of many connections to requests for handlers, and answers back. It knows no
// business word.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/result.h"
#include "http/router.h"

namespace tillrace::http {

struct ServerOptions {
  std::string address = "127.0.0.1";         // an IP address, v4 or v6
  std::uint16_t port = 0;                    // 0: any free one
  unsigned threads = 2;                      // 1 to 64
  std::size_t max_connections = 4096;        // beyond: 503 with Retry-After
  std::size_t max_header_bytes = 16 * 1024;  // request line and header fields together; 414 or 431
  std::size_t max_body_bytes = 64 * 1024;    // of routes that name no limit of their own; 413
  // Limits of time are looked at every quarter of the shortest of them, at most every second.
  int header_timeout_ms = 10'000;  // from a request's first byte to the end of its head; 408
  int body_timeout_ms = 10'000;    // the longest pause within a body; 408
  int write_timeout_ms =
      10'000;  // the longest pause of a client that reads its answer; the connection is closed
  int idle_timeout_ms = 75'000;  // of a connection between two requests; closed without a word
  // A body, or an answer, may take its timeout above plus its size at this rate; so a peer that
  // sends or reads a byte now and then, never pausing, is ended too.
  std::size_t min_bytes_per_second = 4096;
};

// A server that listens and answers, on its own threads http-0, http-1 ... Each has its own
// listening socket (SO_REUSEPORT), its own io_context and its own connections, so that no
// connection is ever touched by two threads. HTTP/1.1 and 1.0, keep-alive; pipelined requests are
// answered one after the other. Every fault of the protocol is answered with problem+json where the
// client can still hear it.
//
// Memory: a connection has a buffer of 4 KB (up to max_header_bytes, or 64 KB while a body comes
// in), one request's body and one answer. drain() and the destructor are for one thread.
class Server {
 public:
  // Listens when it returns. invalid: address or options are wrong; unavailable: the port is in use
  // or not ours to take. `metrics` must outlive the server.
  static Result<std::unique_ptr<Server>> listen(ServerOptions options, Router router,
                                                Metrics& metrics);
  // As drain() without patience; joins the threads. Replies that come later go nowhere.
  ~Server();

  std::uint16_t port() const;
  // "127.0.0.1:8080", "[::1]:8080".
  std::string address() const;

  // Stops listening, lets requests that have begun be answered (with Connection: close), closes
  // idle connections. Returns true when no connection is left, false when `deadline` has passed;
  // what is left then is closed. Later calls do nothing more.
  bool drain(std::chrono::milliseconds deadline);

  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);  // for listen()

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tillrace::http
