// What a lost session, a lost answer and other people's locks do to BatchWriter: exactly once
// holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread.h"
#include "warehouse/batch_for_tests.h"
#include "warehouse/cutting_proxy_for_tests.h"

namespace tillrace::warehouse {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class BatchWriterFaultsTest : public BatchTest {
 protected:
  static constexpr const char* kWriters =
      "from pg_stat_activity where datname = current_database() and "
      "application_name = 'tillrace processor'";

  std::string end_writers() {
    return ask(std::string("select count(pg_terminate_backend(pid)) ") + kWriters);
  }
  // Waits until a writer waits for somebody's lock.
  bool writer_waits() {
    return eventually([&] {
      return ask(std::string("select count(*) ") + kWriters + " and wait_event_type = 'Lock'") !=
             "0";
    });
  }
  // Applies in another thread.
  std::jthread start(BatchWriter& writer, const Batch& batch, std::string& answer) {
    return named_thread("writer",
                        [&](const std::stop_token&) { answer = told(writer.apply(batch)); });
  }
  // As the processor does after a failure. Tells how often the batch had to be sent.
  int finish(BatchWriter& writer, const Batch& batch) {
    for (int tries = 0; tries < 10; ++tries) {
      auto mark = writer.mark(batch.topic, batch.partition, batch.log_id);
      if (mark && *mark == batch.to) return tries;
      EXPECT_TRUE(!mark || mark->value_or(Offset{0}) == batch.from);
      (void)writer.apply(batch);
    }
    ADD_FAILURE() << "never written";
    return -1;
  }
};

TEST_F(BatchWriterFaultsTest, AnIdleSessionThatWasEndedIsOpenedAgain) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  ASSERT_EQ(end_writers(), "1");
  EXPECT_LE(finish(writer_, source_.batch({Sale{.line_no = 2}})), 2);
  EXPECT_EQ(line_count(), "2");
  EXPECT_EQ(faults(connection_), "");
}

TEST_F(BatchWriterFaultsTest, ASessionEndedWithinApplyBatchHasWrittenNothing) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  Batch batch = source_.batch({Sale{.line_no = 2}}, {"bad"});
  Connection other = database_.connect();
  ASSERT_TRUE(other.execute("begin; lock table report.product_sales_part in exclusive mode"));
  std::string answer;
  auto writing = start(writer_, batch, answer);
  ASSERT_TRUE(writer_waits());
  ASSERT_EQ(end_writers(), "1");
  writing.join();
  EXPECT_THAT(answer, StartsWith("unavailable: "));
  ASSERT_TRUE(other.execute("rollback"));
  EXPECT_EQ(mark() + line_count(), "11");
  EXPECT_EQ(finish(writer_, batch), 1);
  EXPECT_EQ(line_count() + ask("select count(*) from stream.rejected"), "21");
  EXPECT_EQ(faults(connection_), "");
}

TEST_F(BatchWriterFaultsTest, ASessionEndedAtCommitHasWrittenNothing) {
  ASSERT_TRUE(connection_.execute(
      "create function pg_temp_wait() returns trigger language plpgsql as $$ begin "
      "perform pg_advisory_xact_lock(17); return null; end $$;"
      "create constraint trigger wait after insert on stream.batch deferrable initially deferred "
      "for each row execute function pg_temp_wait()"));
  Batch batch = source_.batch({Sale{}});
  Connection other = database_.connect();
  ASSERT_TRUE(other.execute("begin; select pg_advisory_xact_lock(17)"));
  std::string answer;
  auto writing = start(writer_, batch, answer);
  ASSERT_TRUE(writer_waits());
  EXPECT_EQ(ask(std::string("select query ") + kWriters), "commit");
  ASSERT_EQ(end_writers(), "1");
  writing.join();
  EXPECT_THAT(answer, StartsWith("unavailable: "));
  ASSERT_TRUE(other.execute("rollback"));
  EXPECT_EQ(finish(writer_, batch), 1);
  EXPECT_EQ(line_count(), "1");
  EXPECT_EQ(faults(connection_), "");
}

TEST_F(BatchWriterFaultsTest, ACancelledStatementIsUnavailableAndTheSessionGoesOn) {
  Batch batch = source_.batch({Sale{}});
  Connection other = database_.connect();
  ASSERT_TRUE(other.execute("begin; lock table shop.product in access exclusive mode"));
  std::string answer;
  auto writing = start(writer_, batch, answer);
  ASSERT_TRUE(writer_waits());
  std::string pid = ask(std::string("select pid ") + kWriters);
  ASSERT_EQ(ask(std::string("select count(pg_cancel_backend(pid)) ") + kWriters), "1");
  writing.join();
  EXPECT_THAT(answer, StartsWith("unavailable: "));
  ASSERT_TRUE(other.execute("rollback"));
  EXPECT_EQ(apply(batch), "1 0 0 0");
  EXPECT_EQ(ask(std::string("select pid ") + kWriters), pid);
}

TEST_F(BatchWriterFaultsTest, ADeadlockIsAConflict) {
  ASSERT_TRUE(
      connection_.execute("set deadlock_timeout = '1h'; begin; insert into shop.product values "
                          "('85123A', 'mine', 'product')"));
  Batch batch = source_.batch({Sale{}});
  std::string answer;
  auto writing = start(writer_, batch, answer);  // has added the country, and waits for the product
  Connection watch = database_.connect();
  ASSERT_TRUE(eventually([&] {
    return warehouse::ask(watch, std::string("select count(*) ") + kWriters +
                                     " and wait_event_type = 'Lock'") != "0";
  }));
  ASSERT_TRUE(connection_.execute("insert into shop.country values ('United Kingdom')"));
  writing.join();
  EXPECT_THAT(answer, StartsWith("conflict: "));
  EXPECT_THAT(answer, HasSubstr("deadlock"));
  ASSERT_TRUE(connection_.execute("commit"));
  EXPECT_EQ(apply(batch), "1 0 0 0");
}

TEST_F(BatchWriterFaultsTest, ABatchThatIsHeldUpHoldsUpNobodyWhoBringsTheSameNames) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  Connection holder = database_.connect();
  ASSERT_TRUE(holder.execute("begin; select from report.product_sales_part for update"));
  Sale fresh{.invoice_no = "2", .stock_code = "NEW", .customer = "1", .country = "EIRE"};
  Sale nameless{.invoice_no = "2", .line_no = 2, .stock_code = "BARE", .description = {}};
  Batch held = source_.batch({fresh, nameless, Sale{.invoice_no = "2", .line_no = 3}});
  std::string answer;
  auto writing = start(writer_, held, answer);
  ASSERT_TRUE(writer_waits());

  fresh.invoice_no = "3";
  TestSource source(1);
  BatchWriter other(database_.url());
  nameless.invoice_no = "3";
  EXPECT_EQ(told(other.apply(source.batch({fresh, nameless}))), "2 0 0 0");
  nameless = {.invoice_no = "4", .stock_code = "BARE", .description = "NOW IT HAS ONE"};
  EXPECT_EQ(told(other.apply(source.batch({nameless}))), "1 0 0 0");
  EXPECT_TRUE(writer_waits()) << "though the first is still held up";
  ASSERT_TRUE(holder.execute("commit"));
  writing.join();
  EXPECT_EQ(answer, "3 0 0 0");
  EXPECT_EQ(faults(connection_), "");
}

TEST_F(BatchWriterFaultsTest, NamesThatWereTakenAwayBehindItsBackAreAddedAgain) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  ASSERT_TRUE(connection_.execute(
      "truncate shop.invoice_line, shop.invoice, shop.customer, shop.product, shop.country, "
      "report.sales_by_hour_part, report.product_sales_part, report.customer_sales_part"));
  EXPECT_EQ(apply({Sale{.invoice_no = "2"}}), "1 0 0 0");
  EXPECT_EQ(ask("select customer_id, stock_code, country from shop.customer, shop.product, "
                "shop.country"),
            "17850|85123A|United Kingdom");
}

TEST_F(BatchWriterFaultsTest, NamesMayHoldEveryCharacter) {
  Sale odd{.stock_code = R"(a"b\c,{}')", .country = R"("\,{} null)", .description = R"(\"',{})"};
  EXPECT_EQ(apply({odd}), "1 0 0 0");
  EXPECT_EQ(ask("select stock_code, description from shop.product"), R"(a"b\c,{}'|\"',{})");
  EXPECT_EQ(ask("select country from shop.country"), odd.country);
}

TEST_F(BatchWriterFaultsTest, ASerializationFailureIsAConflict) {
  ASSERT_EQ(apply({Sale{}}), "1 0 0 0");
  ASSERT_TRUE(connection_.execute(
      fmt::format("alter database {} set default_transaction_isolation = 'repeatable read'",
                  database_.name())));
  BatchWriter writer(database_.url());
  Connection other = database_.connect();
  ASSERT_TRUE(other.execute("begin; update stream.checkpoint set updated_at = now()"));
  Batch batch = source_.batch({Sale{.line_no = 2}});
  std::string answer;
  auto writing = start(writer, batch, answer);
  ASSERT_TRUE(writer_waits());
  ASSERT_TRUE(other.execute("commit"));
  writing.join();
  EXPECT_THAT(answer, StartsWith("conflict: "));
  EXPECT_THAT(answer, HasSubstr("serialize"));
  EXPECT_EQ(told(writer.apply(batch)), "1 0 0 0");
  EXPECT_EQ(faults(connection_), "");
}

TEST_F(BatchWriterFaultsTest, ALockNotToBeHadInTimeIsAConflict) {
  ASSERT_TRUE(connection_.execute(
      fmt::format("alter database {} set lock_timeout = '50ms'", database_.name())));
  BatchWriter writer(database_.url());
  Connection other = database_.connect();
  ASSERT_TRUE(other.execute("begin; lock table shop.invoice in share mode"));
  Batch batch = source_.batch({Sale{}});
  EXPECT_THAT(told(writer.apply(batch)), StartsWith("conflict: "));
  ASSERT_TRUE(other.execute("commit"));
  EXPECT_EQ(told(writer.apply(batch)), "1 0 0 0");
}

TEST_F(BatchWriterFaultsTest, AServerThatIsAwayIsUnavailable) {
  BatchWriter lost("postgresql://tillrace@127.0.0.1:1/none");
  EXPECT_EQ(lost.mark("events", Partition{0}, kLogId).error().code, Code::unavailable);
  EXPECT_EQ(lost.apply(source_.batch({Sale{}})).error().code, Code::unavailable);
  lost.set_url(database_.url());
  EXPECT_EQ(lost.mark("events", Partition{0}, kLogId).value(), std::nullopt);
}

TEST_F(BatchWriterFaultsTest, AWarehouseThatWasNeverMigratedIsRefused) {
  TestDatabase bare(false);
  BatchWriter writer(bare.url());
  auto refused = writer.apply(source_.batch({Sale{}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_THAT(refused.error().message, HasSubstr("stream"));
}

// By way of a line that can be cut at will.
class CutLineTest : public BatchWriterFaultsTest {
 protected:
  // A batch whose lines need more than one chunk of COPY.
  Batch large_batch() {
    std::vector<Sale> sales(6'000);
    for (std::size_t i = 0; i < sales.size(); ++i) {
      sales[i].invoice_no = std::to_string(invoice_++ / 20);
      sales[i].line_no = static_cast<std::int32_t>(invoice_ % 20 + 1);
    }
    return source_.batch(sales, {"bad", "worse"});
  }
  void end_writers_from_elsewhere() {
    Connection own = database_.connect();
    EXPECT_EQ(
        warehouse::ask(own, std::string("select count(pg_terminate_backend(pid)) ") + kWriters),
        "1");
  }
  std::string through_proxy() {
    std::string url = database_.url();
    std::size_t at = url.find("@/");
    return url.substr(0, at) + fmt::format("@127.0.0.1:{}/{}", proxy_.port(), database_.name());
  }
  // A setting of the server.
  std::string parameter(const std::string& name) {
    std::string answer = ask("select current_setting($1)", {name});
    std::erase(answer, '"');
    return answer;
  }

  int invoice_ = 0;
  CuttingProxy proxy_{parameter("unix_socket_directories"),
                      static_cast<std::uint16_t>(number_in(parameter("port")))};
  BatchWriter through_{through_proxy()};
};

TEST_F(CutLineTest, WhereverTheLineIsCutEachBatchIsWrittenOnce) {
  struct Case {
    const char* name;
    Cut cut;
    int sendings;  // after the first
  };
  auto kill = [this] { end_writers_from_elsewhere(); };
  const std::vector<Case> cases = {
      {"no cut", {.text = "nothing of the kind"}, 0},
      {"before begin", {.text = "begin", .forward = false}, 1},
      {"before the copy", {.text = "copy pg_temp.incoming ", .forward = false}, 1},
      {"at the copy's answer", {.text = "copy pg_temp.incoming ", .answer = false}, 1},
      {"within the copy", {.bytes = 300'000, .forward = false}, 1},
      {"session ended within the copy", {.bytes = 300'000, .then = kill}, 1},
      {"before rejected", {.text = "copy pg_temp.incoming_rejected", .forward = false}, 1},
      {"before apply_batch and commit", {.text = "commit", .forward = false}, 1},
      {"session ended before apply_batch", {.text = "commit", .then = kill}, 1},
      {"commit's answer lost", {.text = "commit", .answer = false}, 0},
  };
  int batches = 0;
  for (const Case& at : cases) {
    SCOPED_TRACE(at.name);
    Batch batch = large_batch();
    proxy_.set(at.cut);
    auto counts = through_.apply(batch);
    if (batches++ == 0) {
      EXPECT_EQ(told(counts), "6000 0 0 2");
    } else {
      EXPECT_THAT(told(counts), StartsWith("unavailable: "));
    }
    EXPECT_EQ(finish(through_, batch), at.sendings);
    EXPECT_EQ(
        ask("select next_offset, inserted, replaced, repeated, rejected from stream.checkpoint"),
        fmt::format("{}|{}|0|0|{}", batch.to.value, 6'000 * batches, 2 * batches));
  }
  EXPECT_EQ(line_count(), std::to_string(6'000 * batches));
  EXPECT_EQ(ask("select count(*) from stream.batch"), std::to_string(batches));
  EXPECT_EQ(faults(connection_), "");
}

}  // namespace
}  // namespace tillrace::warehouse
