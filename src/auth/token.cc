#include "auth/token.h"

#include <algorithm>

#include "auth/base64url.h"
#include "auth/json.h"

namespace tillrace::auth {
namespace {

namespace dom = simdjson::dom;

// A compact JWS: three parts, the first two of which are what is signed.
struct Parts {
  std::string header;
  std::string payload;
  std::string signature;
  std::string_view is_signed;
};

struct Header {
  Algorithm algorithm = Algorithm::rs256;
  std::string kid;
};

Result<Parts> split(std::string_view compact) {
  if (compact.size() > kMostTokenBytes)
    return fail(Code::invalid, "it has more than {} bytes", kMostTokenBytes);
  if (std::count(compact.begin(), compact.end(), '.') != 2)
    return fail(Code::invalid, "it has not the three parts of a signed token");
  std::size_t first = compact.find('.');
  std::size_t second = compact.rfind('.');
  auto header = base64url_decode(compact.substr(0, first));
  auto payload = base64url_decode(compact.substr(first + 1, second - first - 1));
  auto signature = base64url_decode(compact.substr(second + 1));
  if (!header || !payload || !signature)
    return fail(Code::invalid, "one of its parts is no base64url");
  return Parts{std::move(*header), std::move(*payload), std::move(*signature),
               compact.substr(0, second)};
}

Result<Algorithm> read_algorithm(dom::object header) {
  auto name = find_string(header, "alg");
  if (!name) return fail(name.error());
  if (*name == "RS256") return Algorithm::rs256;
  if (*name == "ES256") return Algorithm::es256;
  return fail(Code::invalid, "its algorithm is neither RS256 nor ES256");
}

// "JWT", or "at+jwt" (RFC 9068), with or without "application/". A provider signs other things with
// the same keys, such as logout tokens, which say so here.
Status check_type(dom::object header) {
  auto type = find_string(header, "typ");
  if (!type) return fail(type.error());
  if (!*type) return {};
  std::string name(**type);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  constexpr std::string_view kMedia = "application/";
  if (name.starts_with(kMedia)) name.erase(0, kMedia.size());
  if (name != "jwt" && name != "at+jwt")
    return fail(Code::invalid, "its type is neither JWT nor at+jwt");
  return {};
}

Result<Header> read_header(std::string_view json) {
  JsonDocument document;
  auto header = document.parse_object(json);
  if (!header) return fail(header.error(), "its header");
  auto algorithm = read_algorithm(*header);
  if (!algorithm) return fail(algorithm.error());
  if (Status type = check_type(*header); !type) return fail(type.error());
  auto critical = find_member(*header, "crit");
  if (!critical) return fail(critical.error());
  if (*critical) return fail(Code::invalid, "it needs extensions that are not known here");
  auto kid = find_string(*header, "kid");
  if (!kid) return fail(kid.error());
  if (!*kid) return fail(Code::invalid, "it has no 'kid'");
  return Header{*algorithm, std::string(**kid)};
}

}  // namespace

Result<Token> verify_token(std::string_view compact, const KeySet& keys, const TokenRules& rules,
                           UtcMicros now) {
  auto parts = split(compact);
  if (!parts) return fail(parts.error());
  auto header = read_header(parts->header);
  if (!header) return fail(header.error());
  const PublicKey* key = keys.find(header->kid, header->algorithm);
  if (key == nullptr)
    return fail(Code::not_found, "it is signed with a key that is not known here");
  if (!key->verify(parts->is_signed, parts->signature))
    return fail(Code::invalid, "its signature is wrong");
  return read_claims(parts->payload, rules, now);
}

}  // namespace tillrace::auth
