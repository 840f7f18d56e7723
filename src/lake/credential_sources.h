// Where access tokens for Azure Storage come from, by HTTP. Each fetch takes at most kFetchMs and
// is tried once: who asks tries again. Messages name the host, the status, and the provider's own
// error.
#pragma once
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "lake/credential_options.h"
#include "lake/credential_tokens.h"

namespace tillrace::lake {

inline constexpr int kFetchMs = 10'000;

// `clock` outlives the source. invalid when an option is empty or malformed, or would send a secret
// to another machine in plain.
Result<std::unique_ptr<TokenSource>> make_token_source(ServicePrincipal options, Clock& clock);
Result<std::unique_ptr<TokenSource>> make_token_source(WorkloadIdentity options, Clock& clock);
Result<std::unique_ptr<TokenSource>> make_token_source(ManagedIdentity options, Clock& clock);

// An answer of the token endpoints of Entra ID (RFC 6749, section 5.1), of the Instance Metadata
// Service, or of App Service: access_token with expires_in or expires_on, as numbers or as text.
// unavailable when it is none, or has expired.
Result<AccessToken> decode_token_answer(std::string_view json, UtcMicros now);
// The members error and error_description (RFC 6749, section 5.2), shortened to one line; empty
// when there are none.
std::string decode_token_error(std::string_view json);

}  // namespace tillrace::lake
