// libpq, swallowed: a session whose waiting is done here, with timeouts, and whose errors are
// Tillrace's. Included by connection.cc alone.
#pragma once
#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tillrace::warehouse {

struct FinishConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using OwnedConnection = std::unique_ptr<PGconn, FinishConnection>;

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using OwnedResult = std::unique_ptr<PGresult, ClearResult>;

// A failure with the server's SQLSTATE; empty when it is libpq's own.
struct SessionError {
  Error error;
  std::string sqlstate;
  bool timed_out = false;
  std::string words = {};       // the server's message and detail, which may quote rows
  std::string constraint = {};  // "schema.name" of the one that was broken
};

struct SessionOptions {
  std::string application_name;
  int connect_timeout_ms;
};
// A session in non-blocking mode, or why there is none. The session settings are the server's own.
tl::expected<OwnedConnection, SessionError> open_session(const std::string& url,
                                                         const SessionOptions& options);

// The next result of what was sent, or null when there are no more. Sends what is still to be sent.
// Without a word from the server for `timeout_ms` (0: no limit) the session is cut, and the result
// tells of a lost connection.
OwnedResult next_result(PGconn* connection, int timeout_ms);
// Sends all that is buffered, and reads what comes meanwhile. False when the session is lost.
bool flush(PGconn* connection, int timeout_ms);

// What a failed result says.
SessionError result_error(const PGresult* result, const PGconn* connection);
// libpq's own complaint about the call before.
SessionError call_error(const PGconn* connection);

}  // namespace tillrace::warehouse
