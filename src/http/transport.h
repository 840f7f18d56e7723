// The bytes of one connection, however they travel.
#pragma once
#include <boost/asio/buffer.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "http/socket.h"
#include "http/tls_stream.h"

namespace tillrace::http {

// What a connection reads from and writes to: a socket, with TLS upon it or without. On the thread
// of the socket's io_context only; one operation at a time. Completions are never called from
// within the call that starts an operation. What is under way when a transport is destroyed must
// never be run.
class Transport {
 public:
  // `tls`: nullptr is plain; else it is used here only.
  Transport(Socket socket, TlsContext* tls);

  // done(ErrorCode, std::size_t length); at the peer's end: asio::error::eof. Once tls_has_failed()
  // the bytes are what the peer still sends, as they come.
  template <class Done>
  void async_read_some(boost::asio::mutable_buffer room, Done done) {
    if (tls_ && !tls_->has_failed()) return tls_->async_read_some(room, std::move(done));
    socket_.async_read_some(room, std::move(done));
  }
  // A sequence of up to four buffers; done(ErrorCode, std::size_t length). What was not written
  // must be what the next call begins with.
  template <class Buffers, class Done>
  void async_write_some(const Buffers& buffers, Done done) {
    if (tls_) return tls_->async_write_some(pieces_of(buffers), std::move(done));
    socket_.async_write_some(buffers, std::move(done));
  }

  // Ends the operation under way with operation_aborted, unless it has just come to its end.
  void cancel();
  // That, and whatever is begun later fails.
  void close();
  bool is_open() const { return socket_.is_open(); }
  // Whether something can be read without waiting; false also when the connection has failed.
  bool has_unread();
  // Whether a part of something has come over TLS that cannot be read before the rest has.
  bool is_mid_record() const { return tls_ && tls_->is_mid_record(); }
  // No more is written. False when the connection has failed.
  bool shutdown_send();
  // Before an end at which nothing is cut off.
  void say_goodbye();
  // The peer's IP address; empty when it has gone already.
  std::string remote_address();

  bool over_tls() const { return tls_ != nullptr; }
  // Of the peer's verified certificate; empty when there is none.
  std::string tls_subject() { return tls_ ? tls_->peer_subject() : std::string(); }
  bool tls_has_failed() const { return tls_ && tls_->has_failed(); }
  // True when TLS was wanted and the peer began otherwise, as HTTP does: from now on without TLS.
  bool fall_back_to_plain();

 private:
  template <class Buffers>
  static TlsStream::Pieces pieces_of(const Buffers& buffers) {
    TlsStream::Pieces pieces;
    auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != end; ++it)
      pieces.buffers.at(pieces.count++) = *it;
    return pieces;
  }

  Socket socket_;
  std::unique_ptr<TlsStream> tls_;
};

}  // namespace tillrace::http
