// Requests to other HTTP servers, by libcurl.
#pragma once
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "http/message.h"

namespace tillrace::http {

struct ClientOptions {
  std::size_t max_response_bytes = 16 * 1024 * 1024;  // of the body
  std::size_t max_header_bytes = 64 * 1024;           // of all header fields together
  Headers headers = {};  // sent with every call, such as Authorization; a call's own go before
  // For https; files in PEM form.
  std::string ca_file =
      {};  // whose certificates the server may have; when empty, those of the system
  std::string certificate_file = {};  // the client's own, for servers that ask for one
  std::string key_file = {};          // without a passphrase
  // Once stop is requested, a call under way is broken off within a second or so, as unavailable.
  std::stop_token stop = {};
};

struct Call {
  Method method = Method::get;  // not `other`
  std::string url;              // http or https
  Headers headers;
  std::string body;  // for POST and PUT
  int connect_timeout_ms = 2'000;
  int total_timeout_ms = 30'000;  // from the call to the answer's last byte
};

// One caller's connections, kept open from call to call. Not thread-safe: one per thread. Redirects
// are answers like any other, not followed. A proxy named in the environment (https_proxy ...) is
// used, but never for this machine itself nor for link-local addresses (169.254.0.0/16).
class Client {
 public:
  explicit Client(ClientOptions options = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Whatever the server answers is a Response, 4xx and 5xx too. invalid: the call is malformed, or
  // a file of the options is; nothing was sent. exhausted: the answer is larger than the options
  // allow. unavailable, naming host and port: no connection, no certificate that proves whom it is
  // with, or no whole answer in time; the request may have taken effect. On a kept connection that
  // the server has closed meanwhile, the request is sent once more.
  Result<Response> send(const Call& call);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tillrace::http
