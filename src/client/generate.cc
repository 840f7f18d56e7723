#include "client/generate.h"

#include <array>
#include <chrono>
#include <optional>
#include <vector>

#include "base/random.h"
#include "client/catalogue.h"
#include "client/pacer.h"
#include "client/weighted.h"
#include "model/event_json.h"

namespace tillrace::client {
namespace {

constexpr std::uint64_t kMostRows = 1'000'000'000'000;
constexpr std::uint64_t kFirstInvoice = 536'365;
constexpr std::size_t kChunkBytes = std::size_t{1} << 16;
constexpr int kDays = 365;
constexpr std::int64_t kMicrosPerDay = 86'400'000'000;
constexpr std::int64_t kMicrosPerMinute = 60'000'000;
constexpr std::string_view kHome = "United Kingdom";

// When the shop sells: more towards Christmas, never on Saturdays, most around noon.
class Calendar {
 public:
  explicit Calendar(UtcMicros start) : first_day_(start.value / kMicrosPerDay), days_(weights()) {
    constexpr std::array<std::size_t, 10> kHours = {3,  9,  14, 15, 17,
                                                    15, 13, 9,  4,  1};  // 8:00 to 17:59
    for (std::size_t hour = 0; hour < kHours.size(); ++hour)
      for (std::size_t minute = 0; minute < 60; ++minute)
        minutes_.insert(minutes_.end(), kHours[hour], static_cast<int>((8 + hour) * 60 + minute));
  }

  // The time when `done` of `all` rows are sold.
  UtcMicros at(std::uint64_t done, std::uint64_t all) const {
    std::uint64_t place = days_.total() * done / all;
    std::size_t day = days_.at(place);
    std::uint64_t within = place - days_.begin_of(day);
    std::uint64_t weight = days_.begin_of(day + 1) - days_.begin_of(day);
    int minute = minutes_[static_cast<std::size_t>(within * minutes_.size() / weight)];
    return {(first_day_ + static_cast<std::int64_t>(day)) * kMicrosPerDay +
            minute * kMicrosPerMinute};
  }

 private:
  std::vector<std::uint64_t> weights() const {
    constexpr std::array<std::uint64_t, 12> kMonths = {8, 8, 10, 9, 10, 10, 10, 10, 14, 16, 21, 14};
    constexpr std::uint64_t kPerMonthWeight = 1000;  // fine enough for every minute of a day
    std::vector<std::uint64_t> out;
    for (int i = 0; i < kDays; ++i) {
      std::chrono::sys_days day{std::chrono::days{first_day_ + i}};
      std::chrono::year_month_day date{day};
      bool closed = std::chrono::weekday{day} == std::chrono::Saturday;
      out.push_back(closed ? 0 : kMonths[unsigned{date.month()} - 1] * kPerMonthWeight);
    }
    return out;
  }

  std::int64_t first_day_;
  Weighted days_;
  std::vector<int> minutes_;  // of the day, each as often as it weighs
};

// Weights that fall by `per_mille` of themselves from one number to the next.
Weighted geometric(std::size_t most, std::uint64_t per_mille) {
  std::vector<std::uint64_t> weights;
  std::uint64_t weight = 1'000'000'000'000;
  for (std::size_t i = 0; i < most; ++i, weight -= weight / 1000 * per_mille)
    weights.push_back(weight);
  return Weighted(weights);
}

struct Choice {
  std::int32_t value;
  std::uint64_t weight;
};
constexpr std::array<Choice, 16> kQuantities = {{
    {1, 30},
    {2, 17},
    {3, 9},
    {4, 9},
    {5, 3},
    {6, 13},
    {8, 4},
    {10, 5},
    {12, 13},
    {16, 1},
    {20, 2},
    {24, 5},
    {25, 1},
    {36, 1},
    {48, 2},
    {96, 1},
}};

Weighted quantity_weights() {
  std::vector<std::uint64_t> weights;
  for (const Choice& choice : kQuantities) weights.push_back(choice.weight);
  return Weighted(weights);
}

using Invoice = std::vector<Transaction>;

class Shop {
 public:
  explicit Shop(std::uint64_t seed)
      : random_(seed),
        catalogue_(random_),
        short_invoices_(geometric(300, 48)),
        long_invoices_(geometric(600, 14)),
        quantities_(quantity_weights()) {}

  // The next invoice, its lines numbered from 1, all at `time`.
  Invoice next(UtcMicros time) {
    std::uint64_t kind = random_.below(100);
    Invoice invoice;
    if (kind < 14 && !sold_.empty()) {
      invoice = cancellation();
    } else if (kind < 18) {
      invoice = write_off();
    } else {
      invoice = sale();
    }
    std::string number = fmt::format("{}", number_);
    number_ += random_.below(50) == 0 ? 2 : 1;
    std::int32_t line_no = 0;
    for (Transaction& line : invoice) {
      line.invoice_no = line.invoice_no + number;
      line.invoiced_at = time;
      line.line_no = ++line_no;
    }
    return invoice;
  }

 private:
  static constexpr std::size_t kRemembered = 512;  // invoices whose goods may come back

  std::size_t length() {
    std::uint64_t kind = random_.below(10);
    if (kind == 0) return 1;
    return 1 + (kind == 1 ? long_invoices_ : short_invoices_).draw(random_);
  }

  Transaction line_of(const Product& product, std::int32_t quantity, const Transaction& buyer) {
    Transaction line;
    line.stock_code = product.code;
    line.description = product.description;
    line.quantity = quantity;
    line.unit_price = product.price;
    line.customer_id = buyer.customer_id;
    line.country = buyer.country;
    return line;
  }

  Price varied(Price price) {
    std::uint64_t kind = random_.below(1000);
    std::int64_t percent = 90 + static_cast<std::int64_t>(random_.below(21));
    std::int64_t unit = kind == 0 ? 10 : 100;  // one in a thousand has a third decimal
    if (kind > 120) return price;
    return {std::max(unit, price.ten_thousandths * percent / 100 / unit * unit)};
  }

  Transaction draw_buyer(bool& buys_much) {
    Transaction buyer;
    buyer.country = kHome;
    buys_much = false;
    if (random_.below(4) == 0) {
      if (random_.below(50) == 0)
        buyer.country = catalogue_.customer(6 + 8 * random_.below(500)).country;
      return buyer;
    }
    std::size_t rank = catalogue_.draw_customer(random_);
    buyer.customer_id = catalogue_.customer(rank).id;
    buyer.country = catalogue_.customer(rank).country;
    buys_much = rank < 25;
    return buyer;
  }

  Transaction goods(const Transaction& buyer, bool buys_much) {
    const Product& product = catalogue_.product(catalogue_.draw_product(random_));
    std::int32_t quantity = kQuantities[quantities_.draw(random_)].value;
    if (!buyer.customer_id) quantity = 1 + quantity / 4;
    if (buys_much && random_.below(3) == 0) quantity *= 12;
    Transaction line = line_of(product, quantity, buyer);
    line.unit_price = varied(product.price);
    return line;
  }

  Invoice sale() {
    bool buys_much = false;
    Transaction buyer = draw_buyer(buys_much);
    Invoice invoice;
    for (std::size_t left = length(); left > 0; --left) {
      if (!invoice.empty() && random_.below(150) == 0) {
        Transaction again = invoice[static_cast<std::size_t>(random_.below(invoice.size()))];
        if (random_.below(2) == 0) again.quantity += 1;
        invoice.push_back(again);
      } else if (random_.below(500) == 0) {
        invoice.push_back(line_of(catalogue_.any_service(random_), 1, buyer));
      } else {
        invoice.push_back(goods(buyer, buys_much));
      }
    }
    bool abroad = buyer.country != kHome;
    if (abroad && random_.below(10) < 7)
      invoice.push_back(line_of(catalogue_.service("POST"), 1, buyer));
    if (!buyer.customer_id && random_.below(3) == 0)
      invoice.push_back(line_of(catalogue_.service("DOT"), 1, buyer));
    if (buyer.customer_id) remember(invoice);
    return invoice;
  }

  void remember(const Invoice& invoice) {
    constexpr std::size_t kMostLines = 5;
    Invoice kept(invoice.begin(), invoice.begin() + static_cast<std::ptrdiff_t>(
                                                        std::min(kMostLines, invoice.size())));
    if (sold_.size() < kRemembered) {
      sold_.push_back(std::move(kept));
    } else {
      sold_[static_cast<std::size_t>(random_.below(kRemembered))] = std::move(kept);
    }
  }

  // Goods of an invoice of before come back, all or some of each; each only once.
  Invoice cancellation() {
    auto which = static_cast<std::ptrdiff_t>(random_.below(sold_.size()));
    Invoice invoice = std::move(sold_[static_cast<std::size_t>(which)]);
    sold_.erase(sold_.begin() + which);
    invoice.resize(invoice.size() - static_cast<std::size_t>(random_.below(invoice.size())));
    for (Transaction& line : invoice) {
      auto sold = static_cast<std::uint64_t>(line.quantity);
      bool all = random_.below(10) < 6;
      line.quantity = -static_cast<std::int32_t>(all ? sold : 1 + random_.below(sold));
      line.invoice_no = "C";
    }
    return invoice;
  }

  Invoice write_off() {
    Transaction nobody;
    nobody.country = kHome;
    const Product& product = catalogue_.product(catalogue_.draw_product(random_));
    Transaction line = line_of(product, -1 - static_cast<std::int32_t>(random_.below(200)), nobody);
    line.unit_price = Price{0};
    line.description.reset();
    if (random_.below(6) == 0) line.description = random_.below(2) == 0 ? "damaged" : "lost";
    return {line};
  }

  SeededRandom random_;
  Catalogue catalogue_;
  Weighted short_invoices_;
  Weighted long_invoices_;
  Weighted quantities_;
  std::vector<Invoice> sold_;
  std::uint64_t number_ = kFirstInvoice;
};

Status check(const GenerateOptions& options) {
  constexpr std::int64_t kYear1 = -62'135'596'800'000'000;
  constexpr std::int64_t kYear9998 = 253'339'228'800'000'000;
  if (options.rows > kMostRows)
    return fail(Code::invalid, "{} rows are too many; up to {}", options.rows, kMostRows);
  if (options.start.value < kYear1 || options.start.value > kYear9998)
    return fail(Code::invalid, "the start must lie in the years 1 to 9997");
  return {};
}

// Collects lines, and hands them over by the chunk or in step with the rate.
class Hand {
 public:
  Hand(const GenerateOptions& options, const LineSink& sink, Clock& clock)
      : sink_(sink), pacer_(options.rate_per_s, clock), most_lines_(pacer_.group(UINT64_MAX)) {}

  Status add(const Transaction& line, const std::stop_token& stop) {
    append_json(text_, line);
    text_ += '\n';
    ++lines_;
    if (text_.size() < kChunkBytes && lines_ < most_lines_) return {};
    return flush(stop);
  }
  Status flush(const std::stop_token& stop) {
    if (text_.empty()) return {};
    if (!pacer_.wait(lines_, stop)) return fail(Code::shutting_down, "stopped after {} rows", rows);
    if (Status taken = sink_(text_); !taken) return taken;
    rows += lines_;
    bytes += text_.size();
    lines_ = 0;
    text_.clear();
    return {};
  }

  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;

 private:
  const LineSink& sink_;
  Pacer pacer_;
  std::uint64_t most_lines_;
  std::uint64_t lines_ = 0;
  std::string text_;
};

}  // namespace

Result<GenerateSummary> generate(const GenerateOptions& options, const LineSink& sink,
                                 const OnProgress& progress, Clock& clock, std::stop_token stop) {
  if (Status checked = check(options); !checked) return fail(checked.error());
  Shop shop(options.seed);
  Calendar calendar(options.start);
  Hand hand(options, sink, clock);
  GenerateSummary summary;
  std::uint64_t made = 0;
  while (made < options.rows) {
    ++summary.invoices;
    for (const Transaction& line : shop.next(calendar.at(made, options.rows))) {
      if (made == options.rows) break;
      if (Status added = hand.add(line, stop); !added) return fail(added.error());
      ++made;
    }
    progress({hand.rows, options.rows, hand.rows});
  }
  if (Status flushed = hand.flush(stop); !flushed) return fail(flushed.error());
  progress({hand.rows, options.rows, hand.rows});
  summary.rows = hand.rows;
  summary.bytes = hand.bytes;
  return summary;
}

}  // namespace tillrace::client
