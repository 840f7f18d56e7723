#include "http/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cstring>

#include "base/check.h"
#include "base/logging.h"

namespace tillrace::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kRecordBytes = 16 * 1024;        // a record of TLS holds no more
constexpr std::size_t kBurstBytes = 8 * kRecordBytes;  // written in one go, before others' turn

}  // namespace

struct SocketBio {
  static TlsStream& stream(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* room, int size) {
    TlsStream& self = stream(bio);
    BIO_clear_retry_flags(bio);
    auto capacity = static_cast<std::size_t>(size);
    std::size_t length = self.socket_.read_some(asio::buffer(room, capacity), self.socket_error_);
    self.socket_is_drained_ = length < capacity;
    if (self.socket_error_ == asio::error::would_block) BIO_set_retry_read(bio);
    if (self.socket_error_) return self.socket_error_ == asio::error::eof ? 0 : -1;
    bool first = !std::exchange(self.anything_read_, true);
    self.plain_ = first && *room >= 'A' && *room <= 'Z';
    return self.plain_ ? -1 : static_cast<int>(length);
  }

  static int write(BIO* bio, const char* bytes, int size) {
    TlsStream& self = stream(bio);
    BIO_clear_retry_flags(bio);
    auto piece = asio::buffer(bytes, static_cast<std::size_t>(size));
    std::size_t length = self.socket_.write_some(piece, self.socket_error_);
    if (self.socket_error_ == asio::error::would_block) BIO_set_retry_write(bio);
    return self.socket_error_ ? -1 : static_cast<int>(length);
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return stream(bio).socket_error_ == asio::error::eof ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BIO_METHOD* make_method() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "asio socket");
    CHECK(method);
    BIO_meth_set_read(method, &read);
    BIO_meth_set_write(method, &write);
    BIO_meth_set_ctrl(method, &control);
    return method;
  }

  static BIO* make(TlsStream& stream) {
    static BIO_METHOD* const method = make_method();  // as long as the program
    BIO* bio = BIO_new(method);
    CHECK(bio);
    BIO_set_data(bio, &stream);
    BIO_set_init(bio, 1);
    return bio;
  }
};

TlsStream::TlsStream(Socket& socket, TlsSession session)
    : socket_(socket), session_(std::move(session)) {
  ErrorCode error;  // only when the peer has left already
  socket_.non_blocking(true, error);
  BIO* bio = SocketBio::make(*this);
  SSL_set_bio(session_.get(), bio, bio);  // which owns it
}

void TlsStream::async_read_some(asio::mutable_buffer room, Done done) {
  room_ = room;
  begin(Operation::reading, std::move(done));
}

void TlsStream::async_write_some(const Pieces& pieces, Done done) {
  pieces_ = pieces;
  begin(Operation::writing, std::move(done));
}

void TlsStream::begin(Operation operation, Done done) {
  CHECK(operation_ == Operation::none);
  operation_ = operation;
  done_ = std::move(done);
  cancelled_ = false;
  bool must_wait = operation == Operation::reading && socket_is_drained_ && !has_pending();
  if (must_wait) return wait(Socket::wait_read);
  asio::post(socket_.get_executor(), [this] { step(); });
}

void TlsStream::cancel() {
  cancelled_ = true;  // for the time between a wait's end and the next wait
  ErrorCode error;
  socket_.cancel(error);
}

void TlsStream::step() {
  if (failed_) return complete(asio::error::not_connected, 0);
  ERR_clear_error();
  starved_ = false;
  if (operation_ == Operation::reading) return read();
  write();
}

void TlsStream::read() {
  std::size_t length = 0;
  int result = SSL_read_ex(session_.get(), room_.data(), room_.size(), &length);
  if (result == 1) return complete({}, length);
  go_on_after(result);
}

void TlsStream::write() {
  std::array<char, kRecordBytes> scratch;
  std::size_t total = 0;
  while (total < kBurstBytes) {
    auto piece = next_piece(scratch.data(), scratch.size());
    if (piece.size() == 0) break;
    std::size_t length = 0;
    int result = SSL_write_ex(session_.get(), piece.data(), piece.size(), &length);
    if (result != 1 && total == 0) return go_on_after(result);
    if (result != 1) break;  // the next operation meets it again
    drop_written(length);
    total += length;
  }
  complete({}, total);
}

// Small pieces are put together, so that a head and its body travel as one record.
asio::const_buffer TlsStream::next_piece(char* scratch, std::size_t capacity) const {
  std::size_t length = 0;
  for (std::size_t i = 0; i < pieces_.count && length < capacity; ++i) {
    const asio::const_buffer& buffer = pieces_.buffers[i];
    if (length == 0 && buffer.size() >= capacity) return buffer;
    std::size_t part = std::min(buffer.size(), capacity - length);
    if (part > 0) std::memcpy(scratch + length, buffer.data(), part);
    length += part;
  }
  return {scratch, length};
}

void TlsStream::drop_written(std::size_t length) {
  for (std::size_t i = 0; i < pieces_.count; ++i) {
    std::size_t part = std::min(length, pieces_.buffers[i].size());
    pieces_.buffers[i] += part;
    length -= part;
  }
}

// A read may have to write first, and a write to read: in the handshake.
void TlsStream::go_on_after(int result) {
  switch (SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ: starved_ = true; return wait(Socket::wait_read);
    case SSL_ERROR_WANT_WRITE: return wait(Socket::wait_write);
    case SSL_ERROR_ZERO_RETURN: return complete(asio::error::eof, 0);
    default: return complete(broken(), 0);
  }
}

void TlsStream::wait(Socket::wait_type event) {
  if (cancelled_) return complete(asio::error::operation_aborted, 0);
  socket_.async_wait(event, [this](ErrorCode error) {
    if (error) return complete(error, 0);
    step();
  });
}

// By the socket, or by the peer.
ErrorCode TlsStream::broken() {
  unsigned long code = ERR_peek_error();
  if (code == 0 && socket_error_) return socket_error_;
  failed_ = true;
  if (plain_) return asio::error::not_connected;
  const char* reason = ERR_reason_error_string(code);
  logging::debug("http: TLS ended: {}", reason ? reason : "OpenSSL gives no reason");
  return asio::error::connection_aborted;
}

void TlsStream::complete(ErrorCode error, std::size_t length) {
  operation_ = Operation::none;
  std::exchange(done_, {})(error, length);  // may destroy this
}

bool TlsStream::has_pending() const {
  return !failed_ && !starved_ && SSL_has_pending(session_.get()) == 1;
}

bool TlsStream::is_mid_record() const {
  return !failed_ && starved_ && SSL_has_pending(session_.get()) == 1 &&
         SSL_is_init_finished(session_.get()) == 1;
}

void TlsStream::send_close_notify() {
  if (failed_ || !SSL_is_init_finished(session_.get())) return;
  ERR_clear_error();
  SSL_shutdown(session_.get());
}

const std::string& TlsStream::peer_subject() {
  if (peer_subject_) return *peer_subject_;
  peer_subject_.emplace();
  X509* certificate = SSL_get0_peer_certificate(session_.get());
  if (!certificate || SSL_get_verify_result(session_.get()) != X509_V_OK) return *peer_subject_;
  BIO* text = BIO_new(BIO_s_mem());
  CHECK(text);
  X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  long length = BIO_get_mem_data(text, &bytes);
  peer_subject_->assign(bytes, static_cast<std::size_t>(length));
  BIO_free(text);
  return *peer_subject_;
}

}  // namespace tillrace::http
