#include "warehouse/sqlstate.h"

#include <algorithm>
#include <iterator>

namespace tillrace::warehouse {
namespace {

struct Rule {
  std::string_view prefix;
  Code code;
};

// The first prefix that fits.
constexpr Rule kRules[] = {
    {"08P01", Code::invalid},     {"08", Code::unavailable},    {"23505", Code::conflict},
    {"25006", Code::unavailable}, {"25P03", Code::unavailable}, {"3D000", Code::not_found},
    {"40003", Code::unavailable}, {"40", Code::conflict},       {"53", Code::unavailable},
    {"55P03", Code::conflict},    {"57P04", Code::not_found},   {"57", Code::unavailable},
    {"58", Code::unavailable},    {"XX001", Code::corrupt},     {"XX002", Code::corrupt},
    {"XX000", Code::unavailable}, {"TR001", Code::corrupt},     {"TR002", Code::conflict},
};

}  // namespace

Code code_of_sqlstate(std::string_view sqlstate) {
  const Rule* rule = std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& candidate) {
    return sqlstate.starts_with(candidate.prefix);
  });
  return rule == std::end(kRules) ? Code::invalid : rule->code;
}

}  // namespace tillrace::warehouse
