#include "model/invoice_date.h"

#include <date/date.h>
#include <date/tz.h>

#include <optional>

namespace tillrace {
namespace {

using std::chrono::microseconds;

constexpr std::string_view kRule =
    "YYYY-MM-DD HH:MM[:SS[.ffffff]] with an optional zone, or M/D/YYYY H:MM";

tl::unexpected<Error> not_a_date() { return fail(Code::invalid, "not {}", kRule); }

// Reads a text from left to right; after a failure it stays failed, so that callers check once.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  int number(std::size_t fewest, std::size_t most) {
    int value = 0;
    std::size_t digits = 0;
    while (digits < most && digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9')
      value = value * 10 + (rest_[digits++] - '0');
    failed_ = failed_ || digits < fewest;
    rest_.remove_prefix(digits);
    return value;
  }
  bool next_is(std::string_view any_of) const {
    return !rest_.empty() && any_of.find(rest_.front()) != std::string_view::npos;
  }
  char take() {
    char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  void expect(std::string_view any_of) {
    if (next_is(any_of)) {
      rest_.remove_prefix(1);
    } else {
      failed_ = true;
    }
  }
  // Up to six decimals of a second, as microseconds.
  int fraction() {
    std::size_t before = rest_.size();
    int value = number(1, 6);
    for (std::size_t digits = before - rest_.size(); digits < 6; ++digits) value *= 10;
    return value;
  }
  bool failed() const { return failed_; }
  bool finished() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

struct WallClock {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micros = 0;
};

std::optional<std::int64_t> micros_of(const WallClock& t) {
  date::year_month_day day{date::year{t.year}, date::month{static_cast<unsigned>(t.month)},
                           date::day{static_cast<unsigned>(t.day)}};
  if (!day.ok() || t.year < 1 || t.hour > 23 || t.minute > 59 || t.second > 59) return std::nullopt;
  std::int64_t days = date::local_days{day}.time_since_epoch().count();
  std::int64_t seconds = ((days * 24 + t.hour) * 60 + t.minute) * 60 + t.second;
  return seconds * 1'000'000 + t.micros;
}

// A zone can carry the first and last hours of the years 1 to 9999 out of them, to where the text
// of an instant would not read back.
bool has_four_digit_year(UtcMicros time) {
  constexpr std::int64_t kFirst = -62'135'596'800'000'000;  // 0001-01-01T00:00:00Z
  constexpr std::int64_t kEnd = 253'402'300'800'000'000;    // 10000-01-01T00:00:00Z
  return time.value >= kFirst && time.value < kEnd;
}

WallClock scan_iso(Scanner& in) {
  WallClock t;
  t.year = in.number(4, 4);
  in.expect("-");
  t.month = in.number(2, 2);
  in.expect("-");
  t.day = in.number(2, 2);
  in.expect("T ");
  t.hour = in.number(2, 2);
  in.expect(":");
  t.minute = in.number(2, 2);
  if (!in.next_is(":")) return t;
  in.take();
  t.second = in.number(2, 2);
  if (!in.next_is(".")) return t;
  in.take();
  t.micros = in.fraction();
  return t;
}

WallClock scan_american(Scanner& in) {
  WallClock t;
  t.month = in.number(1, 2);
  in.expect("/");
  t.day = in.number(1, 2);
  in.expect("/");
  t.year = in.number(4, 4);
  in.expect(" ");
  t.hour = in.number(1, 2);
  in.expect(":");
  t.minute = in.number(2, 2);
  return t;
}

// The zone's distance from UTC in minutes, or nothing when none is written.
std::optional<int> scan_zone(Scanner& in) {
  if (in.next_is("Zz")) {
    in.take();
    return 0;
  }
  if (!in.next_is("+-")) return std::nullopt;
  bool west = in.take() == '-';
  int hours = in.number(2, 2);
  int minutes = 0;
  if (in.next_is(":")) {
    in.take();
    minutes = in.number(2, 2);
  } else if (in.next_is("0123456789")) {
    minutes = in.number(2, 2);
  }
  if (hours > 15 || minutes > 59) in.expect("");  // fails: no zone is that far away
  int distance = hours * 60 + minutes;
  return west ? -distance : distance;
}

}  // namespace

Result<TimeZone> TimeZone::find(const std::string& name) {
  TimeZone zone;
  zone.name_ = name;
  if (name == "UTC") return zone;
  try {
    zone.zone_ = date::locate_zone(name);
  } catch (const std::runtime_error&) {
    return fail(Code::invalid, "'{}' is no time zone of the IANA database; one is Europe/London",
                name);
  }
  return zone;
}

Result<UtcMicros> TimeZone::to_utc(std::int64_t wall_micros) const {
  if (zone_ == nullptr) return UtcMicros{wall_micros};
  const auto& zone = *static_cast<const date::time_zone*>(zone_);
  date::local_time<microseconds> wall{microseconds{wall_micros}};
  date::local_info info = zone.get_info(date::floor<std::chrono::seconds>(wall));
  if (info.result == date::local_info::nonexistent)
    return fail(Code::invalid, "a time that the clocks of {} skipped", name_);
  return UtcMicros{wall_micros - microseconds(info.first.offset).count()};
}

Result<UtcMicros> parse_invoice_date(std::string_view text, const TimeZone& shop) {
  bool iso = text.size() > 4 && text[4] == '-';
  Scanner in(text);
  WallClock wall = iso ? scan_iso(in) : scan_american(in);
  std::optional<int> zone_minutes = iso ? scan_zone(in) : std::nullopt;
  if (!in.finished()) return not_a_date();
  std::optional<std::int64_t> micros = micros_of(wall);
  if (!micros) return not_a_date();
  Result<UtcMicros> instant = zone_minutes
                                  ? UtcMicros{*micros - *zone_minutes * std::int64_t{60'000'000}}
                                  : shop.to_utc(*micros);
  if (instant && !has_four_digit_year(*instant)) return not_a_date();
  return instant;
}

std::string wall_clock_text(UtcMicros time) {
  std::string text = to_string(time);  // ...:00.000000Z
  text.pop_back();                     // the zone
  if (time.value % 1'000'000 == 0) text.resize(text.size() - 7);
  return text;
}

}  // namespace tillrace
