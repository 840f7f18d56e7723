#include "client/generate.h"

#include <gtest/gtest.h>

#include <charconv>
#include <set>

#include "model/event_id.h"
#include "model/event_json.h"

namespace tillrace::client {
namespace {

std::string generated(GenerateOptions options) {
  std::string out;
  SystemClock clock;
  auto summary = generate(
      options,
      [&out](std::string_view lines) {
        out += lines;
        return Status{};
      },
      [](const Progress&) {}, clock);
  EXPECT_EQ(summary.value().rows, options.rows);
  EXPECT_EQ(summary.value().bytes, out.size());
  return out;
}

// A text's name: the same for the same bytes.
std::string digest(const std::string& text) { return to_string(name_based(EventId{}, text)); }

TEST(Generate, TheSameSeedGivesTheSameBytesForEver) {
  EXPECT_EQ(digest(generated({.rows = 20'000, .seed = 42})),
            "c9bfd955-0413-5547-b358-c34757bec816");
}

TEST(Generate, AnotherSeedRowsOrStartGivesOthers) {
  std::set<std::string> digests;
  digests.insert(digest(generated({.rows = 1'000, .seed = 1})));
  digests.insert(digest(generated({.rows = 1'000, .seed = 2})));
  digests.insert(digest(generated({.rows = 1'001, .seed = 1})));
  digests.insert(digest(generated({.rows = 1'000, .seed = 1, .start = {0}})));
  EXPECT_EQ(digests.size(), 4u);
}

TEST(Generate, TheRateChangesNoByte) {
  FakeClock clock;
  GenerateOptions options{.rows = 1'000, .seed = 1, .rate_per_s = 100};
  std::string paced;
  auto sink = [&paced](std::string_view lines) {
    paced += lines;
    return Status{};
  };
  ASSERT_TRUE(generate(
      options, sink, [](const Progress&) {}, clock));
  EXPECT_EQ(paced, generated({.rows = 1'000, .seed = 1}));
  EXPECT_NEAR(std::chrono::duration<double>(clock.monotonic()).count(), 10.0, 0.3);
}

class GeneratedShop : public testing::Test {
 protected:
  static constexpr std::uint64_t kRows = 100'000;

  static void SetUpTestSuite() {
    EventParser parser{TimeZone{}};
    std::string text = generated({.rows = kRows, .seed = 7});
    for (std::string_view line : split_lines(text)) lines_.push_back(parser.parse(line).value());
  }
  static void TearDownTestSuite() { lines_ = {}; }

  template <class Wanted>
  static double share(Wanted wanted) {
    return static_cast<double>(std::count_if(lines_.begin(), lines_.end(), wanted)) /
           static_cast<double>(kRows);
  }

  static std::vector<Transaction> lines_;
};
std::vector<Transaction> GeneratedShop::lines_;

TEST_F(GeneratedShop, HasInvoicesOfAboutTwentyLinesWithALongTail) {
  std::map<std::string, std::uint64_t> sizes;
  for (const Transaction& line : lines_) ++sizes[line.invoice_no];
  std::uint64_t longest = 0;
  std::uint64_t single = 0;
  for (const auto& [invoice, size] : sizes) {
    longest = std::max(longest, size);
    single += size == 1 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(kRows) / static_cast<double>(sizes.size()), 20.0, 1.5);
  EXPECT_GT(longest, 200u);
  EXPECT_GT(single, sizes.size() / 20);
}

TEST_F(GeneratedShop, HasTheSharesOfTheRealOne) {
  EXPECT_NEAR(share([](const Transaction& line) { return is_cancellation(line); }), 0.02, 0.004);
  EXPECT_NEAR(share([](const Transaction& line) { return !line.customer_id; }), 0.25, 0.02);
  EXPECT_NEAR(share([](const Transaction& line) { return line.country == "United Kingdom"; }), 0.90,
              0.03);
  EXPECT_NEAR(share([](const Transaction& line) { return !line.description; }), 0.0025, 0.0015);
  EXPECT_GT(
      share([](const Transaction& line) { return line.unit_price.ten_thousandths % 100 != 0; }),
      0.0);
}

TEST_F(GeneratedShop, HasItsProductsCustomersAndCountries) {
  std::set<std::string> products, customers, countries;
  for (const Transaction& line : lines_) {
    products.insert(line.stock_code);
    countries.insert(line.country);
    if (line.customer_id) customers.insert(*line.customer_id);
  }
  EXPECT_GT(products.size(), 3'800u);
  EXPECT_LE(products.size(), 4'000u);
  EXPECT_GT(customers.size(), 1'500u);  // few of them buy often: 100,000 rows do not show all 4,300
  EXPECT_LE(customers.size(), 4'300u);
  EXPECT_GE(countries.size(), 30u);
  EXPECT_LE(countries.size(), 38u);
  for (const char* service : {"POST", "DOT", "M", "BANK CHARGES"})
    EXPECT_TRUE(products.contains(service)) << service;
}

TEST_F(GeneratedShop, SomeCustomersBuyMuchMoreThanOthers) {
  std::map<std::string, std::uint64_t> bought;
  for (const Transaction& line : lines_)
    if (line.customer_id) ++bought[*line.customer_id];
  std::vector<std::uint64_t> counts;
  std::uint64_t all = 0;
  for (const auto& [id, count] : bought) {
    counts.push_back(count);
    all += count;
  }
  std::sort(counts.rbegin(), counts.rend());
  std::uint64_t top = 0;
  for (std::size_t i = 0; i < counts.size() / 10; ++i) top += counts[i];
  EXPECT_GT(top, all / 3);  // the first tenth has more than a third
}

TEST_F(GeneratedShop, NumbersLinesAndInvoicesUpwardsThroughTheYear) {
  std::map<std::string, std::int32_t> last_line;
  int number = 536'364;
  UtcMicros last;
  for (const Transaction& line : lines_) {
    ASSERT_EQ(line.line_no, ++last_line[line.invoice_no]);
    std::string digits = line.invoice_no.substr(is_cancellation(line) ? 1 : 0);
    int own = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), own);
    ASSERT_GE(own, number);
    number = own;
    ASSERT_GE(line.invoiced_at, last);
    last = line.invoiced_at;
    std::int64_t minute = line.invoiced_at.value / 60'000'000 % 1440;
    ASSERT_TRUE(minute >= 8 * 60 && minute < 18 * 60);
  }
  EXPECT_EQ(to_string(lines_.front().invoiced_at).substr(0, 10), "2010-12-01");
  EXPECT_EQ(to_string(last).substr(0, 10), "2011-11-30");
}

TEST_F(GeneratedShop, TakesBackOnlyWhatItSold) {
  using Goods = std::pair<std::string, std::string>;  // customer and product
  std::map<Goods, std::int64_t> sold;
  for (const Transaction& line : lines_) {
    if (!line.customer_id) continue;
    std::int64_t& left = sold[{*line.customer_id, line.stock_code}];
    left += line.quantity;
    ASSERT_EQ(is_cancellation(line), line.quantity < 0);
    ASSERT_GE(left, 0) << line.invoice_no;
  }
}

TEST_F(GeneratedShop, RepeatsSomeLinesOfAnInvoiceExactly) {
  std::uint64_t repeated = 0;
  std::set<std::pair<std::string, std::string>> seen;
  for (const Transaction& line : lines_)
    repeated += seen.insert({line.invoice_no, line.stock_code}).second ? 0 : 1;
  EXPECT_GT(repeated, kRows / 200);
  EXPECT_LT(repeated, kRows / 20);
}

TEST(Generate, StopsWhenTheSinkFailsOrItIsTold) {
  SystemClock clock;
  auto full = [](std::string_view) -> Status { return fail(Code::exhausted, "no room"); };
  EXPECT_EQ(generate(
                {}, full, [](const Progress&) {}, clock)
                .error()
                .message,
            "no room");
  std::stop_source stop;
  stop.request_stop();
  auto taken = [](std::string_view) { return Status{}; };
  EXPECT_EQ(generate(
                {}, taken, [](const Progress&) {}, clock, stop.get_token())
                .error()
                .code,
            Code::shutting_down);
}

TEST(Generate, RefusesWhatItCannotDo) {
  SystemClock clock;
  auto sink = [](std::string_view) { return Status{}; };
  auto none = [](const Progress&) {};
  EXPECT_EQ(generate({.rows = 2'000'000'000'000}, sink, none, clock).error().code, Code::invalid);
  EXPECT_EQ(generate({.start = {INT64_MAX}}, sink, none, clock).error().code, Code::invalid);
  EXPECT_EQ(generate({.rows = 0}, sink, none, clock).value().rows, 0u);
}

}  // namespace
}  // namespace tillrace::client
