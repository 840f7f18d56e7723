// A public key that checks signatures of one algorithm, by OpenSSL.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace tillrace::auth {

// RFC 7518, section 3.1. The only ones that are taken: no `none`, and nothing with a shared secret.
enum class Algorithm : std::uint8_t {
  rs256,  // RSASSA-PKCS1-v1_5 with SHA-256
  es256,  // ECDSA on P-256 with SHA-256
};

// Thread-safe.
class PublicKey {
 public:
  // Big-endian numbers. invalid when they are no RSA key of 2,048 to 8,192 bits with an odd
  // exponent above 1.
  static Result<PublicKey> rsa(std::string_view modulus, std::string_view exponent);
  // 32 bytes each. invalid when they are no point of P-256.
  static Result<PublicKey> p256(std::string_view x, std::string_view y);

  Algorithm algorithm() const { return algorithm_; }
  // Whether `signature`, as a JWS has it (RFC 7518, section 3: for es256 the 64 bytes of R and S),
  // is that of `message`.
  bool verify(std::string_view message, std::string_view signature) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  using Handle = std::unique_ptr<evp_pkey_st, Free>;

  PublicKey(Algorithm algorithm, Handle key) : algorithm_(algorithm), key_(std::move(key)) {}

  Algorithm algorithm_;
  Handle key_;
};

}  // namespace tillrace::auth
