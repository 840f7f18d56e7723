#include "auth/key_set.h"

#include "auth/base64url.h"
#include "auth/json.h"

namespace tillrace::auth {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMostKidBytes = 256;

Result<std::string> read_bytes(dom::object jwk, std::string_view name) {
  auto text = find_string(jwk, name);
  if (!text) return fail(text.error());
  std::optional<std::string> bytes;
  if (*text) bytes = base64url_decode(**text);
  if (!bytes || bytes->empty()) return fail(Code::invalid, "'{}' is no base64url", name);
  return std::move(*bytes);
}

Result<PublicKey> read_rsa(dom::object jwk) {
  auto modulus = read_bytes(jwk, "n");
  if (!modulus) return fail(modulus.error());
  auto exponent = read_bytes(jwk, "e");
  if (!exponent) return fail(exponent.error());
  return PublicKey::rsa(*modulus, *exponent);
}

Result<PublicKey> read_ec(dom::object jwk) {
  auto curve = find_string(jwk, "crv");
  if (!curve) return fail(curve.error());
  if (*curve != "P-256") return fail(Code::invalid, "its curve is not P-256");
  auto x = read_bytes(jwk, "x");
  if (!x) return fail(x.error());
  auto y = read_bytes(jwk, "y");
  if (!y) return fail(y.error());
  return PublicKey::p256(*x, *y);
}

// Whether the members that say what a key is for, where they are there, allow `algorithm`.
Status check_use(dom::object jwk, std::string_view algorithm) {
  auto use = find_string(jwk, "use");
  if (!use) return fail(use.error());
  if (*use && **use != "sig") return fail(Code::invalid, "it is not for signatures");
  auto alg = find_string(jwk, "alg");
  if (!alg) return fail(alg.error());
  if (*alg && **alg != algorithm) return fail(Code::invalid, "it is not for {}", algorithm);
  auto secret = find_member(jwk, "d");
  if (!secret) return fail(secret.error());
  if (*secret) return fail(Code::invalid, "it holds its private part, which must stay secret");
  return {};
}

Result<std::string> read_kid(dom::object jwk) {
  auto kid = find_string(jwk, "kid");
  if (!kid) return fail(kid.error());
  if (!*kid || (*kid)->empty() || (*kid)->size() > kMostKidBytes)
    return fail(Code::invalid, "it has no kid of 1 to {} bytes", kMostKidBytes);
  return std::string(**kid);
}

Result<PublicKey> read_key(dom::object jwk) {
  auto type = find_string(jwk, "kty");
  if (!type) return fail(type.error());
  bool rsa = *type == "RSA";
  if (!rsa && *type != "EC") return fail(Code::invalid, "its type is neither RSA nor EC");
  if (Status use = check_use(jwk, rsa ? "RS256" : "ES256"); !use) return fail(use.error());
  return rsa ? read_rsa(jwk) : read_ec(jwk);
}

Result<dom::array> read_list(dom::object root) {
  auto found = find_member(root, "keys");
  if (!found) return fail(found.error());
  dom::array keys;
  if (!*found || (*found)->get_array().get(keys) != simdjson::SUCCESS)
    return fail(Code::invalid, "it has no array 'keys'");
  if (keys.size() > kMostSetKeys)
    return fail(Code::invalid, "it has more than {} keys", kMostSetKeys);
  return keys;
}

}  // namespace

Result<KeySet> KeySet::decode(std::string_view json) {
  if (json.size() > kMostKeySetBytes)
    return fail(Code::invalid, "the key set has more than {} bytes", kMostKeySetBytes);
  JsonDocument document;
  auto root = document.parse_object(json);
  if (!root) return fail(root.error(), "the key set");
  auto list = read_list(*root);
  if (!list) return fail(list.error(), "the key set");
  KeySet set;
  std::size_t number = 0;
  auto leave_out = [&](std::string_view why) {
    set.notes_.push_back(fmt::format("key {} of the set is left out: {}", number, why));
  };
  for (dom::element element : *list) {
    ++number;
    dom::object jwk;
    if (element.get_object().get(jwk) != simdjson::SUCCESS) {
      leave_out("it is no object");
      continue;
    }
    auto kid = read_kid(jwk);
    auto key = read_key(jwk);
    if (!kid || !key)
      leave_out(!kid ? kid.error().message : key.error().message);
    else if (set.find(*kid, key->algorithm()) != nullptr)
      leave_out("an earlier one has its kid");
    else
      set.keys_.push_back({std::move(*kid), std::move(*key)});
  }
  if (set.keys_.empty())
    return fail(Code::invalid, "the key set has no key for RS256 or ES256{}{}",
                set.notes_.empty() ? "" : "; ", set.notes_.empty() ? "" : set.notes_.front());
  return set;
}

const PublicKey* KeySet::find(std::string_view kid, Algorithm algorithm) const {
  for (const Named& named : keys_)
    if (named.kid == kid && named.key.algorithm() == algorithm) return &named.key;
  return nullptr;
}

}  // namespace tillrace::auth
