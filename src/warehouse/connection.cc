#include "warehouse/connection.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <unordered_map>

#include "base/check.h"
#include "warehouse/session.h"

namespace tillrace::warehouse {
namespace {

// So much may wait in libpq's memory before it is pressed onto the wire.
constexpr std::size_t kCopyBufferBytesMax = 262'144;

// PQcancel() writes to a socket of its own without MSG_NOSIGNAL. Holds SIGPIPE back from the
// calling thread, and eats one that came meanwhile.
class SigpipeGuard {
 public:
  SigpipeGuard() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;
  ~SigpipeGuard() {
    timespec now{};
    if (sigismember(&before_, SIGPIPE) == 0) {
      while (sigtimedwait(&sigpipe_, nullptr, &now) > 0) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t sigpipe_{};
  sigset_t before_{};
};

// A text's uses, and its name on the server once it is prepared.
struct Statement {
  int uses = 0;
  std::string name;
};

std::vector<const char*> pointers(std::span<const std::optional<std::string>> params) {
  std::vector<const char*> values;
  values.reserve(params.size());
  for (const auto& param : params) values.push_back(param ? param->c_str() : nullptr);
  return values;
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

Status check_texts(const std::string& sql, std::span<const std::optional<std::string>> params) {
  if (has_nul(sql)) return fail(Code::invalid, "the SQL holds a NUL byte, which PostgreSQL cannot");
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (params[i] && has_nul(*params[i]))
      return fail(Code::invalid,
                  "parameter {} holds a NUL byte, which PostgreSQL's text cannot; leave it out",
                  i + 1);
  }
  return {};
}

bool is_copy(ExecStatusType status) {
  return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

bool is_failure(ExecStatusType status) {
  return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ||
         status == PGRES_NONFATAL_ERROR;
}

}  // namespace

struct Connection::Impl {
  OwnedConnection session;
  ConnectionOptions options;
  std::string sqlstate;
  std::string words;       // of the failure that sqlstate is of
  std::string constraint;  // and of the same
  std::unordered_map<std::string, Statement> statements;
  std::uint64_t names_given = 0;
  std::size_t unflushed_bytes = 0;
  bool copying = false;

  PGconn* pg() const { return session.get(); }

  tl::unexpected<Error> failed(SessionError error) {
    sqlstate = std::move(error.sqlstate);
    words = std::move(error.words);
    constraint = std::move(error.constraint);
    return fail(std::move(error.error));
  }
  tl::unexpected<Error> call_failed() { return failed(call_error(pg())); }

  Result<OwnedResult> finish();
  void leave_copy(const PGresult* result);
  Status forget_statements();
  Status prepare(const std::string& sql, Statement& statement);
  Status make_ready(const std::string& sql);
  Status send(const std::string& sql, std::span<const std::optional<std::string>> params);
  Result<OwnedResult> run(const std::string& sql,
                          std::span<const std::optional<std::string>> params);
  Result<OwnedResult> run_and_commit(const std::string& sql,
                                     std::span<const std::optional<std::string>> params);
  bool plan_was_stale(const std::string& sql);
  Status apply_settings();
};

// Reads the results of what was sent to their end: the last one, or the first failure.
Result<OwnedResult> Connection::Impl::finish() {
  OwnedResult last;
  std::optional<SessionError> failure;
  while (OwnedResult result = next_result(pg(), options.answer_timeout_ms)) {
    ExecStatusType status = PQresultStatus(result.get());
    if (is_failure(status) && !failure) failure = result_error(result.get(), pg());
    if (is_copy(status)) {
      leave_copy(result.get());
      if (!failure)
        failure = SessionError{{Code::invalid, "COPY FROM STDIN goes through copy_begin()"}, {}};
    }
    last = std::move(result);
    if (PQstatus(pg()) == CONNECTION_BAD) break;
  }
  if (failure) return failed(std::move(*failure));
  if (last == nullptr) return call_failed();
  return last;
}

// Gives up a COPY that was begun by the wrong call.
void Connection::Impl::leave_copy(const PGresult* result) {
  if (PQresultStatus(result) != PGRES_COPY_OUT) {
    PQputCopyEnd(pg(), "not begun as a COPY");
    return;
  }
  char* row = nullptr;
  while (PQgetCopyData(pg(), &row, 0) > 0) PQfreemem(row);
}

// Bounds what is kept on both sides.
Status Connection::Impl::forget_statements() {
  bool any = std::any_of(statements.begin(), statements.end(),
                         [](const auto& entry) { return !entry.second.name.empty(); });
  if (any) {
    if (PQsendQuery(pg(), "deallocate all") == 0) return call_failed();
    if (auto done = finish(); !done) return fail(done.error());
  }
  statements.clear();
  return {};
}

Status Connection::Impl::prepare(const std::string& sql, Statement& statement) {
  std::string name = fmt::format("tillrace_{}", ++names_given);
  if (PQsendPrepare(pg(), name.c_str(), sql.c_str(), 0, nullptr) == 0) return call_failed();
  if (auto done = finish(); !done) return fail(done.error());
  statement.name = std::move(name);
  return {};
}

// Prepares a statement that comes again, and makes room for it.
Status Connection::Impl::make_ready(const std::string& sql) {
  bool full = statements.size() >= options.max_prepared_statements && !statements.contains(sql);
  if (full && PQtransactionStatus(pg()) != PQTRANS_INERROR) {
    if (Status forgotten = forget_statements(); !forgotten) return forgotten;
    full = options.max_prepared_statements == 0;
  }
  if (full) return {};
  Statement& statement = statements[sql];
  if (++statement.uses > 1 && statement.name.empty()) return prepare(sql, statement);
  return {};
}

Status Connection::Impl::send(const std::string& sql,
                              std::span<const std::optional<std::string>> params) {
  std::vector<const char*> values = pointers(params);
  int count = static_cast<int>(params.size());
  auto known = statements.find(sql);
  int sent = known != statements.end() && !known->second.name.empty()
                 ? PQsendQueryPrepared(pg(), known->second.name.c_str(), count, values.data(),
                                       nullptr, nullptr, 0)
                 : PQsendQueryParams(pg(), sql.c_str(), count, nullptr, values.data(), nullptr,
                                     nullptr, 0);
  return sent == 0 ? Status(call_failed()) : Status();
}

Result<OwnedResult> Connection::Impl::run(const std::string& sql,
                                          std::span<const std::optional<std::string>> params) {
  if (Status ready = make_ready(sql); !ready) return fail(ready.error());
  if (Status sent = send(sql, params); !sent) return fail(sent.error());
  return finish();
}

// By libpq's pipeline: the server passes over the commit when the statement fails.
Result<OwnedResult> Connection::Impl::run_and_commit(
    const std::string& sql, std::span<const std::optional<std::string>> params) {
  if (Status ready = make_ready(sql); !ready) return fail(ready.error());
  if (PQenterPipelineMode(pg()) == 0) return call_failed();
  Status sent = send(sql, params);
  if (sent && PQsendQueryParams(pg(), "commit", 0, nullptr, nullptr, nullptr, nullptr, 0) == 0)
    sent = call_failed();
  if (sent && PQpipelineSync(pg()) == 0) sent = call_failed();
  if (!sent) return fail(sent.error());  // libpq has no memory, or the session is lost
  auto rows = finish();
  std::string why = sqlstate;
  auto committed = finish();
  while (OwnedResult end = next_result(pg(), options.answer_timeout_ms)) {
    if (PQresultStatus(end.get()) == PGRES_PIPELINE_SYNC || PQstatus(pg()) == CONNECTION_BAD) break;
  }
  PQexitPipelineMode(pg());
  if (rows && !committed) return fail(committed.error());
  if (!rows) sqlstate = std::move(why);
  return rows;
}

// The server has dropped the prepared statement (DISCARD, DEALLOCATE), or its tables have changed
// since. True when it is forgotten and the statement may simply run again.
bool Connection::Impl::plan_was_stale(const std::string& sql) {
  if (sqlstate != "26000" && sqlstate != "0A000") return false;
  auto known = statements.find(sql);
  if (known == statements.end() || known->second.name.empty()) return false;
  statements.erase(known);
  return PQtransactionStatus(pg()) == PQTRANS_IDLE;
}

// By a statement and not by startup options, since the environment's PGTZ and PGDATESTYLE come
// after those, and poolers refuse them.
Status Connection::Impl::apply_settings() {
  std::vector<std::pair<std::string, std::string>> all = {{"datestyle", "ISO"},
                                                          {"timezone", "UTC"},
                                                          {"intervalstyle", "postgres"},
                                                          {"bytea_output", "hex"},
                                                          {"extra_float_digits", "1"}};
  all.insert(all.end(), options.settings.begin(), options.settings.end());
  std::string sql = "select ";
  Params params;
  for (const auto& [setting, value] : all) {
    sql += fmt::format("{}pg_catalog.set_config(${}, ${}, false)", params.empty() ? "" : ", ",
                       params.size() + 1, params.size() + 2);
    params.emplace_back(setting);
    params.emplace_back(value);
  }
  if (Status checked = check_texts(sql, params); !checked) return checked;
  std::vector<const char*> values = pointers(params);
  int sent = PQsendQueryParams(pg(), sql.c_str(), static_cast<int>(params.size()), nullptr,
                               values.data(), nullptr, nullptr, 0);
  if (sent == 0) return call_failed();
  auto done = finish();
  return done ? Status() : Status(fail(done.error(), "session settings"));
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Result<Connection> Connection::open(const std::string& url, const ConnectionOptions& options) {
  auto session = open_session(url, {options.application_name, options.connect_timeout_ms});
  if (!session) return fail(session.error().error);
  auto impl = std::make_unique<Impl>();
  impl->session = std::move(*session);
  impl->options = options;
  if (Status applied = impl->apply_settings(); !applied) return fail(applied.error());
  return Connection(std::move(impl));
}

Result<Rows> Connection::query(const std::string& sql,
                               std::span<const std::optional<std::string>> text_params) {
  CHECK(!impl_->copying);
  impl_->sqlstate.clear();
  if (Status checked = check_texts(sql, text_params); !checked) return fail(checked.error());
  Result<OwnedResult> result = impl_->run(sql, text_params);
  if (!result && impl_->plan_was_stale(sql)) {
    impl_->sqlstate.clear();
    result = impl_->run(sql, text_params);
  }
  if (!result) return fail(result.error());
  return Rows(result->release());
}

Result<Rows> Connection::query_and_commit(const std::string& sql,
                                          std::span<const std::optional<std::string>> text_params) {
  CHECK(!impl_->copying);
  impl_->sqlstate.clear();
  if (Status checked = check_texts(sql, text_params); !checked) return fail(checked.error());
  Result<OwnedResult> result = impl_->run_and_commit(sql, text_params);
  if (result) return Rows(result->release());
  impl_->plan_was_stale(sql);  // it is prepared anew next time
  return fail(result.error());
}

Status Connection::execute(const std::string& sql) {
  CHECK(!impl_->copying);
  impl_->sqlstate.clear();
  if (Status checked = check_texts(sql, {}); !checked) return checked;
  if (PQsendQuery(impl_->pg(), sql.c_str()) == 0) return impl_->call_failed();
  auto done = impl_->finish();
  return done ? Status() : Status(fail(done.error()));
}

Status Connection::copy_begin(const std::string& sql) {
  CHECK(!impl_->copying);
  impl_->sqlstate.clear();
  if (Status checked = check_texts(sql, {}); !checked) return checked;
  if (PQsendQuery(impl_->pg(), sql.c_str()) == 0) return impl_->call_failed();
  OwnedResult begun = next_result(impl_->pg(), impl_->options.answer_timeout_ms);
  if (begun == nullptr) return impl_->call_failed();
  ExecStatusType status = PQresultStatus(begun.get());
  if (status == PGRES_COPY_IN) {
    impl_->copying = true;
    impl_->unflushed_bytes = 0;
    return {};
  }
  std::optional<SessionError> failure;
  if (is_failure(status)) failure = result_error(begun.get(), impl_->pg());
  if (is_copy(status)) impl_->leave_copy(begun.get());
  while (next_result(impl_->pg(), impl_->options.answer_timeout_ms) != nullptr) {
  }
  if (failure) return impl_->failed(std::move(*failure));
  return fail(Code::invalid, "copy_begin() takes COPY ... FROM STDIN");
}

Status Connection::copy_data(std::string_view bytes) {
  CHECK(impl_->copying);
  impl_->sqlstate.clear();
  int timeout_ms = impl_->options.answer_timeout_ms;
  bool good = true;
  while (good && !bytes.empty()) {
    std::string_view part = bytes.substr(0, kCopyBufferBytesMax);
    int put = PQputCopyData(impl_->pg(), part.data(), static_cast<int>(part.size()));
    if (put > 0) {
      bytes.remove_prefix(part.size());
      impl_->unflushed_bytes += part.size();
    }
    // 0: libpq's buffer is full.
    if (put == 0 || impl_->unflushed_bytes >= kCopyBufferBytesMax) {
      good = flush(impl_->pg(), timeout_ms);
      impl_->unflushed_bytes = 0;
    }
    good = good && put >= 0;
  }
  if (good) return {};
  impl_->copying = false;
  auto ended = impl_->finish();
  return ended ? Status(impl_->call_failed()) : Status(fail(ended.error()));
}

Result<std::int64_t> Connection::copy_end() {
  CHECK(impl_->copying);
  impl_->sqlstate.clear();
  impl_->copying = false;
  int put = 0;
  while ((put = PQputCopyEnd(impl_->pg(), nullptr)) == 0) {
    if (!flush(impl_->pg(), impl_->options.answer_timeout_ms)) break;
  }
  // A refused end tells its reason as the COPY's result.
  auto ended = impl_->finish();
  if (!ended) return fail(ended.error());
  if (put < 0) return impl_->call_failed();
  return Rows(ended->release()).affected_rows();
}

Status Connection::copy_abort(const std::string& reason) {
  CHECK(impl_->copying);
  impl_->sqlstate.clear();
  impl_->copying = false;
  while (PQputCopyEnd(impl_->pg(), reason.c_str()) == 0) {
    if (!flush(impl_->pg(), impl_->options.answer_timeout_ms)) break;
  }
  auto ended = impl_->finish();
  if (ended) return fail(Code::invalid, "the COPY was complete before it could be aborted");
  if (PQstatus(impl_->pg()) == CONNECTION_BAD) return fail(ended.error());
  impl_->sqlstate.clear();
  return {};
}

Result<CancelHandle> Connection::cancel_handle() const {
  PGcancel* cancel = PQgetCancel(impl_->pg());
  if (cancel == nullptr) return fail(Code::unavailable, "the connection is lost; none to cancel");
  return CancelHandle(cancel);
}

Status CancelHandle::cancel() const {
  SigpipeGuard guard;
  char reason[256] = {};
  if (PQcancel(cancel_.get(), reason, sizeof reason) == 0)
    return fail(Code::unavailable, "cannot cancel the running statement: {}", reason);
  return {};
}

void CancelHandle::Free::operator()(pg_cancel* cancel) const { PQfreeCancel(cancel); }

bool Connection::alive() const {
  PGconn* pg = impl_->pg();
  while (PQstatus(pg) == CONNECTION_OK) {
    pollfd ready{PQsocket(pg), POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0) return true;
    if (PQconsumeInput(pg) == 0) return false;
    PQisBusy(pg);  // takes the server's notices out of the buffer
  }
  return false;
}

TransactionStatus Connection::transaction_status() const {
  switch (PQtransactionStatus(impl_->pg())) {
    case PQTRANS_IDLE: return TransactionStatus::idle;
    case PQTRANS_ACTIVE: return TransactionStatus::active;
    case PQTRANS_INTRANS: return TransactionStatus::in_transaction;
    case PQTRANS_INERROR: return TransactionStatus::in_error;
    case PQTRANS_UNKNOWN: return TransactionStatus::unknown;
  }
  return TransactionStatus::unknown;
}

std::string_view Connection::last_sqlstate() const { return impl_->sqlstate; }
std::string_view Connection::last_words() const {
  return impl_->sqlstate.empty() ? std::string_view() : impl_->words;
}
std::string_view Connection::last_constraint() const {
  return impl_->sqlstate.empty() ? std::string_view() : impl_->constraint;
}
int Connection::server_version() const { return PQserverVersion(impl_->pg()); }

ServerState probe_server(const std::string& url, int timeout_ms) {
  auto session = open_session(url, {"tillrace probe", timeout_ms});
  if (session) return ServerState::accepting;
  if (session.error().timed_out) return ServerState::no_answer;
  const std::string& state = session.error().sqlstate;
  if (state.empty()) return ServerState::refused;
  return state == "57P03" ? ServerState::not_yet : ServerState::accepting;
}

}  // namespace tillrace::warehouse
