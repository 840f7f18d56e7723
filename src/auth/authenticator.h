// Who may ask: stands before the routes that are not open to everybody.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "auth/failure_limit.h"
#include "auth/key_source.h"
#include "auth/scope.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "http/message.h"

namespace tillrace::auth {

struct AuthOptions {
  enum class Mode { off, required };
  Mode mode = Mode::off;
  std::filesystem::path keys_file;  // <data folder>/keys.json; it need not be there yet

  // Tokens of an identity provider; all three, or none.
  std::string jwks;                // of the provider's keys: an http or https URL, or a file
  std::string issuer;              // what a token's `iss` must be
  std::string audience;            // what its `aud` must be, or hold
  bool scopes_from_roles = false;  // `roles` names scopes too (Entra ID's tokens for programs)

  KeySourceOptions key_source;  // all but the location
  FailureLimitOptions failures;
};

// Takes `Authorization: Bearer` with an API key (tr_...) or a token, or `X-API-Key` with a key; not
// both at once. Keeps no secret, and writes none into answers, log lines or metrics.
//
// Thread-safe. The clock and the metrics outlive it, and it outlives the server whose routes ask
// it.
class Authenticator {
 public:
  // invalid: the options do not fit together, or the file of keys or of the provider's keys is
  // not to be trusted; corrupt: it is broken. Does not wait for a provider's URL.
  static Result<std::unique_ptr<Authenticator>> open(AuthOptions options, Clock& clock,
                                                     Metrics& metrics);
  ~Authenticator();

  // Fit for http::RouteOptions::admit: some microseconds, and never a wait for another machine.
  // nullopt: the request may go on; `client` is then "key:" and a key's id, or "jwt:" and a token's
  // subject (with Mode::off it stays as it was). Else the answer, problem+json:
  // - 401 unauthorized with WWW-Authenticate (RFC 6750): no credentials, or bad ones;
  // - 400 malformed-request: more than one credential;
  // - 403 forbidden: known, but without the scope `needed`;
  // - 429 too-many-attempts with Retry-After: bad credentials again, see FailureLimit;
  // - 503 identity-provider-unavailable with Retry-After: the provider's keys are being fetched.
  std::optional<http::Response> check(http::Request& head, Scope needed);

  struct Impl;
  explicit Authenticator(std::unique_ptr<Impl> impl);  // for open()

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tillrace::auth
