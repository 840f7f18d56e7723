#include "auth/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <string>

#include "base/check.h"

namespace tillrace::auth {
namespace {

constexpr int kLeastRsaBits = 2'048;
constexpr int kMostRsaBits = 8'192;
constexpr std::size_t kMostExponentBytes = 8;
constexpr std::size_t kP256Bytes = 32;

struct Delete {
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* params) const { OSSL_PARAM_free(params); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};
template <class T>
using Pointer = std::unique_ptr<T, Delete>;

// OpenSSL keeps failures in a queue of the thread, where its TLS would find ours.
class ErrorQueue {
 public:
  ErrorQueue() = default;
  ErrorQueue(const ErrorQueue&) = delete;
  ErrorQueue& operator=(const ErrorQueue&) = delete;
  ~ErrorQueue() { ERR_clear_error(); }
};

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Pointer<BIGNUM> number_of(std::string_view bytes) {
  Pointer<BIGNUM> number(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
  CHECK(number);
  return number;
}

// A public key of these parameters that has passed OpenSSL's own check, or nullptr.
EVP_PKEY* make_key(const char* type, OSSL_PARAM_BLD* builder) {
  ErrorQueue errors;
  Pointer<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(builder));
  Pointer<EVP_PKEY_CTX> making(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  CHECK(params && making);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(making.get()) != 1 ||
      EVP_PKEY_fromdata(making.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  Pointer<EVP_PKEY_CTX> checking(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (checking && EVP_PKEY_public_check(checking.get()) == 1) return key;
  EVP_PKEY_free(key);
  return nullptr;
}

// OpenSSL wants DER where a JWS has R and S, 32 bytes each. Empty when it is no such signature.
std::string as_der(std::string_view signature) {
  if (signature.size() != 2 * kP256Bytes) return {};
  Pointer<BIGNUM> r = number_of(signature.substr(0, kP256Bytes));
  Pointer<BIGNUM> s = number_of(signature.substr(kP256Bytes));
  Pointer<ECDSA_SIG> both(ECDSA_SIG_new());
  CHECK(both && ECDSA_SIG_set0(both.get(), r.get(), s.get()) == 1);
  static_cast<void>(r.release());  // it owns them now
  static_cast<void>(s.release());
  int length = i2d_ECDSA_SIG(both.get(), nullptr);
  CHECK(length > 0);
  std::string der(static_cast<std::size_t>(length), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  CHECK(i2d_ECDSA_SIG(both.get(), &out) == length);
  return der;
}

}  // namespace

void PublicKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

Result<PublicKey> PublicKey::rsa(std::string_view modulus, std::string_view exponent) {
  if (modulus.size() > kMostRsaBits / 8 || exponent.size() > kMostExponentBytes)
    return fail(Code::invalid, "its numbers are too large");
  Pointer<BIGNUM> n = number_of(modulus);
  Pointer<BIGNUM> e = number_of(exponent);
  if (BN_num_bits(n.get()) < kLeastRsaBits)
    return fail(Code::invalid, "it has {} bits; at least {} are taken", BN_num_bits(n.get()),
                kLeastRsaBits);
  Pointer<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  CHECK(builder && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  Handle key(make_key("RSA", builder.get()));
  if (!key) return fail(Code::invalid, "its numbers are no RSA key");
  return PublicKey(Algorithm::rs256, std::move(key));
}

Result<PublicKey> PublicKey::p256(std::string_view x, std::string_view y) {
  if (x.size() != kP256Bytes || y.size() != kP256Bytes)
    return fail(Code::invalid, "its coordinates have not {} bytes", kP256Bytes);
  std::string point = "\x04" + std::string(x) + std::string(y);  // uncompressed (SEC 1, 2.3.3)
  Pointer<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  CHECK(builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) == 1);
  Handle key(make_key("EC", builder.get()));
  if (!key) return fail(Code::invalid, "its coordinates are no point of P-256");
  return PublicKey(Algorithm::es256, std::move(key));
}

bool PublicKey::verify(std::string_view message, std::string_view signature) const {
  ErrorQueue errors;
  std::string der;
  if (algorithm_ == Algorithm::es256) {
    der = as_der(signature);
    signature = der;
  }
  if (signature.empty()) return false;
  Pointer<EVP_MD_CTX> context(EVP_MD_CTX_new());
  CHECK(context);
  // RSA's padding is PKCS #1 v1.5 unless another is asked for.
  return EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA2-256", nullptr, nullptr, key_.get(),
                                 nullptr) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message),
                          message.size()) == 1;
}

}  // namespace tillrace::auth
