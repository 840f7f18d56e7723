#include "base/nearest.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace tillrace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::optional<std::string_view> nearest(std::string_view name,
                                        std::span<const std::string_view> candidates) {
  std::optional<std::string_view> best;
  std::size_t fewest = 0;
  for (std::string_view candidate : candidates) {
    std::size_t steps = edit_distance(name, candidate);
    if (steps > std::max<std::size_t>(2, candidate.size() / 3)) continue;
    if (!best || steps < fewest) {
      best = candidate;
      fewest = steps;
    }
  }
  return best;
}

}  // namespace tillrace
