// Randomness as a port: one seed, one run.
#pragma once
#include <cstdint>
#include <mutex>
#include <span>

namespace tillrace {

// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> bytes) = 0;
};

// The kernel's generator (getrandom(2)), read in blocks; fit for identities and secrets.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> bytes) override;

 private:
  std::mutex mutex_;
  std::uint8_t block_[256] = {};
  std::size_t used_ = sizeof block_;
};

// The same seed gives the same bytes on every machine (SplitMix64: Steele, Lea, Flood, OOPSLA
// 2014). For tests and generated data, never for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> bytes) override;
  std::uint64_t next();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit();

 private:
  std::mutex mutex_;
  std::uint64_t state_;
};

}  // namespace tillrace
