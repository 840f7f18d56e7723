#include "base/random.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace tillrace {

void SystemRandom::fill(std::span<std::uint8_t> bytes) {
  CHECK(bytes.size() <= sizeof block_);
  std::lock_guard lock(mutex_);
  if (sizeof block_ - used_ < bytes.size()) {
    // Up to 256 bytes it never returns short: getrandom(2).
    CHECK(::getrandom(block_, sizeof block_, 0) == sizeof block_);
    used_ = 0;
  }
  std::memcpy(bytes.data(), block_ + used_, bytes.size());
  used_ += bytes.size();
}

std::uint64_t SeededRandom::next() {
  std::lock_guard lock(mutex_);
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void SeededRandom::fill(std::span<std::uint8_t> bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = next();
    std::memcpy(bytes.data() + i, &word, std::min<std::size_t>(8, bytes.size() - i));
  }
}

std::uint64_t SeededRandom::below(std::uint64_t bound) {
  CHECK(bound > 0);
  // Beyond this limit, the low numbers would come too often.
  std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = next();
  while (value >= limit) value = next();
  return value % bound;
}

double SeededRandom::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

}  // namespace tillrace
