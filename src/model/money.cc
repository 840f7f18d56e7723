#include "model/money.h"

#include <algorithm>

namespace tillrace {
namespace {

constexpr std::string_view kRule =
    "a decimal number with up to 4 decimals and a magnitude below 10^12";
constexpr int kDecimals = 4;
constexpr int kMostDigits = 12 + kDecimals;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& text) {
  auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  auto length = static_cast<std::size_t>(end - text.begin());
  std::string_view digits = text.substr(0, length);
  text.remove_prefix(length);
  return digits;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// A number taken apart: (negative ? -1 : 1) x digits x 10^exponent, digits without zeros in front.
struct Parts {
  bool negative = false;
  std::string digits;
  int exponent = 0;
};

// The exponent's value, clamped to +-9999: beyond that every number but zero is out of range
// anyway.
Result<int> take_exponent(std::string_view& text) {
  if (!take(text, 'e') && !take(text, 'E')) return 0;
  bool negative = take(text, '-');
  if (!negative) take(text, '+');
  std::string_view digits = take_digits(text);
  if (digits.empty()) return fail(Code::invalid, "not {}", kRule);
  int value = 0;
  for (char digit : digits) value = std::min(9999, value * 10 + (digit - '0'));
  return negative ? -value : value;
}

Result<Parts> take_apart(std::string_view text) {
  Parts parts;
  parts.negative = take(text, '-');
  std::string_view whole = take_digits(text);
  bool has_point = take(text, '.');
  std::string_view fraction = has_point ? take_digits(text) : std::string_view{};
  if (whole.empty() || (has_point && fraction.empty())) return fail(Code::invalid, "not {}", kRule);
  auto exponent = take_exponent(text);
  if (!exponent) return fail(exponent.error());
  if (!text.empty()) return fail(Code::invalid, "not {}", kRule);
  if (whole.size() + fraction.size() > 1000) return fail(Code::invalid, "not {}", kRule);
  parts.exponent = *exponent - static_cast<int>(fraction.size());
  parts.digits.append(whole).append(fraction);
  parts.digits.erase(0, std::min(parts.digits.find_first_not_of('0'), parts.digits.size()));
  return parts;
}

std::string decimal_text(bool negative, std::string digits) {
  if (digits.size() <= kDecimals) digits.insert(0, kDecimals + 1 - digits.size(), '0');
  digits.insert(digits.size() - kDecimals, 1, '.');
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return negative ? "-" + digits : digits;
}

}  // namespace

Result<Price> parse_price(std::string_view text) {
  auto parts = take_apart(text);
  if (!parts) return fail(parts.error());
  if (parts->digits.empty()) return Price{0};
  int shift = parts->exponent + kDecimals;
  while (shift < 0 && parts->digits.back() == '0') {
    parts->digits.pop_back();
    ++shift;
  }
  if (shift < 0 || static_cast<int>(parts->digits.size()) + shift > kMostDigits)
    return fail(Code::invalid, "not {}", kRule);
  std::int64_t value = 0;
  for (char digit : parts->digits) value = value * 10 + (digit - '0');
  for (; shift > 0; --shift) value *= 10;
  return Price{parts->negative ? -value : value};
}

std::string to_string(Price price) { return to_string(Money{price.ten_thousandths}); }

std::string to_string(Money money) {
  bool negative = money.ten_thousandths < 0;
  auto rest = negative ? -money.ten_thousandths : money.ten_thousandths;
  std::string digits;
  for (; rest > 0; rest /= 10) digits += static_cast<char>('0' + static_cast<int>(rest % 10));
  std::reverse(digits.begin(), digits.end());
  return decimal_text(negative, digits);
}

}  // namespace tillrace
