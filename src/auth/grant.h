// Who asks, and what they may do: what a key or a token is exchanged for.
#pragma once
#include <string>

#include "auth/scope.h"

namespace tillrace::auth {

struct Grant {
  std::string client;  // "key:" and the key's id, or "jwt:" and the token's subject
  Scopes scopes;
};

}  // namespace tillrace::auth
