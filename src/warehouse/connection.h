// One session with a PostgreSQL server. libpq stays behind this header.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "warehouse/connection_url.h"
#include "warehouse/sqlstate.h"

struct pg_result;  // libpq's PGresult
struct pg_cancel;  // libpq's PGcancel

namespace tillrace::warehouse {

// A statement's parameters, in PostgreSQL's text format; nullopt is NULL. connection.query(sql,
// Params{"536365", {}})
using Params = std::vector<std::optional<std::string>>;

struct ConnectionOptions {
  std::string application_name = "tillrace";  // shown in pg_stat_activity
  int connect_timeout_ms = 10'000;            // for all of the URL's addresses together
  int answer_timeout_ms =
      0;  // a statement without an answer for so long loses the connection; 0: no limit
  std::size_t max_prepared_statements = 64;
  // Session settings, such as {"synchronous_commit", "off"}. Without them DateStyle is ISO,
  // TimeZone is UTC and the encoding is UTF8, whatever the server's or the environment's defaults.
  std::vector<std::pair<std::string, std::string>> settings;
};

// The rows that a statement gave; owns them. Cells are in text format and live as long as this
// object. Immutable.
class Rows {
 public:
  int row_count() const;
  int column_count() const;
  std::string_view column_name(int column) const;
  std::uint32_t column_type(int column) const;  // an oid of pg_type
  // The column of that name, or -1.
  int column(std::string_view name) const;
  // nullopt is NULL. `row` and `column` must exist.
  std::optional<std::string_view> cell(int row, int column) const;
  // Rows inserted, updated, deleted, selected or copied, as in the statement's command tag; 0 where
  // it has none.
  std::int64_t affected_rows() const;

 private:
  friend class Connection;
  struct Clear {
    void operator()(pg_result* result) const;
  };
  explicit Rows(pg_result* result) : result_(result) {}

  std::unique_ptr<pg_result, Clear> result_;
};

// Ends what a connection runs at the moment. It may outlive its connection. Thread-safe.
class CancelHandle {
 public:
  // Asks the server to end the running statement, which then fails with unavailable and SQLSTATE
  // 57014. ok says that the server has the request, not that it came in time: a statement that was
  // just done stays done, and the request can hit the connection's next one.
  Status cancel() const;

 private:
  friend class Connection;
  struct Free {
    void operator()(pg_cancel* cancel) const;
  };
  explicit CancelHandle(pg_cancel* cancel) : cancel_(cancel) {}

  std::unique_ptr<pg_cancel, Free> cancel_;
};

enum class TransactionStatus {
  idle,            // no transaction is open
  active,          // a statement, or a COPY, is running
  in_transaction,  // a transaction is open
  in_error,        // a transaction is open and has failed; only rollback is possible
  unknown,         // the connection is lost
};

// A session. Used by the processor (COPY and the procedures), by the queries and by the migrations.
// Not thread-safe; only a CancelHandle may be used from another thread.
//
// When a call that writes fails with unavailable, the server may or may not have done it: a lost
// connection hides the answer to a commit too. A lost connection does not come back: open another.
// Error messages hold the server's message, detail, hint and context, never a password. A lost peer
// raises no SIGPIPE. Server notices go to the log at debug.
class Connection {
 public:
  // `url`: anything libpq takes. unavailable when the server is away or still starting, invalid
  // when the URL, the user or the password is wrong, not_found when the database does not exist.
  static Result<Connection> open(const std::string& url, const ConnectionOptions& options = {});
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  // Closes the session; an open transaction is rolled back by the server.
  ~Connection();

  // Runs one statement. A text that comes again is prepared at its second use and kept. invalid,
  // without asking the server, when the SQL or a parameter holds a NUL byte (PostgreSQL's text
  // cannot).
  Result<Rows> query(const std::string& sql,
                     std::span<const std::optional<std::string>> text_params = {});
  // Runs the statement, and commits the open transaction if it succeeded. Both go out as one
  // message, so the transaction ends whatever becomes of this process meanwhile: one that is
  // stopped, or whose machine is gone, holds no lock in between. After a failure of the statement
  // the transaction is still open.
  Result<Rows> query_and_commit(const std::string& sql,
                                std::span<const std::optional<std::string>> text_params = {});
  // Runs any number of statements, in one transaction unless the text itself begins and commits.
  // Stops at the first that fails.
  Status execute(const std::string& sql);

  // COPY ... FROM STDIN: begin, any number of data calls (cut anywhere), then end or abort. Nothing
  // else may run in between. After a failure of data or end the COPY is over and has stored
  // nothing.
  Status copy_begin(const std::string& sql);
  Status copy_data(std::string_view bytes);
  // The number of rows copied.
  Result<std::int64_t> copy_end();
  // Makes the running COPY fail; ok when it has. `reason` shows up in the server's log.
  Status copy_abort(const std::string& reason);

  Result<CancelHandle> cancel_handle() const;
  // False once the server has closed the session; looks at the socket, without a round trip.
  bool alive() const;
  TransactionStatus transaction_status() const;
  // Of the last call that failed; empty when the server gave none (a lost connection), and after a
  // success.
  std::string_view last_sqlstate() const;
  // The server's message and detail for the same call: these quote rows, so they go where the rows
  // may go, and to no log line.
  std::string_view last_words() const;
  // The constraint that the same call broke, as "schema.name"; empty when it broke none.
  std::string_view last_constraint() const;
  // Of the server, such as 150007 for 15.7.
  int server_version() const;

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

enum class ServerState {
  accepting,  // takes sessions, or would if the user, the password or the number of sessions were
              // right
  not_yet,    // answers that it is starting, recovering or stopping
  refused,    // nobody listens there
  no_answer,  // somebody listens, but did not answer in time
};
// Asks whether a server is there, without opening a session; `timeout_ms` in all.
ServerState probe_server(const std::string& url, int timeout_ms);

}  // namespace tillrace::warehouse
