// A server with TLS, and a client of it that is quick to misbehave.
#pragma once
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <csignal>
#include <cstdint>

#include "http/certificates_for_tests.h"
#include "http/server_for_tests.h"

namespace tillrace::http {

struct TlsPeerOptions {
  std::string ca = {};  // PEM; nobody's certificate is accepted without
  Issued own = {};      // none when empty
  int least_version = TLS1_2_VERSION;
  int highest_version = TLS1_3_VERSION;
  std::string ciphers = {};   // of TLS 1.2; the library's own when empty
  std::string protocol = {};  // for ALPN, with its length before it
  bool byte_by_byte = false;
};

// One TLS connection; as Peer, but for what needs the bare connection: shake_hands() comes first.
class TlsPeer : public Peer {
 public:
  TlsPeer(Peer peer, const TlsPeerOptions& options)
      : Peer(std::move(peer)), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    // Versions below 1.2 exist only at the lowest level of security.
    if (options.least_version < TLS1_2_VERSION) SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), options.least_version);
    SSL_CTX_set_max_proto_version(context_.get(), options.highest_version);
    if (!options.ciphers.empty())
      CHECK(SSL_CTX_set_cipher_list(context_.get(), options.ciphers.c_str()) == 1);
    trust(options.ca);
    if (!options.own.key.empty()) use(options.own);
    session_.reset(SSL_new(context_.get()));
    const auto* protocol = reinterpret_cast<const unsigned char*>(options.protocol.data());
    SSL_set_alpn_protos(session_.get(), protocol, static_cast<unsigned>(options.protocol.size()));
    SSL_set_bio(session_.get(), BIO_new_socket(fd(), BIO_NOCLOSE),
                options.byte_by_byte ? dripping(fd()) : BIO_new_socket(fd(), BIO_NOCLOSE));
  }

  bool shake_hands() {
    ERR_clear_error();
    return note(SSL_connect(session_.get()) == 1);
  }
  // Why shake_hands(), or what came after it, failed.
  const std::string& fault() const { return fault_; }
  SSL* session() { return session_.get(); }
  // The bytes that send(bytes) would put on the wire; nothing else can be sent afterwards.
  std::string encrypt(std::string_view bytes) {
    BIO* wire = BIO_new(BIO_s_mem());
    SSL_set0_wbio(session_.get(), wire);
    CHECK(SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0);
    char* encrypted = nullptr;
    long length = BIO_get_mem_data(wire, &encrypted);
    return {encrypted, static_cast<std::size_t>(length)};
  }
  void send_as_it_is(std::string_view bytes) {
    CHECK(Peer::transmit(bytes.data(), bytes.size()) > 0);
  }
  std::string server_name() {
    char name[100] = "";
    X509* certificate = SSL_get0_peer_certificate(session_.get());
    if (certificate)
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                sizeof name);
    return name;
  }
  // Whether the server has said that the end is one.
  bool ended_cleanly() {
    read_to_end();
    return (SSL_get_shutdown(session_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }

 protected:
  ssize_t transmit(const char* bytes, std::size_t length) override {
    ERR_clear_error();
    int sent = SSL_write(session_.get(), bytes, static_cast<int>(length));
    note(sent > 0);
    return sent;
  }
  ssize_t receive(char* room, std::size_t capacity) override {
    ERR_clear_error();
    int got = SSL_read(session_.get(), room, static_cast<int>(capacity));
    note(got > 0);
    return got;
  }

 private:
  struct Delete {
    void operator()(SSL* session) const { SSL_free(session); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  template <class T>
  using Pointer = std::unique_ptr<T, Delete>;

  static Pointer<BIO> reader(const std::string& pem) {
    return Pointer<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  }
  void trust(const std::string& ca) {
    if (ca.empty()) return;
    Pointer<X509> certificate(PEM_read_bio_X509(reader(ca).get(), nullptr, nullptr, nullptr));
    CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), certificate.get()) == 1);
  }
  void use(const Issued& own) {
    Pointer<X509> certificate(
        PEM_read_bio_X509(reader(own.certificate).get(), nullptr, nullptr, nullptr));
    Pointer<EVP_PKEY> key(
        PEM_read_bio_PrivateKey(reader(own.key).get(), nullptr, nullptr, nullptr));
    CHECK(SSL_CTX_use_certificate(context_.get(), certificate.get()) == 1);
    CHECK(SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1);
  }
  // Sends each byte by itself.
  static BIO* dripping(int fd) {
    static BIO_METHOD* method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "dripping");
    BIO_meth_set_write(method, [](BIO* bio, const char* bytes, int size) {
      int socket = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
      for (int i = 0; i < size; ++i) {
        if (::send(socket, bytes + i, 1, MSG_NOSIGNAL) != 1) return -1;
        std::this_thread::sleep_for(std::chrono::microseconds(500));
      }
      return size;
    });
    BIO_meth_set_ctrl(method, [](BIO*, int command, long, void*) -> long {
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    BIO* bio = BIO_new(method);
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
    BIO_set_init(bio, 1);
    return bio;
  }
  bool note(bool worked) {
    unsigned long code = ERR_peek_error();
    if (!worked && code != 0 && fault_.empty()) fault_ = ERR_reason_error_string(code);
    return worked;
  }

  Pointer<SSL_CTX> context_;
  Pointer<SSL> session_;
  std::string fault_;
};

class TlsServerTest : public ServerTest {
 protected:
  // The peers' OpenSSL would be killed by a server that has gone.
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }
  void TearDown() override { std::signal(SIGPIPE, SIG_DFL); }

  void start_tls(ServerOptions options = {}, const Wish& wish = kLocalhost) {
    install(wish);
    options.tls.certificate_file = folder_.path("server.pem");
    options.tls.key_file = folder_.path("server.key");
    start(std::move(options));
  }
  // Clients must have a certificate of `clients_`.
  void start_mutual_tls() {
    ServerOptions options;
    options.tls.client_ca_file = folder_.write("clients.pem", clients_.certificate());
    start_tls(std::move(options));
  }
  void install(const Wish& wish) {
    Issued issued = authority_.issue(wish);
    folder_.write("server.pem", issued.certificate);
    folder_.write("server.key", issued.key);
  }
  TlsPeer tls_peer() { return tls_peer({.ca = authority_.certificate()}); }
  TlsPeer tls_peer(const TlsPeerOptions& options) { return TlsPeer(connect(), options); }

  inline static const Wish kLocalhost{.name = "first", .hosts = "DNS:localhost,IP:127.0.0.1"};
  CertificateFolder folder_;
  Authority authority_{"servers' authority"};
  Authority clients_{"clients' authority"};
};

}  // namespace tillrace::http
