// post: events of a file, sent to a gateway so that each is stored once.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "client/progress.h"
#include "http/client.h"

namespace tillrace::client {

struct PostOptions {
  std::filesystem::path input;   // NDJSON or a JSON array; empty or "-": standard input
  std::string url;               // without a path, /v1/transactions is meant
  bool each = false;             // one event a request, as a single object
  std::uint64_t rate_per_s = 0;  // events a second, of all connections together; 0: no limit
  // Connections at a time; unset: 4, or 1 with `each`. With more than 1, requests overtake each
  // other: of two versions of the same line in one file, either may be the last.
  std::optional<int> concurrency;
  std::size_t batch = 1000;                            // events a request, at most
  std::size_t max_batch_bytes = std::size_t{4} << 20;  // a longer single event is refused
  std::filesystem::path refused;  // empty: FILE.refused.ndjson beside FILE.ndjson
  http::ClientOptions http = {};  // keys, and whom to trust
  int connect_timeout_ms = 2'000;
  int request_timeout_ms = 30'000;
  int first_backoff_ms =
      200;  // doubles from try to try, each time cut by a random part of up to a half
  int most_backoff_ms = 10'000;
  int retry_for_s = 300;  // from a request's first failure to giving up
  std::uint64_t most_named_refusals = 20;
};

struct PostSummary {
  std::uint64_t read = 0;      // events in the input, as far as it was read
  std::uint64_t accepted = 0;  // answered 201: durable
  std::uint64_t refused = 0;   // by the server, or no JSON object
  std::uint64_t retried_requests = 0;
  std::uint64_t requests = 0;  // answered or not
  std::uint64_t bytes = 0;     // of the events accepted, as sent
  double seconds = 0;
  double events_per_s = 0;             // accepted
  bool stopped = false;                // the caller asked for it
  std::optional<Error> failure;        // why it ended early, if it did
  std::filesystem::path refused_path;  // empty when nothing was refused
  // read - accepted - refused: not sent, or sent without an answer. Post the file again to be sure
  // of them.
  std::uint64_t open() const { return read - accepted - refused; }
};

// Called from several threads, never two at a time.
struct PostCallbacks {
  std::function<void(std::string_view)> warn = [](std::string_view) {};  // one line for a person
  // With `each`: the answer to each event, in the file's order when concurrency is 1. Retries are
  // not told.
  std::function<void(int)> status = [](int) {};
  OnProgress progress = [](const Progress&) {};  // in bytes of the input
};

// "sales.refused.ndjson" for "sales.ndjson".
std::filesystem::path refused_path_of(const std::filesystem::path& input);
// `url` with /v1/transactions where it names no path. invalid when it is no URL of http or https.
Result<std::string> endpoint_of(const std::string& url);

// Reads on the calling thread; sends on `concurrency` threads named post-0, post-1 ..., each with
// its own kept connection. Memory: (2 x concurrency + 2) x max_batch_bytes, and a JSON array as a
// whole.
//
// Sending an event again is safe, within a run and by posting the file again: every event has an
// identity before it is sent (client/identity.h). So connection losses, timeouts, 408, 429 and 500,
// 502, 503, 504 are tried again, after Retry-After where the server says so, until retry_for_s.
// What the server refuses by index (422) is taken out, written to `refused` as it was sent, and the
// rest is sent again; a batch that is too large (413) is halved. Any other answer ends the run:
// summary.failure.
//
// When `stop` is requested, requests in flight are finished, nothing new is begun, and the summary
// is exact. An error is returned only when nothing was sent: the input cannot be read, the URL is
// wrong.
Result<PostSummary> post(const PostOptions& options, const PostCallbacks& callbacks, Clock& clock,
                         Random& random, std::stop_token stop = {});

}  // namespace tillrace::client
