#include "warehouse/session.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "base/clock.h"
#include "base/logging.h"
#include "warehouse/connection_url.h"
#include "warehouse/sqlstate.h"

namespace tillrace::warehouse {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMessageBytesMax = 2000;

// One line: libpq and the server break theirs for terminals.
std::string one_line(std::string_view text) {
  std::string line;
  for (char byte : text.substr(0, kMessageBytesMax)) {
    bool space = byte == '\n' || byte == '\t' || byte == ' ';
    if (!space) {
      line += byte;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

void log_notice(void*, const char* message) { logging::debug("postgresql: {}", one_line(message)); }

// Waits until the socket is ready for one of `events`; false when the time is up. `timeout_ms` < 0:
// no limit.
bool wait_for(int socket, short events, int timeout_ms) {
  pollfd ready{socket, events, 0};
  while (true) {
    int count = ::poll(&ready, 1, timeout_ms);
    if (count >= 0) return count > 0;
    if (errno != EINTR) return true;  // libpq will find out what is wrong with the socket
  }
}

// The server's silence ends the session: later calls shall fail at once, and not wait for it again.
void cut(PGconn* connection) {
  ::shutdown(PQsocket(connection), SHUT_RDWR);
  PQconsumeInput(connection);
}

int poll_timeout(int timeout_ms) { return timeout_ms > 0 ? timeout_ms : -1; }

// The SQLSTATE in a verbose message of a refused connection, such as "FATAL:  28P01: password ...".
// The severity may be in the server's language.
std::string sqlstate_in(std::string_view message) {
  constexpr std::string_view before = ":  ";
  constexpr std::size_t length = 5;
  for (std::size_t at = message.find(before); at != std::string_view::npos;
       at = message.find(before, at + 1)) {
    std::string_view state = message.substr(at + before.size(), length);
    std::string_view behind = message.substr(std::min(at + before.size() + length, message.size()));
    bool right = std::all_of(state.begin(), state.end(), [](unsigned char byte) {
      return std::isdigit(byte) != 0 || std::isupper(byte) != 0;
    });
    if (state.size() == length && right && behind.starts_with(": ")) return std::string(state);
  }
  return {};
}

// Without the line that names PostgreSQL's own source file.
std::string_view without_location(std::string_view message) {
  return message.substr(0, message.find("LOCATION:"));
}

SessionError connect_error(const PGconn* connection, std::string_view url) {
  std::string text = PQerrorMessage(connection);
  std::string state = sqlstate_in(text);
  std::string message = one_line(without_location(text));
  if (state.empty()) {
    Code code = message.starts_with("invalid ") ? Code::invalid : Code::unavailable;
    message = without_secrets(message, url);
    return {{code, fmt::format("cannot connect to {}: {}", redacted(url), message)}, {}};
  }
  std::string_view advice =
      state.starts_with("28") ? "; the URL's user and password must be the server's" : "";
  return {{code_of_sqlstate(state),
           fmt::format("cannot connect to {}: {}{}", redacted(url), message, advice)},
          state};
}

// What is wrong with the URL's form; ok when libpq can read it.
Status check_url(const std::string& url) {
  if (url.empty() || url.find('\0') != std::string::npos)
    return fail(Code::invalid, "a PostgreSQL URL is not empty and holds no NUL byte");
  char* reason = nullptr;
  PQconninfoOption* parts = PQconninfoParse(url.c_str(), &reason);
  if (parts != nullptr) {
    PQconninfoFree(parts);
    return {};
  }
  std::string text = without_secrets(one_line(reason != nullptr ? reason : "no memory"), url);
  PQfreemem(reason);
  return fail(Code::invalid,
              "{} is no PostgreSQL URL: {}; right is postgresql://user:password@host:port/database,"
              " with special characters percent-encoded",
              redacted(url), text);
}

// What stands before the URL, the URL may say otherwise; what stands behind it is fixed.
OwnedConnection start_session(const std::string& url, const SessionOptions& options) {
  const char* keywords[] = {
      "application_name", "keepalives_idle", "keepalives_interval", "keepalives_count",
      "tcp_user_timeout", "dbname",          "client_encoding",     nullptr};
  const char* values[] = {
      options.application_name.c_str(), "30", "10", "3", "60000", url.c_str(), "UTF8", nullptr};
  return OwnedConnection(PQconnectStartParams(keywords, values, 1));
}

// Drives the handshake to its end; false when the time was up before.
bool finish_handshake(PGconn* connection, int timeout_ms) {
  SystemClock clock;
  auto deadline = clock.monotonic() + milliseconds(timeout_ms);
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (PQstatus(connection) != CONNECTION_BAD) {
    auto left = std::chrono::ceil<milliseconds>(deadline - clock.monotonic()).count();
    short events = next == PGRES_POLLING_WRITING ? POLLOUT : POLLIN;
    if (left <= 0 || !wait_for(PQsocket(connection), events, static_cast<int>(left))) return false;
    next = PQconnectPoll(connection);
    if (next == PGRES_POLLING_OK || next == PGRES_POLLING_FAILED) return true;
  }
  return true;
}

std::string diagnostic(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : one_line(text);
}

std::string diagnostics(const PGresult* result) {
  auto field = [&](int code) { return diagnostic(result, code); };
  std::string message = field(PG_DIAG_MESSAGE_PRIMARY);
  std::string hint = field(PG_DIAG_MESSAGE_HINT);
  if (!hint.empty()) message += fmt::format("; hint: {}", hint);
  // What tells where it went wrong without quoting rows, for this text goes to log lines and health
  // pages: DETAIL quotes them, and CONTEXT does behind its first colon.
  std::string where = field(PG_DIAG_CONTEXT);
  if (!where.empty()) message += fmt::format("; where: {}", where.substr(0, where.find(':')));
  for (auto [code, label] :
       {std::pair(PG_DIAG_TABLE_NAME, "table"), std::pair(PG_DIAG_COLUMN_NAME, "column"),
        std::pair(PG_DIAG_CONSTRAINT_NAME, "constraint")}) {
    std::string text = field(code);
    if (!text.empty()) message += fmt::format("; {}: {}", label, text);
  }
  return message;
}

SessionError own_error(const PGconn* connection, std::string_view text) {
  bool lost = PQstatus(connection) == CONNECTION_BAD;
  return {{lost ? Code::unavailable : Code::invalid,
           fmt::format("postgresql: {}{}", lost ? "connection lost: " : "", one_line(text))},
          {}};
}

}  // namespace

tl::expected<OwnedConnection, SessionError> open_session(const std::string& url,
                                                         const SessionOptions& options) {
  if (Status checked = check_url(url); !checked)
    return tl::unexpected(SessionError{checked.error(), {}});
  OwnedConnection connection = start_session(url, options);
  if (connection == nullptr)
    return tl::unexpected(SessionError{{Code::unavailable, "no memory for a connection"}, {}});
  // Verbose, because only then does a refusal tell its SQLSTATE.
  PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);
  PQsetNoticeProcessor(connection.get(), log_notice, nullptr);
  if (!finish_handshake(connection.get(), options.connect_timeout_ms)) {
    Error error{Code::unavailable, fmt::format("cannot connect to {}: no answer within {} ms",
                                               redacted(url), options.connect_timeout_ms)};
    return tl::unexpected(SessionError{std::move(error), {}, true});
  }
  if (PQstatus(connection.get()) != CONNECTION_OK)
    return tl::unexpected(connect_error(connection.get(), url));
  PQsetErrorVerbosity(connection.get(), PQERRORS_DEFAULT);
  PQsetnonblocking(connection.get(), 1);
  return connection;
}

bool flush(PGconn* connection, int timeout_ms) {
  while (true) {
    int left = PQflush(connection);
    if (left <= 0) return left == 0;
    // Reading too: a server that cannot get rid of its own words stops listening to ours.
    if (!wait_for(PQsocket(connection), POLLIN | POLLOUT, poll_timeout(timeout_ms))) {
      cut(connection);
      return false;
    }
    if (wait_for(PQsocket(connection), POLLIN, 0) && PQconsumeInput(connection) == 0) return false;
  }
}

OwnedResult next_result(PGconn* connection, int timeout_ms) {
  // A failed flush is told by the result, which may hold the server's last words.
  flush(connection, timeout_ms);
  while (PQstatus(connection) == CONNECTION_OK && PQisBusy(connection) != 0) {
    if (!wait_for(PQsocket(connection), POLLIN, poll_timeout(timeout_ms))) {
      cut(connection);
    } else if (PQconsumeInput(connection) == 0) {
      break;
    }
  }
  return OwnedResult(PQgetResult(connection));
}

SessionError result_error(const PGresult* result, const PGconn* connection) {
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (field == nullptr || *field == '\0')
    return own_error(connection, PQresultErrorMessage(result));
  std::string state = field;
  std::string message = fmt::format("postgresql: {} ({})", diagnostics(result), state);
  std::string detail = diagnostic(result, PG_DIAG_MESSAGE_DETAIL);
  std::string words = diagnostic(result, PG_DIAG_MESSAGE_PRIMARY);
  if (!detail.empty()) words += "; " + detail;
  std::string constraint = diagnostic(result, PG_DIAG_CONSTRAINT_NAME);
  if (!constraint.empty()) constraint = diagnostic(result, PG_DIAG_SCHEMA_NAME) + "." + constraint;
  return {{code_of_sqlstate(state), std::move(message)},
          std::move(state),
          false,
          std::move(words),
          std::move(constraint)};
}

SessionError call_error(const PGconn* connection) {
  return own_error(connection, PQerrorMessage(connection));
}

}  // namespace tillrace::warehouse
