// One client's connection: reads a request, hands it to its handler, writes the answer, and so on
// until it ends.
#pragma once
#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <string>

#include "http/mailbox.h"
#include "http/read_buffer.h"
#include "http/request_parser.h"
#include "http/router.h"

namespace tillrace::http {

class Worker;

// Naming the executor's type spares Asio the type-erased default on every operation.
using Socket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

// Owned by its worker, used on the worker's thread only. At most one operation of the socket is
// under way at any time, and a connection is destroyed only from the end of one (or with the whole
// worker), so a completion never meets a dead connection.
class Connection {
 public:
  Connection(Worker& worker, Socket socket, std::uint64_t id);
  ~Connection();

  void start();
  // Answers, instead of reading: for a connection too many.
  void refuse(Response response);
  // The answer to `request`; nothing happens unless that is what the connection waits for.
  void deliver(std::uint64_t request, Response response);
  // Ends what has taken too long.
  void check_deadline(std::chrono::nanoseconds now);
  // No further request: closes an idle connection, lets a request that has begun be answered.
  void drain();

 private:
  using Nanos = std::chrono::nanoseconds;
  using ErrorCode = boost::system::error_code;
  enum class State { idle, head, body, continuing, handling, writing, lingering };

  void read();
  void on_read(ErrorCode error, std::size_t length);
  void on_read_failed(ErrorCode error);
  Response timed_out() const;
  void proceed();
  void after_feed();
  void on_head();
  void send_continue();
  void on_continue_sent(ErrorCode error);
  void handle();

  void answer(Response response, bool close);
  void write();
  void on_written(ErrorCode error, std::size_t length);
  std::array<boost::asio::const_buffer, 2> unwritten() const;
  void on_answered();
  void next_request();

  void linger();
  void on_lingered(ErrorCode error);
  void finish();
  void abort();

  Nanos transfer_deadline(std::size_t moved_bytes, int pause_ms) const;

  Worker& worker_;
  Socket socket_;
  const std::uint64_t id_;
  std::string remote_address_;
  State state_ = State::idle;
  Nanos deadline_{0};
  Nanos transfer_started_{0};  // of the body, or of the answer
  Nanos handled_from_{0};
  bool timed_out_ = false;  // the read under way was cancelled by its deadline
  bool draining_ = false;

  ReadBuffer buffer_;
  RequestParser parser_;
  const Router::Route* route_ = nullptr;
  std::uint64_t request_number_ = 0;
  bool head_only_ = false;   // the request was HEAD
  bool keep_alive_ = false;  // what the request asks for
  bool http_1_0_ = false;

  std::string head_;  // of the answer; its memory is used again
  std::string body_;
  std::size_t written_ = 0;
  int status_ = 0;
  bool close_ = false;
};

}  // namespace tillrace::http
