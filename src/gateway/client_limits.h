// How much each client may send: a bucket of events and one of bytes, filled at a steady rate.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"

namespace tillrace::gateway {

struct ClientLimitOptions {
  std::int64_t events_per_second = 0;  // 0: no limit
  std::int64_t bytes_per_second = 0;   // 0: no limit; of bodies, decoded
  int burst_s = 2;                     // a client that was quiet may send this much at once
  std::size_t max_clients = 10'000;    // the one heard of longest ago is forgotten first
};

// A request is let in while its client's buckets hold anything, and takes out what it turns out to
// hold, also below zero: who sent much waits until the debt is paid. So a request of any size gets
// through, and the rate holds in the long run. Thread-safe.
class ClientLimits {
 public:
  ClientLimits(ClientLimitOptions options, Clock& clock) : options_(options), clock_(clock) {}

  struct Refusal {
    std::string limit;  // "its 500 events a second"
    int retry_after_s = 1;
  };
  // Nothing when the client may send.
  std::optional<Refusal> check(std::string_view client);
  void charge(std::string_view client, std::size_t events, std::size_t bytes);

  bool is_on() const { return options_.events_per_second > 0 || options_.bytes_per_second > 0; }

 private:
  struct Bucket {
    double events = 0;
    double bytes = 0;
    std::chrono::nanoseconds filled_at{0};
    std::list<std::string>::iterator heard;
  };
  Bucket& bucket_of(std::string_view client) REQUIRES(mutex_);

  const ClientLimitOptions options_;
  Clock& clock_;
  Mutex mutex_;
  std::list<std::string> heard_ GUARDED_BY(mutex_);  // who was heard of last stands in front
  std::unordered_map<std::string, Bucket> buckets_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::gateway
