// "Did you mean ...?": the known name that is most like a mistyped one.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace tillrace {

// Levenshtein's distance: the fewest letters to insert, delete or replace.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate with the smallest distance, if it is at most 2 or a third of its length; the first
// of several.
std::optional<std::string_view> nearest(std::string_view name,
                                        std::span<const std::string_view> candidates);

}  // namespace tillrace
