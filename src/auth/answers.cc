#include "auth/answers.h"

#include "http/problem.h"

namespace tillrace::auth {
namespace {

constexpr std::string_view kChallenge = "Bearer realm=\"tillrace\"";
constexpr int kFetchAgainS = 1;  // about as long as a fetch of the provider's keys takes

http::Response unauthorized(std::string_view detail, std::string_view challenge) {
  http::Response response =
      http::problem(401, "unauthorized", "The request needs valid credentials", detail);
  response.headers.add("WWW-Authenticate", challenge);
  return response;
}

http::Response later(http::Response response, int retry_after_s) {
  response.headers.add("Retry-After", std::to_string(retry_after_s));
  return response;
}

}  // namespace

http::Response no_credentials(std::string_view detail) { return unauthorized(detail, kChallenge); }

http::Response bad_credentials(std::string_view detail) {
  return unauthorized(detail, fmt::format("{}, error=\"invalid_token\"", kChallenge));
}

http::Response several_credentials() {
  http::Response response = http::malformed_request(
      "there is more than one credential; send one Authorization or one X-API-Key");
  response.headers.add("WWW-Authenticate",
                       fmt::format("{}, error=\"invalid_request\"", kChallenge));
  return response;
}

http::Response missing_scope(Scope needed) {
  http::Response response = http::problem(
      403, "forbidden", "The credentials do not allow this",
      fmt::format("the scope '{}' is needed; the credentials have it not", name(needed)),
      [&](JsonWriter& json) { json.field("scope", name(needed)); });
  response.headers.add(
      "WWW-Authenticate",
      fmt::format("{}, error=\"insufficient_scope\", scope=\"{}\"", kChallenge, name(needed)));
  return response;
}

http::Response too_many_failures(int retry_after_s) {
  auto detail =
      fmt::format("too many bad credentials came from this address; wait {} s", retry_after_s);
  return later(http::problem(429, "too-many-attempts", "Too many bad credentials", detail),
               retry_after_s);
}

http::Response provider_unavailable(std::string_view detail) {
  return later(http::problem(503, "identity-provider-unavailable",
                             "The token cannot be checked now", detail),
               kFetchAgainS);
}

}  // namespace tillrace::auth
