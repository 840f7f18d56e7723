// Cross-origin requests (Fetch standard, "CORS protocol"): which pages of other origins a browser
// may let read our answers. Off unless origins are configured.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace tillrace::http {

// scheme://host or scheme://host:port, as a browser sends it; "*" is none, for it would let every
// page of the web in.
Status check_origin(std::string_view origin);

// The one of `origins` that the request comes from, byte for byte; nullptr for none of them.
const std::string* match_origin(const std::vector<std::string>& origins, const Headers& headers);

// A browser's question before a request with `Origin` that is not simple. `response` is what
// OPTIONS of the path gives; it gains what is allowed: the path's methods, and the header fields
// asked for. Credentials are not: cookies play no part here.
bool is_preflight(const Request& request);
void allow_preflight(const Request& request, Response& response);

}  // namespace tillrace::http
