#include "warehouse/connection.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <rapidcheck.h>
#include <sys/socket.h>

#include "base/thread.h"
#include "warehouse/cluster_for_tests.h"

namespace tillrace::warehouse {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text(const Result<Rows>& rows, int row = 0, int column = 0) {
  if (!rows) return rows.error().message;
  return std::string(rows->cell(row, column).value_or("NULL"));
}

TEST(Redacted, HidesThePasswordOfEachForm) {
  EXPECT_EQ(redacted("postgresql://u:secret@host:5432/db"), "postgresql://u:***@host:5432/db");
  EXPECT_EQ(redacted("postgres://u@host/db?password=secret&port=1"),
            "postgres://u@host/db?password=***&port=1");
  EXPECT_EQ(redacted("host=h password=secret user=u"), "host=h password=*** user=u");
  EXPECT_EQ(redacted("host=h password = 'se cr\\'et' user=u"), "host=h password = *** user=u");
}

TEST(Redacted, LeavesAUrlWithoutSecretsAsItIs) {
  for (std::string url : {"postgresql://host:5432/db", "host=h dbname=d", "", "postgresql://"})
    EXPECT_EQ(redacted(url), url);
}

TEST(Redacted, HidesPasswordsThatShouldHaveBeenEncoded) {
  for (std::string password : {"se/cret", "se@cret", "se?cret", "se#cret", "se:cret", "@", "/@/"}) {
    std::string hidden = redacted("postgresql://u:" + password + "@host/db");
    EXPECT_EQ(hidden, "postgresql://u:***@host/db");
  }
}

TEST(Redacted, NeverShowsAnyPassword) {
  EXPECT_TRUE(rc::check([](const std::string& noise) {
    std::string password = "hunter2" + noise + "hunter2";
    std::string hidden = redacted("postgresql://u:" + password + "@h/d");
    RC_ASSERT(hidden.find("hunter2") == std::string::npos);
  }));
}

TEST(Sqlstate, SaysWhatTheCallerCanDo) {
  EXPECT_EQ(code_of_sqlstate("57P01"), Code::unavailable);
  EXPECT_EQ(code_of_sqlstate("57P03"), Code::unavailable);
  EXPECT_EQ(code_of_sqlstate("53300"), Code::unavailable);
  EXPECT_EQ(code_of_sqlstate("40001"), Code::conflict);
  EXPECT_EQ(code_of_sqlstate("40P01"), Code::conflict);
  EXPECT_EQ(code_of_sqlstate("22P02"), Code::invalid);
  EXPECT_EQ(code_of_sqlstate("23505"), Code::conflict);
  EXPECT_EQ(code_of_sqlstate("23503"), Code::invalid);
  EXPECT_EQ(code_of_sqlstate("28P01"), Code::invalid);
  EXPECT_EQ(code_of_sqlstate("XX001"), Code::corrupt);
  EXPECT_EQ(code_of_sqlstate("3D000"), Code::not_found);
}

// No server is needed for these.
Error open_error(const std::string& url, int timeout_ms = 2'000) {
  ConnectionOptions options;
  options.connect_timeout_ms = timeout_ms;
  auto connection = Connection::open(url, options);
  return connection ? Error{Code::conflict, "connected"} : connection.error();
}

TEST(ConnectionOpen, RefusesUrlsThatAreNone) {
  for (std::string url : {"", "tillrace", "postgresql://u:p@h:1/d?sslmod=on", "host",
                          "sslmode=maybe", "postgresql://u:%zz@h/d"})
    EXPECT_EQ(open_error(url).code, Code::invalid) << url;
  EXPECT_EQ(open_error(std::string("host=h\0x", 8)).code, Code::invalid);
}

TEST(ConnectionOpen, NeverQuotesAPasswordThatLibpqMisunderstood) {
  for (std::string password : {"hun/ter2", "hun@ter2", "%zzhunter2", "hun:ter2", "12/ter2"}) {
    std::string message = open_error("postgresql://u:" + password + "@127.0.0.1:1/db").message;
    EXPECT_THAT(message, Not(HasSubstr("ter2"))) << password;
    EXPECT_THAT(message, Not(HasSubstr("\"hun\""))) << password;
  }
}

TEST(ConnectionOpen, ARefusedConnectionIsUnavailable) {
  Error error = open_error("postgresql://u:hunter2@127.0.0.1:1/db");
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_THAT(error.message, HasSubstr("refused"));
  EXPECT_THAT(error.message, Not(HasSubstr("hunter2")));
  EXPECT_EQ(probe_server("postgresql://u@127.0.0.1:1/db", 500), ServerState::refused);
}

TEST(ConnectionOpen, AServerThatNeverAnswersIsGivenUpInTime) {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 4), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::string url = fmt::format("postgresql://u@127.0.0.1:{}/db", ntohs(address.sin_port));
  SystemClock clock;
  auto begun = clock.monotonic();
  Error error = open_error(url, 200);
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_THAT(error.message, HasSubstr("200 ms"));
  EXPECT_EQ(probe_server(url, 100), ServerState::no_answer);
  EXPECT_LT(clock.monotonic() - begun, std::chrono::seconds(2));
  ::close(listener);
}

// What a session does with one server; a test each would start a server each.
class ConnectionTest : public testing::Test {
 protected:
  TestCluster server_;
};

TEST_F(ConnectionTest, GivesRowsWithNamesTypesAndNulls) {
  Connection connection = server_.connect();
  auto rows = connection.query(
      "select n, null::text as nothing, 'v' || n as v from generate_series(1, 3) n");
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->row_count(), 3);
  EXPECT_EQ(rows->column_count(), 3);
  EXPECT_EQ(rows->column("v"), 2);
  EXPECT_EQ(rows->column("w"), -1);
  EXPECT_EQ(rows->column_name(0), "n");
  EXPECT_EQ(rows->column_type(0), 23U);  // int4
  EXPECT_EQ(rows->cell(2, 2), "v3");
  EXPECT_EQ(rows->cell(0, 1), std::nullopt);
  EXPECT_EQ(rows->affected_rows(), 3);
  EXPECT_GE(connection.server_version(), 130'000);
  Connection moved = std::move(connection);
  EXPECT_EQ(text(moved.query("select 1")), "1");
}

TEST_F(ConnectionTest, ParametersCarryNullsAndAnyTextButNul) {
  Connection connection = server_.connect();
  std::string odd = "'; drop table x; -- \xc3\xa9 \\ \n";
  auto rows =
      connection.query("select $1::text, $2::text, $3::int + 1", Params{odd, std::nullopt, "41"});
  EXPECT_EQ(text(rows, 0, 0), odd);
  EXPECT_EQ(text(rows, 0, 1), "NULL");
  EXPECT_EQ(text(rows, 0, 2), "42");
  auto with_nul = connection.query("select $1::text", Params{std::string("a\0b", 3)});
  ASSERT_FALSE(with_nul);
  EXPECT_EQ(with_nul.error().code, Code::invalid);
  EXPECT_THAT(with_nul.error().message, HasSubstr("parameter 1"));
  EXPECT_EQ(connection.query(std::string("select 1\0;", 10)).error().code, Code::invalid);
  auto no_utf8 = connection.query("select $1::text", Params{"\xff"});
  ASSERT_FALSE(no_utf8);
  EXPECT_EQ(no_utf8.error().code, Code::invalid);
  EXPECT_EQ(connection.last_sqlstate(), "22021");
}

TEST_F(ConnectionTest, BadSqlAndBadDataNameTheFaultAndLeaveTheSessionUsable) {
  Connection connection = server_.connect();
  auto bad = connection.query("selekt 1");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Code::invalid);
  EXPECT_EQ(connection.last_sqlstate(), "42601");
  EXPECT_THAT(bad.error().message, HasSubstr("selekt"));
  EXPECT_EQ(connection.query("select $1::int", Params{"x"}).error().code, Code::invalid);
  EXPECT_EQ(connection.query("select $1::int").error().code, Code::invalid);  // parameter forgotten
  ASSERT_TRUE(connection.execute("create table t (id int primary key); insert into t values (1)"));
  auto twice = connection.query("insert into t values (1)");
  ASSERT_FALSE(twice);
  EXPECT_EQ(connection.last_sqlstate(), "23505");
  EXPECT_THAT(twice.error().message, HasSubstr("table: t; constraint: t_pkey"));
  EXPECT_THAT(twice.error().message, Not(HasSubstr("(id)=(1)"))) << "a row's values stay out";
  EXPECT_EQ(twice.error().message.find('\n'), std::string::npos);
  EXPECT_EQ(text(connection.query("select count(*) from t")), "1");
  EXPECT_EQ(connection.last_sqlstate(), "");
}

TEST_F(ConnectionTest, AScriptStopsAtItsFirstFaultAndUndoesWhatWasBefore) {
  Connection connection = server_.connect();
  auto failed = connection.execute(
      "create table a (i int); insert into missing values (1); create table b (i int)");
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("missing"));
  EXPECT_EQ(text(connection.query("select to_regclass('a')")), "NULL");
  EXPECT_EQ(text(connection.query("select to_regclass('b')")), "NULL");
  EXPECT_TRUE(connection.execute(""));
  EXPECT_TRUE(connection.execute("do $$ begin raise notice 'hello'; end $$"));
}

TEST_F(ConnectionTest, TransactionStatusFollowsTheTransaction) {
  Connection connection = server_.connect();
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::idle);
  ASSERT_TRUE(connection.query("begin"));
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::in_transaction);
  ASSERT_FALSE(connection.query("select 1/0"));
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::in_error);
  EXPECT_FALSE(connection.query("select 1"));
  ASSERT_TRUE(connection.query("rollback"));
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::idle);
}

TEST_F(ConnectionTest, RepeatedStatementsArePreparedAndTheirNumberIsBounded) {
  ConnectionOptions options;
  options.max_prepared_statements = 3;
  Connection connection = server_.connect(options);
  std::string counting = "select count(*)::text from pg_prepared_statements";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(text(connection.query("select $1::int", Params{"7"})), "7");
  EXPECT_EQ(text(connection.query(counting)), "1");
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 10; ++i) {
      std::string sql = fmt::format("select {}", i);
      for (int use = 0; use < 3; ++use) EXPECT_EQ(text(connection.query(sql)), std::to_string(i));
    }
  }
  EXPECT_LE(number_in(text(connection.query(counting))), 3);
}

TEST_F(ConnectionTest, PreparedStatementsOutliveDeallocateAndChangedTables) {
  Connection connection = server_.connect();
  ASSERT_TRUE(connection.execute("create table t (i int); insert into t values (1)"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(text(connection.query("table t")), "1");
  ASSERT_TRUE(connection.execute("deallocate all"));
  EXPECT_EQ(text(connection.query("table t")), "1");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(text(connection.query("table t")), "1");
  ASSERT_TRUE(connection.execute("alter table t alter column i type text"));
  EXPECT_EQ(text(connection.query("table t")), "1");
}

TEST_F(ConnectionTest, SettingsHoldWhateverTheServersDefaultsAndTheUrlSay) {
  ASSERT_TRUE(server_.connect().execute("alter role tillrace set timezone = 'Asia/Tokyo'"));
  std::string url = server_.url() + "&options=-c%20datestyle%3DGerman";
  ConnectionOptions options;
  options.application_name = "tillrace test";
  options.settings = {{"synchronous_commit", "off"}, {"work_mem", "5MB"}};
  auto opened = Connection::open(url, options);
  ASSERT_TRUE(opened) << opened.error().message;
  Connection connection = std::move(*opened);
  EXPECT_EQ(text(connection.query("select timestamptz '2011-12-09 12:50:00Z'")),
            "2011-12-09 12:50:00+00");
  EXPECT_EQ(text(connection.query("show synchronous_commit")), "off");
  EXPECT_EQ(text(connection.query("show work_mem")), "5MB");
  EXPECT_EQ(text(connection.query("show application_name")), "tillrace test");
  options.settings = {{"no_such_setting", "1"}};
  auto refused = Connection::open(url, options);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("no_such_setting"));
}

TEST_F(ConnectionTest, CopyTakesDataCutAnywhereAndCountsRows) {
  Connection connection = server_.connect();
  ASSERT_TRUE(connection.execute("create table t (i int, v text)"));
  std::string data;
  for (int i = 0; i < 100'000; ++i) data += fmt::format("{}\tvalue {}\n", i, i);
  ASSERT_TRUE(connection.copy_begin("copy t from stdin"));
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::active);
  for (std::size_t at = 0; at < data.size(); at += 99'991)
    ASSERT_TRUE(connection.copy_data(std::string_view(data).substr(at, 99'991)));
  auto copied = connection.copy_end();
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(*copied, 100'000);
  EXPECT_EQ(text(connection.query("select sum(i) from t")), "4999950000");
}

TEST_F(ConnectionTest, CopyOfBrokenDataNamesThePlaceAndStoresNothing) {
  Connection connection = server_.connect();
  ASSERT_TRUE(connection.execute("create table t (i int, v text)"));
  ASSERT_TRUE(connection.copy_begin("copy t from stdin"));
  ASSERT_TRUE(connection.copy_data("1\ta\n2\tb\nthree\tc\n"));
  auto ended = connection.copy_end();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Code::invalid);
  EXPECT_EQ(connection.last_sqlstate(), "22P02");
  EXPECT_THAT(ended.error().message, HasSubstr("line 3"));
  // Much data behind the fault: the failure comes at the latest with the end, and nothing hangs.
  ASSERT_TRUE(connection.copy_begin("copy t from stdin"));
  Status sent = connection.copy_data("three\tc\n");
  std::string more(1'000'000, '1');
  for (int i = 0; sent && i < 64; ++i) sent = connection.copy_data(more);
  if (sent)
    EXPECT_FALSE(connection.copy_end());
  else
    EXPECT_EQ(sent.error().code, Code::invalid) << sent.error().message;
  EXPECT_EQ(text(connection.query("select count(*) from t")), "0");
}

TEST_F(ConnectionTest, AnAbortedCopyStoresNothing) {
  Connection connection = server_.connect();
  ASSERT_TRUE(connection.execute("create table t (i int)"));
  ASSERT_TRUE(connection.copy_begin("copy t from stdin"));
  ASSERT_TRUE(connection.copy_data("1\n2\n"));
  auto aborted = connection.copy_abort("the input ended early");
  EXPECT_TRUE(aborted) << aborted.error().message;
  EXPECT_EQ(text(connection.query("select count(*) from t")), "0");
}

TEST_F(ConnectionTest, CopyByTheWrongCallIsRefusedAndLeavesTheSessionUsable) {
  Connection connection = server_.connect();
  ASSERT_TRUE(connection.execute("create table t (i int); insert into t values (1)"));
  EXPECT_EQ(connection.execute("copy t from stdin").error().code, Code::invalid);
  EXPECT_EQ(connection.execute("copy t to stdout").error().code, Code::invalid);
  EXPECT_EQ(connection.query("copy t from stdin").error().code, Code::invalid);
  EXPECT_EQ(connection.copy_begin("select 1").error().code, Code::invalid);
  EXPECT_EQ(connection.copy_begin("copy t to stdout").error().code, Code::invalid);
  EXPECT_EQ(connection.copy_begin("copy missing from stdin").error().code, Code::invalid);
  EXPECT_EQ(text(connection.query("select count(*) from t")), "1");
}

TEST_F(ConnectionTest, AKilledSessionIsUnavailableAndRaisesNoSigpipe) {
  Connection victim = server_.connect();
  Connection killer = server_.connect();
  std::string pid = text(victim.query("select pg_backend_pid()"));
  std::jthread later = named_thread("later", [&](const std::stop_token&) {
    pause_ms(100);
    EXPECT_EQ(text(killer.query("select pg_terminate_backend($1)", Params{pid})), "t");
  });
  auto ended = victim.query("select pg_sleep(20)");
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Code::unavailable);
  EXPECT_EQ(victim.last_sqlstate(), "57P01");
  EXPECT_FALSE(victim.alive());
  EXPECT_EQ(victim.transaction_status(), TransactionStatus::unknown);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(victim.query("select 1").error().code, Code::unavailable);
  EXPECT_EQ(victim.execute("select 1").error().code, Code::unavailable);
  EXPECT_EQ(victim.copy_begin("copy t from stdin").error().code, Code::unavailable);
}

TEST_F(ConnectionTest, AnIdleSessionNoticesThatItWasEnded) {
  Connection victim = server_.connect();
  Connection killer = server_.connect();
  EXPECT_TRUE(victim.alive());
  std::string pid = text(victim.query("select pg_backend_pid()"));
  EXPECT_TRUE(victim.alive());
  ASSERT_EQ(text(killer.query("select pg_terminate_backend($1)", Params{pid})), "t");
  for (int tries = 0; victim.alive() && tries < 500; ++tries) pause_ms(10);
  EXPECT_FALSE(victim.alive());
}

TEST_F(ConnectionTest, ACopyWhoseServerGoesIsUnavailable) {
  Connection victim = server_.connect();
  Connection killer = server_.connect();
  ASSERT_TRUE(killer.execute("create table t (v text)"));
  std::string pid = text(victim.query("select pg_backend_pid()"));
  ASSERT_TRUE(victim.copy_begin("copy t from stdin"));
  ASSERT_EQ(text(killer.query("select pg_terminate_backend($1)", Params{pid})), "t");
  Status sent;
  std::string line(100'000, 'x');
  for (int i = 0; sent && i < 2'000; ++i) sent = victim.copy_data(line + "\n");
  Error error = sent ? victim.copy_end().error() : sent.error();
  EXPECT_EQ(error.code, Code::unavailable) << error.message;
  EXPECT_EQ(text(killer.query("select count(*) from t")), "0");
}

TEST_F(ConnectionTest, CancelEndsARunningStatementAndNotTheSession) {
  Connection connection = server_.connect();
  auto handle = connection.cancel_handle();
  ASSERT_TRUE(handle);
  std::jthread later = named_thread("later", [&](const std::stop_token&) {
    pause_ms(100);
    EXPECT_TRUE(handle->cancel());
  });
  SystemClock clock;
  auto begun = clock.monotonic();
  auto cancelled = connection.query("select pg_sleep(20)");
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, Code::unavailable);
  EXPECT_EQ(connection.last_sqlstate(), "57014");
  EXPECT_LT(clock.monotonic() - begun, std::chrono::seconds(10));
  EXPECT_EQ(text(connection.query("select 1")), "1");
}

TEST_F(ConnectionTest, AStatementWithoutAnAnswerInTimeLosesTheConnection) {
  ConnectionOptions options;
  options.answer_timeout_ms = 200;
  Connection connection = server_.connect(options);
  EXPECT_EQ(text(connection.query("select 'quick' from pg_sleep(0.01)")), "quick");
  auto late = connection.query("select pg_sleep(20)");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::unavailable);
  EXPECT_FALSE(connection.alive());
}

TEST_F(ConnectionTest, OfTwoThatBlockEachOtherOneGetsAConflict) {
  Connection a = server_.connect({.settings = {{"deadlock_timeout", "50ms"}}});
  Connection b = server_.connect({.settings = {{"deadlock_timeout", "50ms"}}});
  ASSERT_TRUE(
      a.execute("create table t (i int primary key, v int); insert into t values (1, 0), (2, 0)"));
  ASSERT_TRUE(a.execute("begin; update t set v = 1 where i = 1"));
  ASSERT_TRUE(b.execute("begin; update t set v = 1 where i = 2"));
  Status of_a;
  std::jthread first = named_thread("first", [&](const std::stop_token&) {
    of_a = a.execute("update t set v = 2 where i = 2; commit");
  });
  Status of_b = b.execute("update t set v = 2 where i = 1; commit");
  first.join();
  EXPECT_NE(of_a.has_value(), of_b.has_value());
  const Status& loser = of_a ? of_b : of_a;
  EXPECT_EQ(loser.error().code, Code::conflict);
  EXPECT_EQ((of_a ? b : a).last_sqlstate(), "40P01");
}

TEST_F(ConnectionTest, WrongUserPasswordAndDatabaseAreToldApart) {
  std::string good = server_.url();
  std::size_t colon = good.find(':', good.find("//"));
  std::string wrong = good.substr(0, colon) + ":hunter2" + good.substr(good.find('@'));
  Error password = open_error(wrong);
  EXPECT_EQ(password.code, Code::invalid);
  EXPECT_THAT(password.message, HasSubstr("28P01"));
  EXPECT_THAT(password.message, HasSubstr("the server's"));
  EXPECT_THAT(password.message, Not(HasSubstr("hunter2")));
  std::string elsewhere = good;
  elsewhere.replace(elsewhere.find("@/tillrace") + 2, 8, "nowhere");
  EXPECT_EQ(open_error(elsewhere).code, Code::not_found);
  EXPECT_EQ(probe_server(wrong, 1'000), ServerState::accepting);
}

}  // namespace
}  // namespace tillrace::warehouse
