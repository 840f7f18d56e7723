// JSON Web Tokens (RFC 7519) that an identity provider has signed (RFC 7515, compact).
#pragma once
#include <string>
#include <string_view>

#include "auth/key_set.h"
#include "auth/scope.h"
#include "base/clock.h"

namespace tillrace::auth {

inline constexpr std::size_t kMostTokenBytes = 8 << 10;
inline constexpr std::int64_t kClockSkewS = 60;  // how far the provider's clock and ours may differ
inline constexpr std::size_t kMostSubjectBytes = 255;

struct TokenRules {
  std::string issuer;              // what `iss` must be
  std::string audience;            // what `aud` must be, or hold
  bool scopes_from_roles = false;  // `roles` too names scopes: Entra ID's permissions of programs
};

struct Token {
  std::string subject;   // visible ASCII
  Scopes scopes;         // maybe none
  UtcMicros expires_at;  // with the skew: from then on it is refused
};

// Who sent `compact`, when its signature, its algorithm (RS256 or ES256) and its claims are right.
// invalid: refused for good. not_found: its signer is not in `keys`, which may have newer ones. The
// message says what is wrong, for the sender, and quotes nothing of the token. What a claim says is
// looked at only after the signature.
Result<Token> verify_token(std::string_view compact, const KeySet& keys, const TokenRules& rules,
                           UtcMicros now);

// The claims of a token whose signature is right. `json` is its payload.
Result<Token> read_claims(std::string_view json, const TokenRules& rules, UtcMicros now);

}  // namespace tillrace::auth
