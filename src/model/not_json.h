// What a text is that should be a JSON object and is none, for whoever has to repair it.
#pragma once
#include <string>
#include <string_view>

namespace tillrace {

// "nothing", "an array", "bytes that are not UTF-8, the first at byte 17" ...; bytes count from 1.
// For texts that EventParser refused as malformed; of others it says that they are broken.
std::string described_malformed(std::string_view text, int most_depth);

}  // namespace tillrace
