// Transaction: one line of one invoice, checked. What the gateway accepts, the processor writes and
// reports count.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

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

inline bool is_cancellation(const Transaction& line) { return line.invoice_no.starts_with('C'); }

}  // namespace tillrace
