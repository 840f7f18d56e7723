// The procedures as a person in psql calls them, and the promise that lines always refer to what is
// there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread.h"
#include "warehouse/batch_for_tests.h"
#include "warehouse/owned_database_for_tests.h"

namespace tillrace::warehouse {
namespace {

using testing::HasSubstr;

// The steps of stream.apply_batch, with a fault between them.
constexpr const char* kLoseProducts = R"(
  do $$
  declare
    v_change record;
    v_heads stream.head[];
  begin
    select sums.heads, sums.products into v_change from stream.sum_up('{}') as sums;
    v_heads := stream.add_heads('{}', v_change.heads, v_change.products);
    delete from shop.product;
    call stream.add_lines(v_heads, v_change.products, 1);
  end $$)";

class ApplyBatchTest : public BatchTest {
 protected:
  // inserted, replaced, repeated
  static std::string apply_call(int from, int to, const std::string& more = "") {
    return fmt::format(
        "select inserted, replaced, repeated from stream.apply_batch('events', 0, '{}', {}, {}{})",
        kLogId, from, to, more);
  }
  // Stages one line in an open transaction of `session`.
  static void stage(Connection& session, int offset, const std::string& stock_code = "85123A") {
    Status staged = session.execute(fmt::format(
        "call stream.prepare_session(); begin;"
        "insert into incoming values ({}, '536365', gen_random_uuid(), 1, '{}', 'HEART', 6,"
        " '2010-12-01 08:26Z', 2.55, '17850', 'United Kingdom')",
        offset, stock_code));
    ASSERT_TRUE(staged) << staged.error().message;
  }
  static std::string failure(const Status& status) {
    return status ? "ok" : status.error().message;
  }
  // Runs `sql` in another session, which must wait for somebody; what came of it is in `answer`.
  std::jthread run_and_wait(const std::string& sql, std::string& answer) {
    std::jthread thread = named_thread("other", [this, sql, &answer](const std::stop_token&) {
      Connection own = database_.connect();
      answer = failure(own.execute(sql));
    });
    EXPECT_TRUE(eventually([&] {
      return ask("select count(*) from pg_stat_activity where datname = current_database() and "
                 "wait_event_type = 'Lock'") == "1";
    })) << sql;
    return thread;
  }
  // `batch` meets what `session` has written and not committed yet: nothing of it is written, no
  // line is blamed, and the second time it goes in.
  void expect_conflict(Connection& session, const Batch& batch, const std::string& second_time) {
    std::string answer;
    auto writing = named_thread(
        "writer", [&](const std::stop_token&) { answer = told(writer_.apply(batch)); });
    EXPECT_TRUE(eventually([&] {
      return ask("select count(*) from pg_stat_activity where datname = current_database() and "
                 "wait_event_type = 'Lock'") == "1";
    }));
    ASSERT_TRUE(session.execute("commit"));
    writing.join();
    EXPECT_THAT(answer, testing::StartsWith("conflict: "));
    EXPECT_EQ(writer_.refusal(), std::nullopt);
    EXPECT_EQ(apply(batch), second_time);
  }
};

TEST_F(ApplyBatchTest, APersonInPsqlCanWriteABatch) {
  Connection session = database_.connect();
  stage(session, 0);
  ASSERT_TRUE(session.execute(
      "call stream.prepare_rejected(); insert into pg_temp.incoming_rejected values "
      "('events', 0, 1, gen_random_uuid(), now(), 'no JSON'::bytea, 'because')"));
  EXPECT_EQ(warehouse::ask(session, apply_call(0, 2, ", p_rejected => 1")), "1|0|0");
  ASSERT_TRUE(session.execute("commit"));
  EXPECT_EQ(ask("select next_offset, inserted, rejected from stream.progress()"), "2|1|1");
  EXPECT_EQ(ask("select total_spend from shop.customer_spend('17850')"), "15.30");
  EXPECT_EQ(faults(connection_), "");
  stage(session, 2);  // prepared twice, and nothing of the first batch is left
  EXPECT_EQ(warehouse::ask(session, apply_call(2, 3)), "1|0|0");
  ASSERT_TRUE(session.execute("commit"));
  EXPECT_EQ(faults(connection_), "");
}

TEST_F(ApplyBatchTest, WithoutStagingTablesItSaysSo) {
  EXPECT_THAT(ask(apply_call(0, 1)), HasSubstr("pg_temp.incoming"));
  EXPECT_EQ(ask("select count(*) from stream.checkpoint"), "0");
}

TEST_F(ApplyBatchTest, AWrongMarkAndAWrongLogAreToldApart) {
  ASSERT_TRUE(connection_.execute("call stream.prepare_session()"));
  ASSERT_EQ(ask(apply_call(0, 5)), "0|0|0");
  EXPECT_THAT(ask(apply_call(0, 5)), HasSubstr("the mark of events/0 is 5, not 0"));
  EXPECT_EQ(connection_.last_sqlstate(), "TR002");
  EXPECT_THAT(
      ask(fmt::format("select * from stream.apply_batch('events', 0, '{}', 5, 6)", kOtherLogId)),
      HasSubstr("belongs to log"));
  EXPECT_EQ(connection_.last_sqlstate(), "TR001");
  EXPECT_EQ(mark(), "5");
}

TEST_F(ApplyBatchTest, AMarkNeverFallsBelowTheBeginning) {
  ASSERT_TRUE(connection_.execute("call stream.prepare_session()"));
  EXPECT_THAT(ask(apply_call(0, -1)), HasSubstr("checkpoint_next_offset_check"));
  EXPECT_EQ(ask("select count(*) from stream.checkpoint"), "0");
}

TEST_F(ApplyBatchTest, AQuantityOfNothingIsRefused) {
  Connection session = database_.connect();
  stage(session, 0);
  ASSERT_TRUE(session.execute("update incoming set quantity = 0"));
  EXPECT_THAT(warehouse::ask(session, apply_call(0, 1)), HasSubstr("quantity_check"));
}

TEST_F(ApplyBatchTest, LinesWithoutTheirHeadAreRefused) {
  Connection session = database_.connect();
  stage(session, 0);
  EXPECT_THAT(failure(session.execute("call stream.add_lines('{}', '{}', 1)")),
              HasSubstr("0 of 1 lines found their invoice"));
  EXPECT_EQ(session.last_sqlstate(), "23503");
}

TEST_F(ApplyBatchTest, LinesWithoutTheirProductAreRefused) {
  Connection session = database_.connect();
  stage(session, 0);
  EXPECT_THAT(failure(session.execute(kLoseProducts)), HasSubstr("without product: 85123A"));
  EXPECT_EQ(session.last_sqlstate(), "23503");
}

TEST_F(ApplyBatchTest, WhatLinesReferToCannotBeDeletedOrRenamed) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  for (std::string sql :
       {"delete from shop.product", "delete from shop.customer", "delete from shop.country",
        "delete from shop.invoice", "update shop.product set stock_code = 'other'",
        "update shop.customer set customer_id = 'other'",
        "update shop.country set country = 'other'", "update shop.invoice set part = 2",
        "truncate shop.product", "truncate shop.invoice"}) {
    EXPECT_THAT(failure(connection_.execute(sql)), HasSubstr("foreign key constraint")) << sql;
  }
  EXPECT_EQ(faults(connection_), "");
}

TEST_F(ApplyBatchTest, WhatNobodyRefersToCanBeDeletedAndComesBack) {
  ASSERT_TRUE(connection_.execute("insert into shop.product values ('OLD', null, 'product')"));
  EXPECT_EQ(failure(connection_.execute("delete from shop.product")), "ok");
  EXPECT_EQ(apply({Sale{.stock_code = "OLD"}}), "1 0 0 0");
}

// The row-by-row check is left out for batches, so nothing locks the rows that an unfinished one
// refers to.
TEST_F(ApplyBatchTest, WhatAnUnfinishedBatchRefersToCannotBeDeletedEither) {
  ASSERT_TRUE(
      connection_.execute("insert into shop.product values ('85123A', null, 'product');"
                          "insert into shop.customer values ('17850');"
                          "insert into shop.country values ('United Kingdom')"));
  int offset = 0;
  for (std::string sql :
       {"delete from shop.product", "delete from shop.customer", "delete from shop.country",
        "update shop.product set stock_code = 'other'"}) {
    ASSERT_TRUE(connection_.execute("delete from shop.invoice_line; delete from shop.invoice"));
    Connection batch = database_.connect();
    stage(batch, offset);
    ASSERT_EQ(warehouse::ask(batch, apply_call(offset, offset + 1)), "1|0|0");
    std::string answer;
    auto deleting = run_and_wait(sql, answer);
    ASSERT_TRUE(batch.execute("commit"));
    deleting.join();
    EXPECT_THAT(answer, HasSubstr("foreign key constraint")) << sql;
    EXPECT_EQ(broken_references(connection_), "") << sql;
    ++offset;
  }
}

TEST_F(ApplyBatchTest, WhatABatchThatIsTakenBackReferredToCanBeDeleted) {
  ASSERT_TRUE(connection_.execute("insert into shop.product values ('85123A', null, 'product')"));
  Connection batch = database_.connect();
  stage(batch, 0);
  ASSERT_EQ(warehouse::ask(batch, apply_call(0, 1)), "1|0|0");
  std::string answer;
  auto deleting = run_and_wait("delete from shop.product", answer);
  ASSERT_TRUE(batch.execute("rollback"));
  deleting.join();
  EXPECT_EQ(answer, "ok");
}

TEST_F(ApplyBatchTest, ABatchThatComesDuringADeletionWaitsAndPutsTheRowBack) {
  ASSERT_TRUE(connection_.execute("insert into shop.product values ('85123A', null, 'product')"));
  Connection deleting = database_.connect();
  ASSERT_TRUE(deleting.execute("begin; delete from shop.product"));
  std::string answer;
  auto writing = named_thread("writer", [&](const std::stop_token&) {
    answer = told(writer_.apply(source_.batch({Sale{}})));
  });
  ASSERT_TRUE(eventually([&] {
    return ask("select count(*) from pg_stat_activity where datname = current_database() and "
               "wait_event_type = 'Lock'") == "1";
  }));
  ASSERT_TRUE(deleting.execute("commit"));
  writing.join();
  EXPECT_EQ(answer, "1 0 0 0");
  EXPECT_EQ(faults(connection_), "");
}

// Other clients of Kafka may spread an invoice, or repeat an event, over partitions; and two
// writers then meet in rows that neither could see when it looked.
TEST_F(ApplyBatchTest, AnInvoiceThatAnotherPartitionAddsMeanwhileIsAConflictAndNoRefusal) {
  TestSource second(1);
  ASSERT_EQ(apply(second.batch({Sale{.invoice_no = "1"}})), "1 0 0 0");  // and the names with it
  Connection session = database_.connect();
  stage(session, 0);
  ASSERT_EQ(warehouse::ask(session, apply_call(0, 1)), "1|0|0");
  expect_conflict(session, second.batch({Sale{}}), "1 0 0 0");
  EXPECT_EQ(ask("select count(*), max(part) from shop.invoice"), "2|1");
}

TEST_F(ApplyBatchTest, AnEventThatAnotherPartitionAddsMeanwhileIsAConflictAndNoRefusal) {
  TestSource second(1);
  ASSERT_EQ(apply(second.batch({Sale{.line_no = 9}})), "1 0 0 0");
  Connection session = database_.connect();
  stage(session, 0);
  ASSERT_TRUE(session.execute(fmt::format("update incoming set event_id = '{}'",
                                          to_string(derived_event_id("536365", 1)))));
  ASSERT_EQ(warehouse::ask(session, apply_call(0, 1)), "1|0|0");
  expect_conflict(session, second.batch({Sale{}}), "0 1 0 0");
  EXPECT_EQ(line_count(), "2");
}

TEST_F(ApplyBatchTest, AHeadThatAnotherPartitionsLineStillNeedsIsAConflictAndNoRefusal) {
  TestSource second(1);
  ASSERT_EQ(apply(second.batch({Sale{}})), "1 0 0 0");
  Connection session = database_.connect();
  stage(session, 0);
  ASSERT_EQ(warehouse::ask(session, apply_call(0, 1)), "1|0|0");
  expect_conflict(session, second.batch({Sale{.date = "2010-12-02T09:00"}}), "0 1 0 0");
  EXPECT_EQ(ask("select count(*) from shop.invoice"), "2");
}

TEST_F(ApplyBatchTest, TheReportsCanBeMadeAnewAtAnyTime) {
  TestSource second(1);
  ASSERT_EQ(apply({Sale{}, Sale{.invoice_no = "C2", .quantity = -1, .customer = {}}}), "2 0 0 0");
  ASSERT_EQ(apply(second.batch({Sale{.invoice_no = "3"}})), "1 0 0 0");
  ASSERT_TRUE(
      connection_.execute("update report.customer_sales_part set lines = lines + 1;"
                          "delete from report.product_sales_part"));
  ASSERT_NE(wrong_aggregates(connection_), "");
  ASSERT_TRUE(connection_.execute("call report.rebuild()"));
  EXPECT_EQ(wrong_aggregates(connection_), "");
  EXPECT_EQ(apply({Sale{.line_no = 2}, Sale{.quantity = 1}}), "1 1 0 0");
}

class OwnerTest : public testing::Test {
 protected:
  OwnedDatabase database_;
};

TEST_F(OwnerTest, WritesTheSameShop) {
  Connection connection = database_.connect();
  Status migrated = migrate(connection);
  ASSERT_TRUE(migrated) << migrated.error().message;
  BatchWriter writer(database_.url());
  TestSource source;
  EXPECT_EQ(told(writer.apply(source.batch({Sale{}, Sale{.line_no = 2}}, {"bad"}))), "2 0 0 1");
  EXPECT_EQ(told(writer.apply(source.batch({Sale{.country = "France"}, Sale{.line_no = 2}}))),
            "0 1 1 0");
  EXPECT_EQ(faults(connection), "");
  EXPECT_TRUE(set_time_zone(connection, "Asia/Kolkata"));
  EXPECT_EQ(faults(connection), "");
}

// Nothing of a superuser's ways makes the server forget the plans of PL/pgSQL in this session, so
// that each variable must have one type for ever.
TEST_F(OwnerTest, WritesBatchesWithAndWithoutVersionsInAnyOrder) {
  Connection connection = database_.connect();
  ASSERT_TRUE(migrate(connection));
  for (const char* order : {"uduudd", "dduddu"}) {
    BatchWriter writer(database_.url());
    TestSource source(order[0]);
    std::int32_t line = 0;
    for (const char* kind = order; *kind != 0; ++kind) {
      Sale sale{.invoice_no = order, .line_no = ++line};
      bool twice = *kind == 'd';
      auto counts = writer.apply(
          source.batch(twice ? std::vector<Sale>{sale, sale} : std::vector<Sale>{sale}));
      EXPECT_EQ(told(counts), twice ? "1 0 1 0" : "1 0 0 0") << order << ", batch " << line;
    }
  }
}

TEST_F(OwnerTest, HasForeignKeysCheckedRowByRow) {
  Connection connection = database_.connect();
  ASSERT_TRUE(migrate(connection));
  EXPECT_EQ(ask(connection,
                "select count(*) from pg_proc where pronamespace = 'stream'::regnamespace "
                "and 'session_replication_role=replica' = any (proconfig)"),
            "0");
  ASSERT_TRUE(connection.execute(
      "call stream.prepare_session(); begin; insert into incoming values (0, '1', "
      "gen_random_uuid(), 1, 'A', null, 1, '2010-12-01 08:26Z', 1, null, 'UK')"));
  Status refused = connection.execute(kLoseProducts);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("invoice_line_stock_code_fkey"));
}

TEST_F(ApplyBatchTest, ASuperusersBatchesAreCheckedAsAWhole) {
  std::string checked_as_a_whole =
      "select count(*) from pg_proc where pronamespace = 'stream'::regnamespace "
      "and 'session_replication_role=replica' = any (proconfig)";
  EXPECT_EQ(ask(checked_as_a_whole), "2");
  // create or replace takes such settings away, and an upgrade replaces functions one by one.
  ASSERT_TRUE(
      connection_.execute("update tillrace.script set hash = '' where name like '%add_lines'"));
  ASSERT_TRUE(migrate(connection_));
  EXPECT_EQ(ask(checked_as_a_whole), "2");
}

}  // namespace
}  // namespace tillrace::warehouse
