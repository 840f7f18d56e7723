// An identity provider for the room's tests: makes keys and signs tokens, also wrong ones. Test
// code only.
#pragma once
#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace tillrace::auth {

inline std::string base64url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                               reinterpret_cast<const unsigned char*>(bytes.data()),
                               static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

class SigningKey {
 public:
  static SigningKey rsa(unsigned bits = 2048) {
    return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits)));
  }
  static SigningKey ec(const char* curve = "P-256") {
    return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
  }

  // {"kty":...,"kid":...} and the public numbers; `more` is put in, such as R"(,"use":"sig")".
  std::string jwk(std::string_view kid, std::string_view more = "") const {
    if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA)
      return fmt::format(R"({{"kty":"RSA","kid":"{}","n":"{}","e":"{}"{}}})", kid,
                         number(OSSL_PKEY_PARAM_RSA_N), number(OSSL_PKEY_PARAM_RSA_E), more);
    return fmt::format(R"({{"kty":"EC","kid":"{}","crv":"P-256","x":"{}","y":"{}"{}}})", kid,
                       number(OSSL_PKEY_PARAM_EC_PUB_X, 32), number(OSSL_PKEY_PARAM_EC_PUB_Y, 32),
                       more);
  }
  std::string number(const char* name, int least_bytes = 0) const {
    BIGNUM* value = nullptr;
    CHECK(EVP_PKEY_get_bn_param(key_.get(), name, &value) == 1);
    std::string bytes(static_cast<std::size_t>(std::max(BN_num_bytes(value), least_bytes)), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()),
                 static_cast<int>(bytes.size()));
    BN_free(value);
    return base64url(bytes);
  }
  std::string public_pem() const {
    BIO* out = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_PUBKEY(out, key_.get()) == 1);
    char* text = nullptr;
    std::string pem;
    auto length = static_cast<std::size_t>(BIO_get_mem_data(out, &text));
    pem.assign(text, length);
    BIO_free(out);
    return pem;
  }

  // As a JWS has it: RS256 or ES256, by the key's type.
  std::string sign(std::string_view message) const {
    std::string der = sign_der(message);
    if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA) return der;
    const auto* in = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* both = d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size()));
    std::string raw(64, '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(both), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(both), out + 32, 32);
    ECDSA_SIG_free(both);
    return raw;
  }
  std::string sign_der(std::string_view message) const {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                    &EVP_MD_CTX_free);
    CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1);
    const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
    std::size_t length = 0;
    CHECK(EVP_DigestSign(context.get(), nullptr, &length, bytes, message.size()) == 1);
    std::string signature(length, '\0');
    CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                         bytes, message.size()) == 1);
    signature.resize(length);
    return signature;
  }

 private:
  explicit SigningKey(EVP_PKEY* key) : key_(key, &EVP_PKEY_free) { CHECK(key != nullptr); }
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

// One of each for the whole program: making them takes a while.
inline const SigningKey& rsa_key() {
  static const SigningKey key = SigningKey::rsa();
  return key;
}
inline const SigningKey& ec_key() {
  static const SigningKey key = SigningKey::ec();
  return key;
}

inline std::string key_set(const std::vector<std::string>& jwks) {
  std::string list;
  for (const std::string& jwk : jwks) list += (list.empty() ? "" : ",") + jwk;
  return "{\"keys\":[" + list + "]}";
}

inline std::string signed_token(const SigningKey& key, std::string_view header,
                                std::string_view payload) {
  std::string text = base64url(header) + "." + base64url(payload);
  return text + "." + base64url(key.sign(text));
}

inline std::string hmac_token(std::string_view secret, std::string_view header,
                              std::string_view payload) {
  std::string text = base64url(header) + "." + base64url(payload);
  std::string value(32, '\0');
  unsigned length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(value.data()), &length);
  return text + "." + base64url(value);
}

}  // namespace tillrace::auth
