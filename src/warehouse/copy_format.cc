#include "warehouse/copy_format.h"

#include <array>
#include <type_traits>

namespace tillrace::warehouse {
namespace {

constexpr std::string_view kSignature{"PGCOPY\n\377\r\n\0", 11};
constexpr std::int64_t kUnixTo2000Micros =
    946'684'800'000'000;  // PostgreSQL's times count from 2000-01-01
constexpr std::uint16_t kNumericNegative = 0x4000;

// A NUMERIC's digits to the base 10,000: `count` of them, the first worth 10,000^weight, without
// zeros at either end.
struct NumericDigits {
  std::array<std::int16_t, 5> digits{};
  std::int16_t count = 0;
  std::int16_t weight = 0;
};

// One digit to the base 10,000 is just the four decimals of a Price; the others are its whole part.
NumericDigits digits_of(std::uint64_t ten_thousandths) {
  std::array<std::int16_t, 5> reversed{};
  std::size_t count = 0;
  for (std::uint64_t rest = ten_thousandths; rest > 0; rest /= 10'000)
    reversed[count++] = static_cast<std::int16_t>(rest % 10'000);
  std::size_t zeros = 0;
  while (zeros < count && reversed[zeros] == 0) ++zeros;
  NumericDigits out;
  out.weight = static_cast<std::int16_t>(static_cast<int>(count) - 2);
  for (std::size_t i = count; i > zeros; --i)
    out.digits[static_cast<std::size_t>(out.count++)] = reversed[i - 1];
  return out;
}

std::int16_t decimals_of(std::int64_t ten_thousandths) {
  std::int16_t decimals = 4;  // at least two are shown, as money is
  while (decimals > 2 && ten_thousandths % 10 == 0) {
    ten_thousandths /= 10;
    --decimals;
  }
  return decimals;
}

}  // namespace

template <class Integer>
void CopyEncoder::big_endian(Integer value) {
  using Unsigned = std::make_unsigned_t<Integer>;
  auto bits = static_cast<Unsigned>(value);
  char bytes[sizeof(Integer)];
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    bytes[i] = static_cast<char>(bits >> (8 * (sizeof(Integer) - 1 - i)) & 0xff);
  out_.append(bytes, sizeof bytes);
}

void CopyEncoder::header() {
  out_.append(kSignature);
  big_endian(std::int32_t{0});  // flags
  big_endian(std::int32_t{0});  // length of the header's extension
}

void CopyEncoder::trailer() { big_endian(std::int16_t{-1}); }

void CopyEncoder::row(std::int16_t fields) { big_endian(fields); }

void CopyEncoder::null() { big_endian(std::int32_t{-1}); }

void CopyEncoder::int4(std::int32_t value) {
  big_endian(std::int32_t{4});
  big_endian(value);
}

void CopyEncoder::int8(std::int64_t value) {
  big_endian(std::int32_t{8});
  big_endian(value);
}

void CopyEncoder::text(std::string_view value) {
  big_endian(static_cast<std::int32_t>(value.size()));
  out_.append(value);
}

void CopyEncoder::uuid(const EventId& value) {
  text({reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()});
}

void CopyEncoder::timestamptz(UtcMicros value) { int8(value.value - kUnixTo2000Micros); }

void CopyEncoder::numeric(Price value) {
  bool negative = value.ten_thousandths < 0;
  auto magnitude =
      static_cast<std::uint64_t>(negative ? -value.ten_thousandths : value.ten_thousandths);
  NumericDigits number = digits_of(magnitude);
  big_endian(static_cast<std::int32_t>(8 + 2 * number.count));
  big_endian(number.count);
  big_endian(number.weight);
  big_endian(negative ? kNumericNegative : std::uint16_t{0});
  big_endian(decimals_of(value.ten_thousandths));
  for (std::int16_t i = 0; i < number.count; ++i)
    big_endian(number.digits[static_cast<std::size_t>(i)]);
}

void CopyEncoder::text_or_null(const std::optional<std::string>& value) {
  value ? text(*value) : null();
}

void CopyEncoder::int4_or_null(std::optional<std::int32_t> value) { value ? int4(*value) : null(); }

}  // namespace tillrace::warehouse
