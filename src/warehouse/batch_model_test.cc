// Random batches against a model of ten lines: of each line's versions the last in the log wins.
#include <gtest/gtest.h>

#include <map>

#include "warehouse/batch_for_tests.h"
#include "warehouse/owned_database_for_tests.h"

namespace tillrace::warehouse {
namespace {

// The same promises, kept in memory: each event is held against the version before it.
class Model {
 public:
  BatchCounts apply(const Batch& batch) {
    BatchCounts counts;
    counts.rejected = static_cast<std::int64_t>(batch.rejected.size());
    for (const Line& line : batch.lines) {
      auto [known, is_new] =
          lines_.try_emplace({line.transaction.invoice_no, line.event_id}, line.transaction);
      if (is_new)
        ++counts.inserted;
      else if (known->second == line.transaction)
        ++counts.repeated;
      else
        ++counts.replaced;
      known->second = line.transaction;
    }
    return counts;
  }
  // One a line, in the order of their keys.
  std::string lines() const {
    std::string text;
    for (const auto& [key, line] : lines_)
      text += fmt::format("{}{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", text.empty() ? "" : "\n", key.first,
                          to_string(key.second), *line.line_no, line.stock_code,
                          line.description.value_or("~"), line.quantity, line.invoiced_at.value,
                          line.unit_price.ten_thousandths, line.customer_id.value_or("~"),
                          line.country);
    return text;
  }

 private:
  std::map<std::pair<std::string, EventId>, Transaction> lines_;
};

class BatchModelTest : public BatchTest {
 protected:
  template <class T>
  const T& any(const std::vector<T>& of) {
    return of[random_.below(of.size())];
  }

  // An invoice's lines are all in one partition, as in the log.
  Sale any_sale(std::int32_t partition) {
    Sale sale;
    sale.invoice_no = any<std::string>({"1", "C2", "3", "A4", "C5"}) + (partition == 0 ? "" : "1");
    sale.line_no = static_cast<std::int32_t>(1 + random_.below(3));
    sale.stock_code = any<std::string>({"A", "B", "POST"});
    sale.description = any<std::optional<std::string>>({{}, "X", "Y"});
    sale.quantity = any<std::int32_t>({-2, -1, 1, 2});
    sale.price = any<std::string>({"0", "1.10", "-2.0005", "99"});
    sale.date = any<std::string>({"2010-12-01T08:00", "2010-12-01T08:59", "2010-12-01T09:00"});
    sale.customer = any<std::optional<std::string>>({{}, "1", "2"});
    sale.country = any<std::string>({"UK", "FR"});
    return sale;
  }
  // Half of the sales say again what another one said, now or long ago.
  std::vector<Sale> any_sales(std::int32_t partition, std::vector<Sale>& said) {
    std::vector<Sale> sales;
    for (std::uint64_t size = random_.below(12); size > 0; --size) {
      bool again = !said.empty() && random_.below(2) == 0;
      sales.push_back(again ? said[random_.below(said.size())] : any_sale(partition));
      said.push_back(sales.back());
    }
    return sales;
  }
  std::string lines(Connection& connection) {
    return warehouse::ask(
        connection, R"(select invoice_no, event_id, line_no, stock_code, description, quantity,
                         (extract(epoch from invoiced_at) * 1000000)::bigint,
                         (unit_price * 10000)::bigint,
                         customer_id, country
                  from shop.transaction order by invoice_no collate "C", event_id)");
  }

  void play(int batches, BatchWriter& writer, Connection& connection) {
    Model model;
    TestSource sources[] = {TestSource(0), TestSource(1)};
    std::vector<Sale> said[2];
    for (int i = 0; i < batches; ++i) {
      auto partition = static_cast<std::int32_t>(random_.below(2));
      std::vector<std::string> rejected(random_.below(4) == 0 ? 2 : 0, "bad");
      Batch batch = sources[partition].batch(any_sales(partition, said[partition]), rejected);
      SCOPED_TRACE(fmt::format("batch {} of partition {}", i, partition));
      ASSERT_EQ(told(writer.apply(batch)), told(model.apply(batch)));
      ASSERT_EQ(faults(connection), "");
      if (i % 10 == 9) {
        ASSERT_EQ(lines(connection), model.lines());
      }
    }
  }

  SeededRandom random_{20'111'209};
};

TEST_F(BatchModelTest, TheLastVersionInTheLogWinsAndEveryCountIsRight) {
  play(200, writer_, connection_);
}

TEST_F(BatchModelTest, SoTheyAreForAnOwnerWhoIsNoSuperuser) {
  OwnedDatabase database;
  Connection connection = database.connect();
  ASSERT_TRUE(migrate(connection));
  BatchWriter writer(database.url());
  play(100, writer, connection);
}

TEST_F(BatchModelTest, AnotherCutIntoBatchesGivesTheSameShopAndTheSameCounts) {
  std::vector<Sale> said;
  std::vector<Sale> all;
  while (all.size() < 300)
    for (const Sale& sale : any_sales(0, said)) all.push_back(sale);
  std::vector<std::string> answers;
  for (std::size_t step : {300, 60, 7}) {
    TestDatabase database;
    Connection connection = database.connect();
    BatchWriter writer(database.url());
    TestSource source;
    for (std::size_t from = 0; from < all.size(); from += step) {
      auto end = std::min(all.size(), from + step);
      std::vector<Sale> part(all.begin() + static_cast<std::ptrdiff_t>(from),
                             all.begin() + static_cast<std::ptrdiff_t>(end));
      auto counts = writer.apply(source.batch(part));
      ASSERT_TRUE(counts) << counts.error().message;
    }
    answers.push_back(
        warehouse::ask(connection, "select inserted, replaced, repeated from stream.checkpoint") +
        "\n" +
        warehouse::ask(connection, "select * from shop.transaction order by invoice_no, event_id"));
    EXPECT_EQ(faults(connection), "");
  }
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(answers[0], answers[2]);
}

}  // namespace
}  // namespace tillrace::warehouse
