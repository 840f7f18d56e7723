// A record's bytes for a terminal, whatever they are.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "model/event_json.h"

namespace tillrace::app {

// What is shown of one record, at most.
inline constexpr std::size_t kMostShownBytes = 4096;

// A JSON object: one line a member, those that `why` names marked with '>', with their rule behind;
// another text as it is; other bytes in hexadecimal, with the first that is no UTF-8 marked.
// Control characters are written as \x1b, so nothing steers the terminal. Each line is indented.
std::string bytes_view(std::string_view bytes, const std::optional<Rejection>& why);

}  // namespace tillrace::app
