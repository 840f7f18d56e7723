// How a request is refused: problem+json with the challenge of RFC 6750, section 3.
#pragma once
#include <string_view>

#include "auth/scope.h"
#include "http/message.h"

namespace tillrace::auth {

http::Response no_credentials(std::string_view detail);        // 401
http::Response bad_credentials(std::string_view detail);       // 401, error invalid_token
http::Response several_credentials();                          // 400, error invalid_request
http::Response missing_scope(Scope needed);                    // 403, error insufficient_scope
http::Response too_many_failures(int retry_after_s);           // 429
http::Response provider_unavailable(std::string_view detail);  // 503

}  // namespace tillrace::auth
