// Certificates made on the spot, for the room's tests.
#pragma once
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/check.h"

namespace tillrace::http {

struct Issued {
  std::string certificate;  // PEM, as is the key
  std::string key;
};

struct Wish {
  std::string organisation = "Tests";
  std::string name = {};
  std::string hosts = {};  // "DNS:localhost,IP:127.0.0.1"; none when empty
  int first_day = -1;
  int last_day = 30;  // counted from today
};

// A certificate authority that signs itself.
class Authority {
 public:
  explicit Authority(const std::string& name) : key_(make_key()), certificate_(X509_new()) {
    describe(certificate_.get(), {.name = name}, key_.get());
    X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
    extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate_.get(), NID_key_usage, "critical,keyCertSign");
    sign(certificate_.get());
  }

  std::string certificate() const { return to_pem(certificate_.get()); }
  Issued issue(const Wish& wish) const {
    Pointer<EVP_PKEY> key = make_key();
    Pointer<X509> made(X509_new());
    describe(made.get(), wish, key.get());
    X509_set_issuer_name(made.get(), X509_get_subject_name(certificate_.get()));
    if (!wish.hosts.empty()) extend(made.get(), NID_subject_alt_name, wish.hosts);
    sign(made.get());
    return {to_pem(made.get()), to_pem(key.get())};
  }
  static std::string encrypted_key() {
    Pointer<BIO> bio(BIO_new(BIO_s_mem()));
    CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), make_key().get(), EVP_aes_128_cbc(), "secret", 6,
                                        nullptr, nullptr) == 1);
    return text_of(bio.get());
  }

 private:
  struct Delete {
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  };
  template <class T>
  using Pointer = std::unique_ptr<T, Delete>;

  static Pointer<EVP_PKEY> make_key() { return Pointer<EVP_PKEY>(EVP_EC_gen("P-256")); }
  static void describe(X509* certificate, const Wish& wish, EVP_PKEY* key) {
    static long serial = 1;
    constexpr int kDay = 24 * 60 * 60;
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wish.first_day * kDay);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wish.last_day * kDay);
    add_name(certificate, "O", wish.organisation);
    add_name(certificate, "CN", wish.name);
    X509_set_pubkey(certificate, key);
  }
  static void add_name(X509* certificate, const char* field, const std::string& value) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
    CHECK(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), field, MBSTRING_UTF8,
                                     bytes, static_cast<int>(value.size()), -1, 0) == 1);
  }
  static void extend(X509* certificate, int extension, const std::string& value) {
    Pointer<X509_EXTENSION> made(X509V3_EXT_conf_nid(nullptr, nullptr, extension, value.c_str()));
    CHECK(made && X509_add_ext(certificate, made.get(), -1) == 1);
  }
  void sign(X509* certificate) const {
    CHECK(X509_sign(certificate, key_.get(), EVP_sha256()) > 0);
  }

  static std::string text_of(BIO* bio) {
    char* text = nullptr;
    long length = BIO_get_mem_data(bio, &text);
    return {text, static_cast<std::size_t>(length)};
  }
  static std::string to_pem(X509* certificate) {
    Pointer<BIO> bio(BIO_new(BIO_s_mem()));
    CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
    return text_of(bio.get());
  }
  static std::string to_pem(EVP_PKEY* key) {
    Pointer<BIO> bio(BIO_new(BIO_s_mem()));
    CHECK(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    return text_of(bio.get());
  }

  Pointer<EVP_PKEY> key_;
  Pointer<X509> certificate_;
};

// A folder of files, gone when the test is over.
class CertificateFolder {
 public:
  CertificateFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "tillrace-tls-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  CertificateFolder(const CertificateFolder&) = delete;
  CertificateFolder& operator=(const CertificateFolder&) = delete;
  ~CertificateFolder() { std::filesystem::remove_all(path_); }

  std::string path(const std::string& name) const { return path_ / name; }
  // Gives the file's path; only its owner may read it.
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name) << content;
    std::filesystem::permissions(path_ / name, std::filesystem::perms(0600));
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace tillrace::http
