// The server's certificate and key, and whose certificates it accepts.
#pragma once
#include <openssl/types.h>

#include <memory>

#include "base/mutex.h"
#include "base/result.h"
#include "http/server.h"

namespace tillrace::http {

struct TlsDelete {
  void operator()(SSL* session) const;
  void operator()(SSL_CTX* context) const;
};
// The TLS of one connection, server's side, at its start. Keeps what it needs of the context alive.
using TlsSession = std::unique_ptr<SSL, TlsDelete>;

// TLS 1.2 and 1.3, ciphers with forward secrecy and authenticated encryption only, ALPN http/1.1;
// no renegotiation, compression or early data. Sessions are resumed by tickets, except with client
// certificates: those are verified anew on every connection. Thread-safe.
class TlsContext {
 public:
  using Pointer = std::unique_ptr<SSL_CTX, TlsDelete>;

  // invalid, naming the file and what is wrong with it. Warns of a certificate that is not valid
  // today and of a key that others may read.
  static Result<std::unique_ptr<TlsContext>> load(const TlsOptions& options);
  // Reads the files anew, for sessions made from now on. A failure changes nothing.
  Status reload();

  TlsSession new_session();

  TlsContext(TlsOptions options, Pointer context);  // for load()

 private:
  const TlsOptions options_;
  Mutex mutex_;
  Pointer context_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::http
