#include "lake/azure_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace tillrace::lake {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr std::int64_t kMicros = 1'000'000;
constexpr std::array<std::string_view, 7> kWeekdays{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::string_view kShape = "Sun, 06 Nov 1994 08:49:37 GMT";

std::optional<unsigned> number(std::string_view digits) {
  unsigned value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

bool has_shape(std::string_view text) {
  constexpr std::array<std::size_t, 11> kFixed{3, 4, 7, 11, 16, 19, 22, 25, 26, 27, 28};
  if (text.size() != kShape.size()) return false;
  return std::all_of(kFixed.begin(), kFixed.end(),
                     [&](std::size_t at) { return text[at] == kShape[at]; });
}

}  // namespace

std::string http_date(UtcMicros time) {
  std::chrono::sys_seconds seconds(std::chrono::seconds(time.value / kMicros));
  sys_days day = std::chrono::floor<days>(seconds);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(seconds - day);
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kWeekdays[std::chrono::weekday(day).c_encoding()],
      static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
      clock.seconds().count());
}

std::optional<UtcMicros> parse_http_date(std::string_view text) {
  if (!has_shape(text)) return std::nullopt;
  const auto* month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  auto day = number(text.substr(5, 2));
  auto year = number(text.substr(12, 4));
  auto hours = number(text.substr(17, 2));
  auto minutes = number(text.substr(20, 2));
  auto seconds = number(text.substr(23, 2));
  if (month == kMonths.end() || !day || !year || !hours || !minutes || !seconds)
    return std::nullopt;
  std::chrono::year_month_day date(
      std::chrono::year(static_cast<int>(*year)),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(*day));
  if (!date.ok() || *hours > 23 || *minutes > 59 || *seconds > 60) return std::nullopt;
  auto since = sys_days(date).time_since_epoch() + std::chrono::hours(*hours) +
               std::chrono::minutes(*minutes) + std::chrono::seconds(*seconds);
  return UtcMicros{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

}  // namespace tillrace::lake
