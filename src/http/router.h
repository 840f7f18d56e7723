// Which handler answers which request. Filled at start by the rooms that speak HTTP, constant
// afterwards.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "http/message.h"

namespace tillrace::http {

// Answers one request. Call it exactly once, from any thread, now or later: also when the client
// has gone or the server has ended, in which case nothing happens. A second call is a bug and ends
// the process. When the last copy of a Reply goes without a call, the client is told 500: no
// request is forgotten. Copies are shared because std::function must be copyable.
using Reply = std::function<void(Response)>;

// Runs on one of the server's threads and must not block: it takes the request over and replies, or
// arranges for a reply.
using Handler = std::function<void(Request&&, Reply)>;

struct RouteOptions {
  std::optional<std::size_t> max_body_bytes;  // else ServerOptions::max_body_bytes
};

// Not thread-safe while it is filled; match() is.
class Router {
 public:
  struct Route {
    Handler handler;
    RouteOptions options;
  };

  // `path` is compared whole, after percent-decoding. A handler of GET also answers HEAD; the
  // server leaves the body out. The same method and path twice is a bug.
  void add(Method method, std::string path, Handler handler, RouteOptions options = {});

  // The route of a request, valid as long as this Router; or the answer where there is none: 204
  // with Allow for OPTIONS, 405 with Allow for a known path, 404 with the nearest known paths.
  tl::expected<const Route*, Response> match(Method method, std::string_view path) const;

 private:
  using Methods = std::map<Method, Route>;

  Response without_route(Method method, std::string_view path, const Methods& methods) const;
  Response unknown_path(std::string_view path) const;

  std::map<std::string, Methods, std::less<>> paths_;
};

}  // namespace tillrace::http
