// The listener: bytes of many connections to requests for handlers, and answers back. It knows no
// business word.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "http/router.h"

namespace tillrace::http {

// Files in PEM form. Without a certificate_file the server speaks plain HTTP.
struct TlsOptions {
  std::string certificate_file;  // the server's certificate, then those between it and the root
  std::string key_file;          // without a passphrase
  // Where set, a client must have a certificate that one of these has signed (mTLS).
  std::string client_ca_file;
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address, v4 or v6
  std::uint16_t port = 0;             // 0: any free one
  unsigned threads = 2;               // 1 to 64
  // Beyond, a new connection takes the place of one among those of its thread: of one whose body
  // pauses for a second or brings less than 64 KB/s, or else of the one that has been idle, or
  // within a request's head, for longest; only if there is none it gets 503 with Retry-After. So
  // connections that say nothing, or speak slowly, lock nobody out.
  std::size_t max_connections = 4096;
  std::size_t max_header_bytes = 16 * 1024;  // request line and header fields together; 414 or 431
  std::size_t max_body_bytes = 64 * 1024;    // of routes that name no limit of their own; 413
  // Of request bodies that all connections hold together: reserved from Content-Length at the head,
  // or as a chunked or compressed body grows, until the request is answered; a stream reserves one
  // part, and 8 MB if it is zstd, for the decoder's window. Beyond: 429 with Retry-After, and the
  // body is dropped; while seven eighths are taken, bodies as slow as those above are ended by
  // 408 within about a second. At least max_body_bytes; a body larger than this is always refused.
  std::size_t max_in_flight_bytes = 64 * 1024 * 1024;
  // Limits of time are looked at every quarter of the shortest of them, at most every second.
  int header_timeout_ms = 10'000;  // from a request's first byte to the end of its head; 408
  int body_timeout_ms = 10'000;    // the longest pause within a body; 408
  int write_timeout_ms =
      10'000;  // the longest pause of a client that reads its answer; the connection is closed
  int idle_timeout_ms = 75'000;  // of a connection between two requests; closed without a word
  // A body, or an answer, may take its timeout above plus its size at this rate; so a peer that
  // sends or reads a byte now and then, never pausing, is ended too.
  std::size_t min_bytes_per_second = 4096;
  // Origins whose pages may use this server from a browser (CORS), "https://shop.example"; compared
  // byte for byte. Empty: off.
  std::vector<std::string> cors_origins;
  TlsOptions tls;  // its handshake counts for the first request's head
};

// A server that listens and answers, on its own threads http-0, http-1 ... Each has its own
// listening socket (SO_REUSEPORT), its own io_context and its own connections, so that no
// connection is ever touched by two threads. HTTP/1.1 and 1.0, keep-alive; pipelined requests are
// answered one after the other. Every fault of the protocol is answered with problem+json where the
// client can still hear it.
//
// Every answer has X-Request-Id: the trace-id of the request's traceparent if it has a valid one,
// else its own X-Request-Id if it is sane (1 to 64 of [A-Za-z0-9._-]), else a fresh one. A request
// is a line of the program's log under that id: 5xx as a warning, other refusals as information, at
// most 20 of them a second and thread, the rest for debugging.
//
// With TLS (1.2 or 1.3), who speaks plain HTTP is answered 400 in plain and let go.
//
// Memory: a connection has a buffer of 4 KB (up to max_header_bytes, or 64 KB while a body comes
// in), one request's body, or part of it, and one answer, or part of it; with TLS about 15 KB more,
// and 45 KB during the handshake. drain() and the destructor are for one thread.
class Server {
 public:
  // Listens when it returns. Raises the process's soft limit of open files to the hard one, as each
  // connection needs a file. invalid: address or options are wrong, or a file of TLS is;
  // unavailable: the port is in use or not ours to take. `metrics` must outlive the server.
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

  // Reads the files of TLS anew, for connections to come; those that are open go on as they are.
  // invalid, naming the file and what is wrong with it: the old ones stay in force. From any
  // thread.
  Status reload_tls();

  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);  // for listen()

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tillrace::http
