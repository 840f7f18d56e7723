// Times as HTTP writes them (RFC 9110, section 5.6.7): Sun, 06 Nov 1994 08:49:37 GMT.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tillrace::lake {

std::string http_date(UtcMicros time);
// nullopt for anything else, the obsolete forms too.
std::optional<UtcMicros> parse_http_date(std::string_view text);

}  // namespace tillrace::lake
