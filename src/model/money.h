// Money, exact. Nothing here passes through a float.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tillrace {

// A unit price in ten-thousandths of the shop's currency; magnitude below 10^12 units of currency.
struct Price {
  std::int64_t ten_thousandths = 0;
  auto operator<=>(const Price&) const = default;
};

// An amount in ten-thousandths. 128 bits: Quantity x UnitPrice reaches 2 x 10^25, and sums of those
// more.
struct Money {
  __extension__ typedef __int128 Units;
  Units ten_thousandths = 0;

  auto operator<=>(const Money&) const = default;
  Money& operator+=(Money other) {
    ten_thousandths += other.ten_thousandths;
    return *this;
  }
};

inline Money operator*(std::int64_t quantity, Price price) {
  return {static_cast<Money::Units>(quantity) * price.ten_thousandths};
}

// A decimal number as JSON writes it, exponent allowed ("2.55", "-11062.06", "1e2"); refused when
// it has more than 4 decimals that are not zero, or a magnitude of 10^12 or more.
Result<Price> parse_price(std::string_view text);

// "2.55", "-0.001", "0": no exponent, no trailing zeros.
std::string to_string(Price price);
std::string to_string(Money money);

}  // namespace tillrace
