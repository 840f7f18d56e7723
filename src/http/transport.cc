#include "http/transport.h"

namespace tillrace::http {

Transport::Transport(Socket socket, TlsContext* tls) : socket_(std::move(socket)) {
  ErrorCode error;  // only when the peer has left already
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), error);
  if (tls) tls_ = std::make_unique<TlsStream>(socket_, tls->new_session());
}

void Transport::cancel() {
  if (tls_) return tls_->cancel();
  ErrorCode error;
  socket_.cancel(error);
}

void Transport::close() {
  ErrorCode error;
  socket_.close(error);
}

bool Transport::has_unread() {
  ErrorCode error;
  std::size_t length = socket_.available(error);
  if (error) return false;
  return length > 0 || (tls_ && tls_->has_pending());
}

bool Transport::shutdown_send() {
  ErrorCode error;
  socket_.shutdown(Socket::shutdown_send, error);
  return !error;
}

void Transport::say_goodbye() {
  if (tls_ && socket_.is_open()) tls_->send_close_notify();
}

std::string Transport::remote_address() {
  ErrorCode error;
  auto peer = socket_.remote_endpoint(error);
  return error ? std::string() : peer.address().to_string();
}

bool Transport::fall_back_to_plain() {
  if (!tls_ || !tls_->peer_speaks_plain()) return false;
  tls_.reset();
  return true;
}

}  // namespace tillrace::http
