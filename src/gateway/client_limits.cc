#include "gateway/client_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tillrace::gateway {
namespace {

// Whole seconds until a bucket at `level` holds something again.
int seconds_of_debt(double level, std::int64_t rate) {
  double seconds = std::ceil(-level / static_cast<double>(rate));
  return static_cast<int>(std::clamp(seconds, 1.0, 3'600.0));
}

double filled(double level, std::int64_t rate, double seconds, int burst_s) {
  double per_second = static_cast<double>(rate);
  return std::min(level + per_second * seconds, per_second * burst_s);
}

}  // namespace

ClientLimits::Bucket& ClientLimits::bucket_of(std::string_view client) {
  auto now = clock_.monotonic();
  std::string name(client);
  auto found = buckets_.find(name);
  if (found == buckets_.end()) {
    if (buckets_.size() >= options_.max_clients) {
      buckets_.erase(heard_.back());
      heard_.pop_back();
    }
    heard_.push_front(name);
    Bucket full{static_cast<double>(options_.events_per_second) * options_.burst_s,
                static_cast<double>(options_.bytes_per_second) * options_.burst_s, now,
                heard_.begin()};
    return buckets_.emplace(std::move(name), full).first->second;
  }
  Bucket& bucket = found->second;
  heard_.splice(heard_.begin(), heard_, bucket.heard);
  double seconds = std::chrono::duration<double>(now - bucket.filled_at).count();
  bucket.events = filled(bucket.events, options_.events_per_second, seconds, options_.burst_s);
  bucket.bytes = filled(bucket.bytes, options_.bytes_per_second, seconds, options_.burst_s);
  bucket.filled_at = now;
  return bucket;
}

std::optional<ClientLimits::Refusal> ClientLimits::check(std::string_view client) {
  if (!is_on()) return std::nullopt;
  MutexLock lock(mutex_);
  const Bucket& bucket = bucket_of(client);
  if (options_.events_per_second > 0 && bucket.events <= 0)
    return Refusal{fmt::format("its {} events a second", options_.events_per_second),
                   seconds_of_debt(bucket.events, options_.events_per_second)};
  if (options_.bytes_per_second > 0 && bucket.bytes <= 0)
    return Refusal{fmt::format("its {} bytes a second", options_.bytes_per_second),
                   seconds_of_debt(bucket.bytes, options_.bytes_per_second)};
  return std::nullopt;
}

void ClientLimits::charge(std::string_view client, std::size_t events, std::size_t bytes) {
  if (!is_on()) return;
  MutexLock lock(mutex_);
  Bucket& bucket = bucket_of(client);
  bucket.events -= static_cast<double>(events);
  bucket.bytes -= static_cast<double>(bytes);
}

}  // namespace tillrace::gateway
