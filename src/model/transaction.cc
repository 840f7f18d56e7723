#include "model/transaction.h"

namespace tillrace {

LineKind kind_of(const Transaction& line) {
  if (line.invoice_no.starts_with('A')) return LineKind::adjustment;
  if (line.quantity >= 0) return LineKind::sale;
  return is_cancellation(line) ? LineKind::returned : LineKind::write_off;
}

std::string_view name(LineKind kind) {
  switch (kind) {
    case LineKind::adjustment: return "adjustment";
    case LineKind::returned: return "return";
    case LineKind::write_off: return "write_off";
    case LineKind::sale: break;
  }
  return "sale";
}

}  // namespace tillrace
