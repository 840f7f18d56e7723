#include "warehouse/migrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread.h"
#include "warehouse/batch_for_tests.h"

namespace tillrace::warehouse {
namespace {

using testing::HasSubstr;

// What the catalogue says of our schemas, as one hash.
std::string schema_of(Connection& connection) {
  return ask(connection, R"(
    select md5(string_agg(thing, E'\n' order by thing)) from (
      select format('%s.%s.%s %s %s', table_schema, table_name, column_name, data_type, is_nullable)
        from information_schema.columns where table_schema in ('shop', 'stream', 'report')
      union all
      select pg_get_functiondef(p.oid) from pg_proc as p
        join pg_namespace as n on n.oid = pronamespace
        where nspname in ('shop', 'stream', 'report')
      union all
      select pg_get_constraintdef(oid) from pg_constraint
      union all
      select tgname || tgenabled::text from pg_trigger) as object (thing))");
}

std::string applied(Connection& connection) {
  return ask(connection,
             "select count(*), max(applied_at), md5(string_agg(name || hash, ',' order by name)) "
             "from tillrace.script");
}

class MigrateTest : public testing::Test {
 protected:
  std::string ask(const std::string& sql, const Params& params = {}) {
    return warehouse::ask(connection_, sql, params);
  }

  TestDatabase database_{false};
  Connection connection_ = database_.connect();
};

TEST_F(MigrateTest, AFreshDatabaseGetsEveryScript) {
  Status migrated = migrate(connection_);
  ASSERT_TRUE(migrated) << migrated.error().message;
  EXPECT_EQ(ask("select count(*) from tillrace.script"),
            std::to_string(sql_migrations().size() + sql_functions().size()));
  EXPECT_EQ(ask("select count(*) from shop.transaction"), "0");
  EXPECT_EQ(ask("select net_sales, lines from report.total_sales()"), "0|0");
  EXPECT_EQ(ask("select shop.time_zone()"), "UTC");
}

TEST_F(MigrateTest, ASecondRunDoesNothing) {
  ASSERT_TRUE(migrate(connection_));
  std::string before = schema_of(connection_) + applied(connection_);
  std::string oid =
      ask("select 'shop.invoice(text)'::regprocedure::oid, xmin from pg_proc "
          "where oid = 'shop.invoice(text)'::regprocedure");
  ASSERT_TRUE(migrate(connection_));
  EXPECT_EQ(schema_of(connection_) + applied(connection_), before);
  EXPECT_EQ(ask("select 'shop.invoice(text)'::regprocedure::oid, xmin from pg_proc "
                "where oid = 'shop.invoice(text)'::regprocedure"),
            oid);
}

TEST_F(MigrateTest, AMigratedDatabaseCanBeReadWhileAnotherMigrates) {
  ASSERT_TRUE(migrate(connection_));
  Connection other = database_.connect();
  ASSERT_TRUE(
      other.execute("begin; select * from shop.transaction; select * from report.total_sales()"));
  ASSERT_TRUE(connection_.execute("set lock_timeout = '2s'"));
  EXPECT_TRUE(migrate(connection_));
}

TEST_F(MigrateTest, FourAtOnceMakeOneSchema) {
  std::array<std::string, 4> answers;
  {
    std::vector<std::jthread> threads;
    for (std::string& answer : answers) {
      threads.push_back(named_thread("migrate", [&](const std::stop_token&) {
        Connection own = database_.connect();
        Status done = migrate(own);
        answer = done ? "ok" : done.error().message;
      }));
    }
  }
  for (const std::string& answer : answers) EXPECT_EQ(answer, "ok");
  EXPECT_EQ(ask("select count(*) from tillrace.script"),
            std::to_string(sql_migrations().size() + sql_functions().size()));
}

TEST_F(MigrateTest, AFunctionWhoseTextHasChangedIsMadeAnew) {
  ASSERT_TRUE(migrate(connection_));
  std::string right = schema_of(connection_);
  ASSERT_TRUE(connection_.execute(
      "create or replace function shop.line_kind(invoice_no text, quantity integer) returns text "
      "language sql as $$ select 'an older answer' $$;"
      "update tillrace.script set hash = md5('an older text') where name like '%line_kind'"));
  ASSERT_NE(schema_of(connection_), right);
  ASSERT_TRUE(migrate(connection_));
  EXPECT_EQ(schema_of(connection_), right);
  EXPECT_EQ(ask("select shop.line_kind('C1', -1)"), "return");
}

TEST_F(MigrateTest, AnAppliedMigrationWithAnotherTextIsRefusedAndNothingIsChanged) {
  ASSERT_TRUE(migrate(connection_));
  ASSERT_TRUE(connection_.execute(
      "update tillrace.script set hash = md5('other') where name like '0002%';"
      "update tillrace.script set hash = md5('other') where name like '%line_kind'"));
  std::string before = schema_of(connection_) + applied(connection_);
  Status refused = migrate(connection_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_THAT(refused.error().message, HasSubstr("0002_stream"));
  EXPECT_EQ(schema_of(connection_) + applied(connection_), before);
  EXPECT_EQ(connection_.transaction_status(), TransactionStatus::idle);
}

TEST_F(MigrateTest, AFailureInTheMiddleLeavesNothingBehindAndCanBeTriedAgain) {
  ASSERT_TRUE(connection_.execute("create schema report"));  // in the third migration's way
  Status failed = migrate(connection_);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::invalid);
  EXPECT_THAT(failed.error().message, HasSubstr("0003_report"));
  EXPECT_EQ(
      ask("select count(*) from pg_namespace where nspname in ('shop', 'stream', 'tillrace')"),
      "0");
  ASSERT_TRUE(connection_.execute("drop schema report"));
  EXPECT_TRUE(migrate(connection_));
}

TEST_F(MigrateTest, RejectedRecordsFromBeforeTheirKindsStayAndGetThem) {
  for (const auto& script : sql_migrations().first(3))
    ASSERT_TRUE(connection_.execute(std::string(script.text))) << script.name;
  ASSERT_TRUE(connection_.execute(
      "insert into stream.rejected select 'events', 0, place, gen_random_uuid(), now(), 'x', "
      "reason "
      "from unnest(array['one JSON object (RFC 8259)', 'Quantity: an integer, got 1.5', "
      "'InvoiceNo: 1 to 20; Quantity: x', 'Quantityish: x']) with ordinality as old(reason, "
      "place)"));
  std::string text(sql_migrations()[3].text);
  Status migrated = connection_.execute(text);
  ASSERT_TRUE(migrated) << migrated.error().message;
  EXPECT_EQ(ask("select \"offset\", kind, field from stream.rejected order by 1"),
            "1|not_json|~\n2|field|Quantity\n3|field|InvoiceNo\n4|not_json|~");
}

TEST_F(MigrateTest, AUserWithoutRightsIsRefusedWithTheServersWord) {
  std::string role = "weak_" + database_.name();
  ASSERT_TRUE(connection_.execute("create role " + role));
  ASSERT_TRUE(connection_.execute("set role " + role));
  Status refused = migrate(connection_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_THAT(refused.error().message, HasSubstr("permission denied"));
  ASSERT_TRUE(connection_.execute("reset role; drop role " + role));
}

class TimeZoneTest : public BatchTest {};

TEST_F(TimeZoneTest, AnotherZoneMakesTheReportsAnew) {
  ASSERT_EQ(apply({Sale{.date = "2010-12-01T08:26"}, Sale{.line_no = 2, .date = "2010-12-01T08:40"},
                   Sale{.invoice_no = "C1", .quantity = -2}}),
            "3 0 0 0");
  EXPECT_EQ(ask("select to_char(hour, 'HH24:MI'), lines from report.sales_by_hour"), "08:00|3");
  Status changed = set_time_zone(connection_, "Asia/Kolkata");
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_EQ(ask("select shop.time_zone()"), "Asia/Kolkata");
  // 08:26Z is 13:56 there, and 08:40Z is 14:10.
  EXPECT_EQ(ask("select to_char(hour, 'HH24:MI'), lines from report.sales_by_hour order by 1"),
            "07:30|2\n08:30|1");
  EXPECT_EQ(faults(connection_), "");
  EXPECT_EQ(apply({Sale{.line_no = 3, .date = "2010-12-01T08:29:59"}}), "1 0 0 0");
  EXPECT_EQ(ask("select to_char(hour, 'HH24:MI'), lines from report.sales_by_hour order by 1"),
            "07:30|3\n08:30|1");
}

TEST_F(TimeZoneTest, TheSameZoneAgainTouchesNothing) {
  ASSERT_TRUE(set_time_zone(connection_, "Europe/London"));
  apply({Sale{}});
  std::string before = ask("select ctid, xmin from report.sales_by_hour_part");
  ASSERT_TRUE(set_time_zone(connection_, "Europe/London"));
  EXPECT_EQ(ask("select ctid, xmin from report.sales_by_hour_part"), before);
}

TEST_F(TimeZoneTest, AnUnknownZoneIsRefusedAndNothingIsChanged) {
  apply({Sale{}});
  std::string before = ask("select ctid, xmin from report.sales_by_hour_part");
  for (std::string zone : {"Europe/Londn", "", "'; drop schema shop cascade; --", "Mars/Base"}) {
    Status refused = set_time_zone(connection_, zone);
    ASSERT_FALSE(refused) << zone;
    EXPECT_EQ(refused.error().code, Code::invalid) << zone;
    EXPECT_THAT(refused.error().message, HasSubstr("time zone")) << zone;
  }
  EXPECT_EQ(ask("select shop.time_zone()"), "UTC");
  EXPECT_EQ(ask("select ctid, xmin from report.sales_by_hour_part"), before);
  EXPECT_EQ(connection_.transaction_status(), TransactionStatus::idle);
}

TEST_F(TimeZoneTest, ABatchUnderWayIsNotCutInTwoZones) {
  Batch batch = source_.batch({Sale{.date = "2010-12-01T08:26"}});
  Connection other = database_.connect();
  ASSERT_TRUE(
      other.execute("call stream.prepare_session(); begin; "
                    "insert into incoming values (0, '1', gen_random_uuid(), 1, 'A', null, 1,"
                    " '2010-12-01 08:26Z', 1, null, 'UK');"));
  ASSERT_EQ(warehouse::ask(
                other,
                fmt::format("select inserted from stream.apply_batch('t', 0, '{}', 0, 1)", kLogId)),
            "1");
  Status changed;
  auto changing = named_thread("change", [&](const std::stop_token&) {
    Connection own = database_.connect();
    changed = set_time_zone(own, "Asia/Kolkata");
  });
  pause_ms(100);
  ASSERT_TRUE(other.execute("commit"));
  changing.join();
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_EQ(faults(connection_), "");
}

}  // namespace
}  // namespace tillrace::warehouse
