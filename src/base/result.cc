#include "base/result.h"

namespace tillrace {

std::string_view name(Code code) {
  switch (code) {
    case Code::invalid: return "invalid";
    case Code::not_found: return "not_found";
    case Code::conflict: return "conflict";
    case Code::exhausted: return "exhausted";
    case Code::unavailable: return "unavailable";
    case Code::corrupt: return "corrupt";
    case Code::shutting_down: return "shutting_down";
  }
  return "unknown";
}

}  // namespace tillrace
