// TLS upon a socket that does not block.
#pragma once
#include <array>
#include <boost/asio/buffer.hpp>
#include <functional>
#include <string>

#include "http/socket.h"
#include "http/tls_context.h"

namespace tillrace::http {

// The bytes of one connection under TLS, on the server's side. The handshake is part of the first
// read or write. OpenSSL works right upon the socket, which is waited for when it has to: no byte
// lies unseen in a buffer between the two, so has_pending(), is_mid_record() and the socket know of
// everything that has arrived. Threads and lifetime as those of Transport.
class TlsStream {
 public:
  using Done = std::function<void(ErrorCode, std::size_t)>;
  // What is to be written, in order; the first `count` of them.
  struct Pieces {
    std::array<boost::asio::const_buffer, 4> buffers;
    std::size_t count = 0;
  };

  // `socket` must outlive it.
  TlsStream(Socket& socket, TlsSession session);

  void async_read_some(boost::asio::mutable_buffer room, Done done);
  // What it does not write must be what the next call begins with.
  void async_write_some(const Pieces& pieces, Done done);
  // Ends the operation under way, unless it can go on at once.
  void cancel();
  // Whether there is something to read that the socket no longer has: all of it, or the beginning
  // of a record whose rest has not come.
  bool has_pending() const;
  bool is_mid_record() const;
  // Tells the peer, if it can be told at once, that nothing more comes and nothing was cut off.
  void send_close_notify();

  // The peer broke the protocol, not merely the connection: every operation fails from now on, and
  // the peer has been told.
  bool has_failed() const { return failed_; }
  // It did so with its first byte, which is a letter, as in "GET /".
  bool peer_speaks_plain() const { return plain_; }
  // Of the verified certificate of the peer, RFC 2253; empty when there is none.
  const std::string& peer_subject();

 private:
  friend struct SocketBio;  // OpenSSL's way to the socket
  enum class Operation { none, reading, writing };

  void begin(Operation operation, Done done);
  void step();
  void read();
  void write();
  void go_on_after(int result);
  void wait(Socket::wait_type event);
  void complete(ErrorCode error, std::size_t length);
  ErrorCode broken();
  boost::asio::const_buffer next_piece(char* scratch, std::size_t capacity) const;
  void drop_written(std::size_t length);

  Socket& socket_;
  TlsSession session_;
  Operation operation_ = Operation::none;
  Done done_;
  boost::asio::mutable_buffer room_;
  Pieces pieces_;
  bool cancelled_ = false;
  bool failed_ = false;
  bool plain_ = false;
  bool anything_read_ = false;
  bool starved_ = false;            // what OpenSSL holds is too little for it to go on
  bool socket_is_drained_ = false;  // the last read took all there was
  ErrorCode socket_error_;          // of the last read or write of the socket
  std::optional<std::string> peer_subject_;
};

}  // namespace tillrace::http
