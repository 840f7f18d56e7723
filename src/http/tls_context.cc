#include "http/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <array>

#include "base/check.h"
#include "base/files.h"
#include "base/logging.h"

namespace tillrace::http {
namespace {

struct OpensslDelete {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using OpensslPointer = std::unique_ptr<T, OpensslDelete>;
using Certificates = std::vector<OpensslPointer<X509>>;

constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";  // of TLS 1.2; 1.3 has no weak ones
constexpr std::string_view kProtocol("\x08http/1.1", 9);         // as ALPN writes it

// What OpenSSL says of its latest failure.
std::string reason() {
  unsigned long code = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(code);
  ERR_clear_error();
  return text ? text : "OpenSSL gives no reason";
}

Result<OpensslPointer<BIO>> open_file(std::string_view option, const std::string& path,
                                      std::string& content) {
  auto read = read_file(path);
  if (!read) return fail(Code::invalid, "TLS {}: {}", option, read.error().message);
  content = std::move(*read);
  ERR_clear_error();
  OpensslPointer<BIO> bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
  CHECK(bio);
  return bio;
}

// All of the file's, in order; at least one.
Result<Certificates> read_certificates(std::string_view option, const std::string& path) {
  std::string content;
  auto bio = open_file(option, path, content);
  if (!bio) return fail(bio.error());
  Certificates certificates;
  while (X509* certificate = PEM_read_bio_X509(bio->get(), nullptr, nullptr, nullptr))
    certificates.emplace_back(certificate);
  unsigned long error = ERR_peek_last_error();
  bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end)
    return fail(Code::invalid, "TLS {} '{}': its certificate {} is broken: {}", option, path,
                certificates.size() + 1, reason());
  ERR_clear_error();
  if (certificates.empty())
    return fail(Code::invalid, "TLS {} '{}' has no certificate in PEM form (BEGIN CERTIFICATE)",
                option, path);
  return certificates;
}

int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<OpensslPointer<EVP_PKEY>> read_key(const std::string& path) {
  std::string content;
  auto bio = open_file("key_file", path, content);
  if (!bio) return fail(bio.error());
  bool encrypted = false;
  OpensslPointer<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio->get(), nullptr, &refuse_passphrase, &encrypted));
  OPENSSL_cleanse(content.data(), content.size());
  if (!key && encrypted)
    return fail(Code::invalid,
                "TLS key_file '{}' is encrypted; a key without a passphrase is needed", path);
  if (!key)
    return fail(Code::invalid, "TLS key_file '{}' has no private key in PEM form: {}", path,
                reason());
  return key;
}

void warn_of_readable_key(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0)
    logging::warning("http: TLS key_file '{}' can be read by everybody; chmod o-r is advised",
                     path);
}

std::string to_text(const ASN1_TIME* time) {
  OpensslPointer<BIO> bio(BIO_new(BIO_s_mem()));
  CHECK(bio);
  ASN1_TIME_print_ex(bio.get(), time, ASN1_DTFLGS_ISO8601);
  char* text = nullptr;
  long length = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

void warn_of_dates(const std::string& path, const X509* certificate) {
  const ASN1_TIME* begins = X509_get0_notBefore(certificate);
  const ASN1_TIME* ends = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(ends) < 0)
    logging::warning("http: the certificate in '{}' expired at {}: clients will refuse it", path,
                     to_text(ends));
  if (X509_cmp_current_time(begins) > 0)
    logging::warning("http: the certificate in '{}' is not valid before {}", path, to_text(begins));
}

Status use_certificate(SSL_CTX* context, const TlsOptions& options) {
  const std::string& path = options.certificate_file;
  auto chain = read_certificates("certificate_file", path);
  if (!chain) return fail(chain.error());
  auto key = read_key(options.key_file);
  if (!key) return fail(key.error());
  X509* own = chain->front().get();
  if (SSL_CTX_use_certificate(context, own) != 1)
    return fail(Code::invalid, "TLS certificate_file '{}' cannot be used: {}", path, reason());
  if (X509_check_private_key(own, key->get()) != 1)
    return fail(Code::invalid,
                "TLS key_file '{}' does not belong to the first certificate in '{}': {}",
                options.key_file, path, reason());
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1)
    return fail(Code::invalid, "TLS key_file '{}' cannot be used: {}", options.key_file, reason());
  for (std::size_t i = 1; i < chain->size(); ++i)
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1)
      return fail(Code::invalid, "TLS certificate_file '{}': its certificate {}: {}", path, i + 1,
                  reason());
  warn_of_dates(path, own);
  warn_of_readable_key(options.key_file);
  return {};
}

Status require_client_certificates(SSL_CTX* context, const std::string& path) {
  auto authorities = read_certificates("client_ca_file", path);
  if (!authorities) return fail(authorities.error());
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const auto& authority : *authorities) {
    bool added = X509_STORE_add_cert(store, authority.get()) == 1 &&
                 SSL_CTX_add_client_CA(context, authority.get()) == 1;
    if (!added)
      return fail(Code::invalid, "TLS client_ca_file '{}' cannot be used: {}", path, reason());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // A resumed session would bring a certificate in that nobody looks at again.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  return {};
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_length,
                    const unsigned char* offered, unsigned offered_length, void*) {
  unsigned char* found = nullptr;
  int outcome = SSL_select_next_proto(
      &found, chosen_length, reinterpret_cast<const unsigned char*>(kProtocol.data()),
      static_cast<unsigned>(kProtocol.size()), offered, offered_length);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void set_protocol(SSL_CTX* context) {
  CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  CHECK(SSL_CTX_set_cipher_list(context, kCiphers) == 1);
  // A peer that ends without a close_notify is cut short or not by what HTTP says of its lengths.
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);  // a record in one read instead of two
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
}

Result<TlsContext::Pointer> read_files(const TlsOptions& options) {
  TlsContext::Pointer context(SSL_CTX_new(TLS_server_method()));
  CHECK(context);
  set_protocol(context.get());
  Status usable = use_certificate(context.get(), options);
  if (usable && !options.client_ca_file.empty())
    usable = require_client_certificates(context.get(), options.client_ca_file);
  if (!usable) return fail(usable.error());
  return context;
}

}  // namespace

void TlsDelete::operator()(SSL* session) const { SSL_free(session); }
void TlsDelete::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

TlsContext::TlsContext(TlsOptions options, Pointer context)
    : options_(std::move(options)), context_(std::move(context)) {}

Result<std::unique_ptr<TlsContext>> TlsContext::load(const TlsOptions& options) {
  if (options.certificate_file.empty() || options.key_file.empty())
    return fail(Code::invalid, "TLS needs both a certificate_file and a key_file");
  auto context = read_files(options);
  if (!context) return fail(context.error());
  return std::make_unique<TlsContext>(options, std::move(*context));
}

Status TlsContext::reload() {
  auto context = read_files(options_);
  if (!context) return fail(context.error());
  MutexLock lock(mutex_);
  context_ = std::move(*context);
  return {};
}

TlsSession TlsContext::new_session() {
  MutexLock lock(mutex_);
  TlsSession session(SSL_new(context_.get()));
  CHECK(session);  // it is out of memory otherwise
  SSL_set_accept_state(session.get());
  return session;
}

}  // namespace tillrace::http
