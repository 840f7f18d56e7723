// One client's connection: reads a request, hands it to its handler, writes the answer, and so on
// until it ends. connection.cc reads and ends, connection_answer.cc answers.
#pragma once
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "http/byte_budget.h"
#include "http/mailbox.h"
#include "http/metrics.h"
#include "http/outgoing.h"
#include "http/pace.h"
#include "http/read_buffer.h"
#include "http/request_log.h"
#include "http/request_parser.h"
#include "http/router.h"
#include "http/transport.h"

namespace tillrace::http {

class Connection;
class Worker;

// A place in one of the worker's lines of connections; left at the latest with the connection.
using WaitingPlace =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using WaitingLine = boost::intrusive::list<Connection, boost::intrusive::constant_time_size<false>>;

// Owned by its worker, used on the worker's thread only. At most one operation of the transport is
// under way at any time, and a connection is destroyed only from the end of one (or with the whole
// worker), so a completion never meets a dead connection.
//
//   idle -> head -> (continuing) -> body -> handling -> writing -> idle
//
// With a BodyStream it goes round body -> handling -> writing, once for each part. A refused
// request goes to writing at once, then to dropping while there is more of its body; what cannot go
// on after its answer goes to lingering.
class Connection : public WaitingPlace {
 public:
  Connection(Worker& worker, Socket socket, std::uint64_t id);
  ~Connection();

  void start();
  // Answers, instead of reading: for a connection too many.
  void turn_away(Response response);
  // The answer to a request; nothing happens unless that is what the connection waits for.
  void deliver(Letter letter);
  // Hands its request, or the part of it that has come, to the handler.
  void take_turn();
  // Ends what has taken too long; while room is `scarce` that is sooner, for bodies.
  void check_deadline(std::chrono::nanoseconds now, bool scarce);
  // For a new connection: ends this one, which is idle, in head, or receives a body too slowly.
  // False, and nothing happens, when bytes have come that are not read yet.
  bool give_way(std::chrono::nanoseconds now);
  // For a body that needs the room: ends this one, whose answer is not read. False, and nothing
  // happens, when it has not waited for long.
  bool leave_unread(std::chrono::nanoseconds now);
  // No further request: closes an idle connection, lets a request that has begun be answered.
  void drain();

 private:
  using Nanos = std::chrono::nanoseconds;
  enum class State { idle, head, body, continuing, handling, writing, dropping, lingering };

  void read();
  void on_read(ErrorCode error, std::size_t length);
  void on_read_failed(ErrorCode error);
  void on_tls_failed();
  Response timed_out() const;
  void proceed();
  void after_feed();
  void on_fault();
  void on_head();
  Response answer_without_route(Response response) const;
  void choose_coding();
  void begin_body(ContentCoding coding);
  bool reserve(std::size_t bytes);
  bool reserve_body();
  bool is_crowded_out();
  void send_continue();
  void on_continue_sent(ErrorCode error);
  void on_body_end();
  void handle();
  void hand_over();

  void on_part_reply(Response response);
  void next_part();
  void refuse(Response response, Refusal why);
  void fail_request(Response response);
  void answer(Response response, bool close);
  void write_counted(std::size_t bytes);
  void write();
  void on_written(ErrorCode error, std::size_t length);
  void on_answered();
  void next_request();

  void break_off();
  void linger();
  void on_lingered(ErrorCode error);
  void finish();
  void abort();
  void stand_in(WaitingLine& line);
  void leave_line();
  void log(RequestLog::Outcome outcome, Nanos now);
  HeadOptions head_options();

  bool holds_up_others(Nanos now);
  bool ends_when_drained();

  bool receiving() const { return state_ == State::body || state_ == State::dropping; }

  Worker& worker_;
  Transport transport_;
  const std::uint64_t id_;
  std::string remote_address_;
  State state_ = State::idle;
  Nanos deadline_{0};
  Nanos scarce_deadline_{0};  // of a body
  SenderPace reading_;
  Pace writing_;  // of an answer
  Nanos handled_from_{0};
  Nanos written_from_{0};   // an answer that counts, or a part of it
  bool timed_out_ = false;  // the read under way was cancelled by its deadline
  bool scarce_ = false;     // by the earlier one
  bool draining_ = false;

  ReadBuffer buffer_;
  RequestParser parser_;
  Reservation reservation_;       // for what is held of the request's body, or of its answer
  std::size_t part_share_ = 0;    // of a stream: for its body, beside the answer's part
  std::size_t window_bytes_ = 0;  // that its decoder may hold
  const Router::Route* route_ = nullptr;
  std::unique_ptr<BodyStream> stream_;  // of the request being read and answered, if it has one
  std::uint64_t request_number_ = 0;    // of handlers' and streams' replies
  RequestFacts facts_;
  const std::string* allowed_origin_ = nullptr;  // the request's, if CORS allows it
  bool head_only_ = false;                       // the request was HEAD
  bool keep_alive_ = false;                      // what the request asks for
  bool http_1_0_ = false;

  Outgoing out_;
  int status_ = 0;
  bool begun_ = false;    // an answer in parts, whose head has been sent
  bool goes_on_ = false;  // after what is being written
  bool close_ = false;    // after the answer
};

}  // namespace tillrace::http
