// PostgreSQL's binary COPY format, as far as batches need it.
// Source: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"; the types' send
// functions in src/backend/utils/adt (numeric.c, timestamp.c).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/event_id.h"
#include "model/money.h"

namespace tillrace::warehouse {

// Appends rows to a buffer. Begin with header(), end with trailer(); each row is row(number of
// fields) and its fields. Not thread-safe.
class CopyEncoder {
 public:
  explicit CopyEncoder(std::string& out) : out_(out) {}

  void header();
  void trailer();
  void row(std::int16_t fields);

  void null();
  void int4(std::int32_t value);
  void int8(std::int64_t value);
  void text(std::string_view value);  // text and bytea
  void uuid(const EventId& value);
  void timestamptz(UtcMicros value);
  // Shown with two decimals, or as many as it needs.
  void numeric(Price value);
  void text_or_null(const std::optional<std::string>& value);
  void int4_or_null(std::optional<std::int32_t> value);

 private:
  template <class Integer>
  void big_endian(Integer value);

  std::string& out_;
};

}  // namespace tillrace::warehouse
