#include "client/catalogue.h"

#include <fmt/format.h>

#include <array>

#include "base/check.h"

namespace tillrace::client {
namespace {

constexpr std::string_view kHome = "United Kingdom";

struct Country {
  std::string_view name;
  std::uint64_t weight;  // its lines in the Online Retail data set
};

constexpr std::array<Country, kCountries - 1> kAbroad = {{
    {"Germany", 9495},
    {"France", 8557},
    {"EIRE", 8196},
    {"Spain", 2533},
    {"Netherlands", 2371},
    {"Belgium", 2069},
    {"Switzerland", 2002},
    {"Portugal", 1519},
    {"Australia", 1259},
    {"Norway", 1086},
    {"Italy", 803},
    {"Channel Islands", 758},
    {"Finland", 695},
    {"Cyprus", 622},
    {"Sweden", 462},
    {"Unspecified", 446},
    {"Austria", 401},
    {"Denmark", 389},
    {"Japan", 358},
    {"Poland", 341},
    {"Israel", 297},
    {"USA", 291},
    {"Hong Kong", 288},
    {"Singapore", 229},
    {"Iceland", 182},
    {"Canada", 151},
    {"Greece", 146},
    {"Malta", 127},
    {"United Arab Emirates", 68},
    {"European Community", 61},
    {"RSA", 58},
    {"Lebanon", 45},
    {"Lithuania", 35},
    {"Brazil", 32},
    {"Czech Republic", 30},
    {"Bahrain", 19},
    {"Saudi Arabia", 10},
}};

constexpr std::array<std::string_view, 20> kColours = {
    "RED",    "BLUE",   "PINK",   "WHITE",   "BLACK", "IVORY",     "GREEN",
    "LILAC",  "CREAM",  "SILVER", "GOLD",    "GREY",  "TURQUOISE", "YELLOW",
    "ORANGE", "PURPLE", "ROSE",   "NATURAL", "AMBER", "MINT"};
constexpr std::array<std::string_view, 24> kStyles = {
    "RETROSPOT", "VINTAGE",  "HANGING HEART", "POLKADOT",   "PAISLEY",    "REGENCY",
    "WOODLAND",  "SPACEBOY", "STRAWBERRY",    "DOILY",      "UNION JACK", "CHRISTMAS",
    "SKULLS",    "BAROQUE",  "FELTCRAFT",     "DOLLY GIRL", "GINGHAM",    "PARISIENNE",
    "KNITTED",   "ENAMEL",   "WICKER",        "GLASS",      "CERAMIC",    "METAL"};
constexpr std::array<std::string_view, 40> kThings = {
    "T-LIGHT HOLDER", "LUNCH BAG",   "CAKE STAND",    "BUNTING",
    "LANTERN",        "MUG",         "TEA TOWEL",     "JEWELLERY BOX",
    "DOORMAT",        "ALARM CLOCK", "WATER BOTTLE",  "PHOTO FRAME",
    "PENCIL CASE",    "GIFT WRAP",   "STORAGE TIN",   "CANDLE",
    "TRINKET BOX",    "SHOPPER",     "CUSHION COVER", "NOTEBOOK",
    "PLAYING CARDS",  "CHALKBOARD",  "DRAWER KNOB",   "APRON",
    "BIRD FEEDER",    "TEA SET",     "MAGNETS",       "WALL CLOCK",
    "UMBRELLA",       "RIBBONS",     "LIGHT STRING",  "NAPKINS",
    "EGG CUP",        "KEY RING",    "PARASOL",       "JAM JAR",
    "PICNIC BASKET",  "NECKLACE",    "SOAP DISH",     "COASTERS"};

struct PricePoint {
  std::int64_t pence;
  std::uint64_t weight;
};
constexpr std::array<PricePoint, 22> kPrices = {{
    {19, 2},   {29, 4},   {42, 10},  {55, 6},   {65, 6},   {85, 16},  {125, 20}, {145, 8},
    {165, 18}, {195, 10}, {210, 10}, {255, 12}, {295, 12}, {375, 9},  {425, 7},  {495, 9},
    {595, 5},  {795, 5},  {995, 4},  {1275, 3}, {1695, 2}, {3995, 1},
}};

Price from_pence(std::int64_t pence) { return {pence * 100}; }

const std::vector<Product>& services() {
  static const std::vector<Product> list = {
      {"POST", "POSTAGE", from_pence(1800)},
      {"DOT", "DOTCOM POSTAGE", from_pence(8243)},
      {"C2", "CARRIAGE", from_pence(5000)},
      {"M", "Manual", from_pence(295)},
      {"BANK CHARGES", "Bank Charges", from_pence(1500)},
      {"AMAZONFEE", "AMAZON FEE", from_pence(16605)},
      {"PADS", "PADS TO MATCH ALL CUSHIONS", Price{10}},
      {"gift_0001_20",
       "Dotcomgiftshop Gift Voucher \xc2\xa3"
       "20.00",
       from_pence(1667)},
  };
  return list;
}

template <class List>
const auto& any_of(const List& list, SeededRandom& random) {
  return list[static_cast<std::size_t>(random.below(list.size()))];
}

// What text handling trips over: quotes, commas, blanks at the end, characters beyond ASCII.
std::string described(std::string_view colour, std::string_view rest, SeededRandom& random) {
  switch (random.below(200)) {
    case 0: return fmt::format("{} {}, SET OF 6", colour, rest);
    case 1: return fmt::format("\"{}\" {}", colour, rest);
    case 2: return fmt::format("{} {} CAF\xc3\x89", colour, rest);
    case 3: return fmt::format("{} {} 5\" WIDE", colour, rest);
    default: return fmt::format("{} {}", colour, rest);
  }
}

// A design has a number; its colours, where it comes in several, have letters.
std::vector<Product> make_products(SeededRandom& random) {
  std::vector<std::uint64_t> weights;
  for (const PricePoint& point : kPrices) weights.push_back(point.weight);
  Weighted prices(weights);
  std::vector<Product> products;
  std::uint64_t number = 10'000;
  while (products.size() < kProducts - services().size()) {
    number += 2 + random.below(50);
    std::uint64_t variants = random.below(10) < 7 ? 1 : 2 + random.below(4);
    // Drawn one after the other: the order in which arguments are evaluated is the compiler's.
    std::string_view style = any_of(kStyles, random);
    std::string rest = fmt::format("{} {}", style, any_of(kThings, random));
    Price price = from_pence(kPrices[prices.draw(random)].pence);
    std::uint64_t first_colour = random.below(kColours.size());
    for (std::uint64_t i = 0; i < variants; ++i) {
      if (products.size() == kProducts - services().size()) break;
      std::string letter = variants == 1 ? "" : std::string(1, static_cast<char>('A' + i));
      std::string_view colour = kColours[(first_colour + i) % kColours.size()];
      products.push_back(
          {fmt::format("{}{}", number, letter), described(colour, rest, random), price});
    }
  }
  return products;
}

// Every eighth customer lives abroad; each country has one at least.
std::vector<Customer> make_customers(SeededRandom& random) {
  std::vector<std::uint64_t> weights;
  for (const Country& country : kAbroad) weights.push_back(country.weight);
  Weighted abroad(weights);
  std::vector<Customer> customers;
  std::size_t foreigners = 0;
  for (std::size_t rank = 0; rank < kCustomers; ++rank) {
    // 7919 is prime to 4,300: every rank gets a number of its own, and rank does not show in it.
    std::uint64_t id = 12'346 + rank * 7919 % kCustomers;
    std::string_view country = kHome;
    if (rank % 8 == 6) {
      std::size_t which = foreigners < kAbroad.size() ? foreigners : abroad.draw(random);
      country = kAbroad[which].name;
      ++foreigners;
    }
    customers.push_back({fmt::format("{}", id), country});
  }
  return customers;
}

// 1 / rank, flattened by `flat` at the top and by 1 / `least` at the bottom.
Weighted falling(std::size_t count, std::uint64_t flat, std::uint64_t least) {
  constexpr std::uint64_t kUnit = 1'000'000'000;
  std::vector<std::uint64_t> weights;
  for (std::size_t rank = 0; rank < count; ++rank)
    weights.push_back(kUnit / (rank + flat) + kUnit / least);
  return Weighted(weights);
}

}  // namespace

Catalogue::Catalogue(SeededRandom& random)
    : products_(make_products(random)),
      services_(services()),
      customers_(make_customers(random)),
      products_drawn_(falling(products_.size(), 60, 10'000)),
      customers_drawn_(falling(customers_.size(), 25, 700)) {}

const Product& Catalogue::service(std::string_view code) const {
  for (const Product& service : services_)
    if (service.code == code) return service;
  CHECK(false);
  return services_.front();
}

const Product& Catalogue::any_service(SeededRandom& random) const {
  return any_of(services_, random);
}

}  // namespace tillrace::client
