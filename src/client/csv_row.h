// What the cells of a shop's CSV mean: which column is which field, and a row as a Transaction.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/fields.h"

namespace tillrace::client {

// How 3/12/2010 is read: the 12th of March (mdy), or the 3rd of December (dmy).
enum class DateOrder { mdy, dmy };
Result<DateOrder> parse_date_order(std::string_view text);

// Where each field stands in a row. Names are compared without case and blanks; both the names of
// the event's fields and those of "Online Retail II" (Invoice, Price) are known.
class Columns {
 public:
  // invalid, naming the columns, when one that an event needs is missing or there twice. A column
  // LineNo may be there (the file of rejected rows has one); others are ignored().
  static Result<Columns> from_header(const std::vector<std::string_view>& header);

  std::size_t count() const { return count_; }
  // The field's cell; nothing when the file has no such column, or the row ends before it.
  std::optional<std::string_view> cell(const std::vector<std::string_view>& row,
                                       std::size_t field) const;
  bool has_line_no() const;
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  std::size_t count_ = 0;
  std::array<std::optional<std::size_t>, kFieldCount> places_;
  std::vector<std::string> ignored_;
};

// `cell` as UTF-8. Exports come as UTF-8 or as Windows-1252 (of which ISO-8859-1 is, printable
// characters only, a part), and a stream cannot be read twice to find out which. So each cell is
// judged by itself: what is valid UTF-8 is taken as that, since other text with bytes above 0x7f
// almost never is; the rest is decoded as Windows-1252 into `scratch`. The five bytes that
// Windows-1252 leaves open become the control characters of the same number, as browsers do (WHATWG
// Encoding).
std::string_view to_utf8(std::string_view cell, std::string& scratch);

// Reads rows into lines. Not thread-safe.
class RowReader {
 public:
  RowReader(Columns columns, DateOrder dates) : columns_(std::move(columns)), dates_(dates) {}

  // Reads all fields; nothing when the row is right, else the first thing that is wrong with it.
  // LineNo is read where the file has it. `line` is reused from row to row.
  std::optional<FieldError> read(const std::vector<std::string_view>& row, Transaction& line);
  // The invoice's number, when there is a valid one at its place: also in rows that read() refuses.
  std::optional<std::string> invoice_no(const std::vector<std::string_view>& row);
  // Whether the date of the row read last named its zone; then invoiced_at is not a shop's wall
  // clock time.
  bool date_had_zone() const { return date_had_zone_; }

 private:
  std::optional<FieldError> read_cell(std::size_t field, std::string_view cell, Transaction& line);
  std::optional<FieldError> read_date(const Field& field, std::string_view cell, Transaction& line);

  Columns columns_;
  DateOrder dates_;
  TimeZone utc_;
  std::string scratch_;
  bool date_had_zone_ = false;
};

}  // namespace tillrace::client
