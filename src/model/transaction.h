// Transaction: one line of one invoice, checked. What the gateway accepts, the processor writes and
// reports count.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/event_id.h"
#include "model/money.h"

namespace tillrace {

// Field rules: model/fields.h. Members are in the order of the fields.
struct Transaction {
  std::string invoice_no;
  std::string stock_code;
  std::optional<std::string> description;
  std::int32_t quantity = 0;
  UtcMicros invoiced_at;
  Price unit_price;
  std::optional<std::string> customer_id;  // absent: a guest
  std::string country;
  std::optional<std::int32_t> line_no;
  std::optional<EventId> event_id;

  bool operator==(const Transaction&) const = default;
};

inline Money amount(const Transaction& line) { return line.quantity * line.unit_price; }

// The identity that the event brings along: the one its client gave, or its line's.
inline std::optional<EventId> own_event_id(const Transaction& line) {
  if (line.event_id || !line.line_no) return line.event_id;
  return derived_event_id(line.invoice_no, *line.line_no);
}

// The first that fits; shop.line_kind in the warehouse.
enum class LineKind { adjustment, returned, write_off, sale };
LineKind kind_of(const Transaction& line);
std::string_view name(LineKind kind);  // "adjustment", "return", "write_off", "sale"

inline bool is_cancellation(const Transaction& line) { return line.invoice_no.starts_with('C'); }

}  // namespace tillrace
