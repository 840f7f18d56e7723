// InvoiceDate: the two written forms, and the shop's time zone for dates that name none.
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace tillrace {

// A zone of the IANA time zone database. Cheap to copy, thread-safe.
class TimeZone {
 public:
  TimeZone() = default;  // UTC
  // invalid when the database has no such zone.
  static Result<TimeZone> find(const std::string& name);
  const std::string& name() const { return name_; }

  // The instant of a wall clock time, given as microseconds since 1970-01-01T00:00 on that clock. A
  // time that occurs twice (clocks set back) is the first of the two; one that never occurred
  // (clocks set forward) is invalid.
  Result<UtcMicros> to_utc(std::int64_t wall_micros) const;

 private:
  std::string name_ = "UTC";
  const void* zone_ = nullptr;  // date::time_zone, whose header stays in the .cc; nullptr is UTC
};

// `YYYY-MM-DD[T ]HH:MM[:SS[.ffffff]]` with an optional zone (Z, +HH, +HHMM, +HH:MM), or `M/D/YYYY
// H:MM`, years 1 to 9999 there and in UTC. Without a zone the time is in `shop`.
Result<UtcMicros> parse_invoice_date(std::string_view text, const TimeZone& shop);

// 2010-12-01T08:26:00, with decimals only where there are some, and no zone: for texts that are
// read in the shop's zone.
std::string wall_clock_text(UtcMicros time);

}  // namespace tillrace
