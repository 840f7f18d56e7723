// Which handler answers which request. Filled at start by the rooms that speak HTTP, constant
// afterwards.
#pragma once
#include <functional>
#include <map>
#include <memory>
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

// Looks at a request's head before its body is read, on the connection's thread; must not block.
// May set request.client. A response refuses the request: it is sent at once, and a body of up to 1
// MB is read and dropped so that the connection stays; a longer one ends it. Nothing means: go on.
using Admit = std::function<std::optional<Response>(Request& head)>;

// A request whose body comes in parts, and whose answer may go out in parts. Calls alternate:
// take(), its reply, the next take(); so neither side outruns the other, and memory is bounded by
// one part and one reply. Lives on the connection's thread; destroyed when the answer is complete
// or the client has gone (then without is_last), or with the server, which is then past its
// threads.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // `part` is decoded (chunked, gzip and zstd undone), 1 byte to RouteOptions::part_bytes; the last
  // may be empty. Must not block. `reply` is called once, from any thread, as a handler's.
  //
  // The first reply's status and headers begin the answer, and its body is sent; of later replies
  // only `body` is used, and it may be empty. more = true: the answer goes on. Nothing is read from
  // the client before what was replied is written, then the next part comes; after the last part,
  // take("", true, ...) asks for more of the answer. more = false: the answer ends here, also when
  // the body has not ended; then the connection closes. A reply that is forgotten is a 500 if it is
  // the first; later it breaks the answer off, which an HTTP/1.1 client can tell from its end.
  virtual void take(std::string part, bool is_last, Reply reply) = 0;
};

// Called when the head is admitted, on the connection's thread. nullptr: this request is one for
// the handler, with its body whole. Not asked for HEAD.
using OpenStream = std::function<std::unique_ptr<BodyStream>(const Request& head)>;

struct RouteOptions {
  std::optional<std::size_t> max_body_bytes =
      {};                               // whole, decoded; else ServerOptions::max_body_bytes
  Admit admit = {};                     // may be empty
  OpenStream stream = {};               // may be empty; such a body has no limit as a whole
  std::size_t part_bytes = 256 * 1024;  // the most that one take() brings
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
