// Draws by weight, in whole numbers only: floating point differs in its last digit from machine to
// machine, and one seed must be one text everywhere.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace tillrace::client {

class Weighted {
 public:
  // At least one weight above 0; their sum fits 64 bits.
  explicit Weighted(const std::vector<std::uint64_t>& weights) {
    std::uint64_t sum = 0;
    for (std::uint64_t weight : weights) sums_.push_back(sum += weight);
  }

  std::uint64_t total() const { return sums_.back(); }
  // The index whose share of [0, total()) holds `place`.
  std::size_t at(std::uint64_t place) const {
    return static_cast<std::size_t>(std::upper_bound(sums_.begin(), sums_.end(), place) -
                                    sums_.begin());
  }
  // Where the share of `index` begins.
  std::uint64_t begin_of(std::size_t index) const { return index == 0 ? 0 : sums_[index - 1]; }
  std::size_t draw(SeededRandom& random) const { return at(random.below(total())); }

 private:
  std::vector<std::uint64_t> sums_;
};

}  // namespace tillrace::client
