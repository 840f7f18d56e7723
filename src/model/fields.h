// The one list of the event's fields: their names, columns and rules. The JSON, CSV and COPY
// mappings all come from it.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/invoice_date.h"
#include "model/transaction.h"

namespace tillrace {

// A field's value as a decoder found it.
struct Token {
  enum class Kind { text, number, null, boolean, object, array };
  Kind kind = Kind::null;
  std::string_view text;  // a text's characters, unescaped; a number's digits as written
};

// Reads `token` into the line; false when it breaks the field's rule.
using FieldReader = bool (*)(const Token& token, const TimeZone& shop, Transaction& line);

struct Field {
  std::string_view name;    // in JSON and CSV
  std::string_view column;  // in PostgreSQL and Parquet
  bool required;            // null or absence breaks the rule
  std::string_view rule;    // what would be right, for the sender
  FieldReader read;
};

inline constexpr std::size_t kFieldCount = 10;
const std::array<Field, kFieldCount>& fields();
// The place of `name` in fields(), or nothing.
std::optional<std::size_t> field_index(std::string_view name);

// What is wrong with one field, or with the whole (empty field).
struct FieldError {
  std::string_view field;
  std::string_view rule;
  std::string got;  // the value, shortened
};

// Reads one field; nothing when it is right.
std::optional<FieldError> read_field(const Field& field, const Token& token, const TimeZone& shop,
                                     Transaction& line);

// Calls visit(name, value) for each field in order; values have the types of Transaction's members.
template <class Visit>
void for_each_field(const Transaction& line, Visit&& visit) {
  const auto& list = fields();
  visit(list[0].name, line.invoice_no);
  visit(list[1].name, line.stock_code);
  visit(list[2].name, line.description);
  visit(list[3].name, line.quantity);
  visit(list[4].name, line.invoiced_at);
  visit(list[5].name, line.unit_price);
  visit(list[6].name, line.customer_id);
  visit(list[7].name, line.country);
  visit(list[8].name, line.line_no);
  visit(list[9].name, line.event_id);
}

}  // namespace tillrace
