// The made-up shop that `generate` sells from: its products and customers, the same for a seed.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "client/weighted.h"
#include "model/money.h"

namespace tillrace::client {

inline constexpr std::size_t kProducts = 4'000;  // service codes included
inline constexpr std::size_t kCustomers = 4'300;
inline constexpr std::size_t kCountries = 38;

struct Product {
  std::string code;
  std::string description;
  Price price;
};

struct Customer {
  std::string id;
  std::string_view country;
};

// Constant after it is made.
class Catalogue {
 public:
  explicit Catalogue(SeededRandom& random);

  const Product& product(std::size_t index) const { return products_[index]; }
  const Customer& customer(std::size_t index) const { return customers_[index]; }
  // Some are drawn far more often than others, as in a shop (Zipf's law, flattened at the top).
  std::size_t draw_product(SeededRandom& random) const { return products_drawn_.draw(random); }
  std::size_t draw_customer(SeededRandom& random) const { return customers_drawn_.draw(random); }
  // Postage, fees and the like; none of draw_product() is one.
  const Product& service(std::string_view code) const;
  const Product& any_service(SeededRandom& random) const;

 private:
  std::vector<Product> products_;
  std::vector<Product> services_;
  std::vector<Customer> customers_;
  Weighted products_drawn_;
  Weighted customers_drawn_;
};

}  // namespace tillrace::client
