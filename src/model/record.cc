#include "model/record.h"

#include "base/check.h"

namespace tillrace {
namespace {

std::uint32_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

std::uint32_t murmur2(std::string_view key) {
  constexpr std::uint32_t kMultiplier = 0x5bd1e995;
  constexpr int kShift = 24;
  auto hash = 0x9747b28cu ^ static_cast<std::uint32_t>(key.size());
  std::size_t at = 0;
  for (; at + 4 <= key.size(); at += 4) {
    std::uint32_t word = byte_at(key, at) | byte_at(key, at + 1) << 8 | byte_at(key, at + 2) << 16 |
                         byte_at(key, at + 3) << 24;
    word *= kMultiplier;
    word ^= word >> kShift;
    word *= kMultiplier;
    hash = hash * kMultiplier ^ word;
  }
  for (std::size_t rest = key.size() - at; rest > 0; --rest) {
    hash ^= byte_at(key, at + rest - 1) << (8 * (rest - 1));
    if (rest == 1) hash *= kMultiplier;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  return hash ^ hash >> 15;
}

}  // namespace

Partition partition_of(std::string_view key, std::int32_t partitions) {
  CHECK(partitions > 0);
  return {static_cast<std::int32_t>(murmur2(key) & 0x7fffffff) % partitions};
}

}  // namespace tillrace
