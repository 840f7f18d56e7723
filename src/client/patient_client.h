// Sends a request until there is an answer that will not change by itself.
#pragma once
#include <chrono>
#include <functional>
#include <stop_token>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "http/client.h"

namespace tillrace::client {

struct Patience {
  // Doubled from try to try, each time cut by a random part of up to a half.
  int first_backoff_ms = 200;
  int most_backoff_ms = 10'000;
  int retry_for_s = 300;  // from a request's first failure to giving up
};

struct TryCallbacks {
  std::function<void()> begins = [] {};
  std::function<void(std::string_view why)> failed = [](std::string_view) {};  // and is tried again
};

// Connection losses, timeouts, 408, 429 and 500, 502, 503, 504 are tried again, after Retry-After
// where the server says so: only for requests that may be sent twice. Not thread-safe. What it
// borrows outlives it.
class PatientClient {
 public:
  PatientClient(Patience patience, const http::ClientOptions& http, Clock& clock, Random& random)
      : patience_(patience), clock_(clock), random_(random), client_(http) {}

  // unavailable: gave up, and it may have taken effect. shutting_down: stopped between two tries.
  // Otherwise as http::Client::send().
  Result<http::Response> send(const http::Call& call, const std::stop_token& stop,
                              const TryCallbacks& callbacks = {});

 private:
  bool wait_before_retry(const http::Response* answer, int tries,
                         std::chrono::nanoseconds give_up_at, const std::stop_token& stop);

  Patience patience_;
  Clock& clock_;
  Random& random_;
  http::Client client_;
};

}  // namespace tillrace::client
