// Sends requests to the Blob service until they are answered, within a time.
#pragma once
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/random.h"
#include "http/client.h"
#include "lake/azure_request.h"
#include "lake/credential.h"
#include "lake/uri.h"

namespace tillrace::lake {

struct AzureRetryOptions {
  int total_ms = 60'000;         // for one request: all tries and the pauses between them
  int try_ms = 20'000;           // for one try, from connecting to the answer's last byte
  int first_pause_ms = 200;      // doubled from try to try; a random half of it is taken off
  int longest_pause_ms = 5'000;  // unless Retry-After asks for more
  // Once stop is requested there are no more tries, and the one under way is broken off within a
  // second or so.
  std::stop_token stop = {};
};

// Thread-safe: each call under way has connections of its own, which are kept for later calls.
//
// Tried again are 408, 429, 500, 502, 503, 504, connections that fail or are cut, tries without an
// answer in time, and tokens that cannot be had just now; after a pause, at least as long as
// Retry-After says. 401 is tried once more at once with another token. So a request that is not
// answered may have been carried out, and one that is answered may have been carried out by an
// earlier try.
class AzureClient {
 public:
  // All references outlive the client.
  AzureClient(Endpoint endpoint, std::unique_ptr<Credential> credential, AzureRetryOptions options,
              Clock& clock, Random& random, Metrics& metrics);

  // The first answer that is not to be tried again. unavailable, "{doing}: {why}", when there was
  // none: it may have been carried out.
  Result<http::Response> send(const AzureRequest& request, std::string_view doing);

 private:
  using Nanos = std::chrono::nanoseconds;
  struct Try;

  Try try_once(const AzureRequest& request, Nanos left, bool may_renew);
  Result<http::Response> exchange(const AzureRequest& request, Nanos left);
  Nanos pause_after(const Try& failed, int tries);
  void pause(Nanos duration);

  const Endpoint endpoint_;
  const std::unique_ptr<Credential> credential_;
  const AzureRetryOptions options_;
  Clock& clock_;
  Random& random_;
  Counter answered_;
  Counter retried_;
  Counter failed_;
  Mutex mutex_;
  std::vector<http::Client> idle_ GUARDED_BY(mutex_);
};

// What an answer says of itself: "status 503 ServerBusy, x-ms-request-id 1-2-3".
std::string describe(const http::Response& answer);
// Its x-ms-error-code, or that of its body; empty when it has none.
std::string error_code(const http::Response& answer);
// The pause that an answer asks for: x-ms-retry-after-ms, or Retry-After in seconds or as a date;
// 0 when it asks for none.
std::chrono::milliseconds asked_pause(const http::Response& answer, UtcMicros now);

}  // namespace tillrace::lake
