// The log line of a request. No header field, body, query, key or token goes into it.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/logging.h"
#include "http/message.h"

namespace tillrace::http {

// What is told of a request. Kept from its head on, as the request itself is moved to its handler;
// the strings' memory is used again.
struct RequestFacts {
  std::string id;
  std::string path;    // its first 128 bytes
  std::string client;  // the same
  Method method = Method::other;
  std::chrono::nanoseconds begun{0};
  bool known = false;  // that there was a head to read the above from

  void note(const Request& request, std::chrono::nanoseconds now);
  void clear();
};

// Up to 128 bytes of `text`: printable ASCII as it is; %, =, quotes, backslash and every other byte
// as %XX.
std::string loggable(std::string_view text);

// 5xx are warnings, other refusals (400 and above) are information, the rest is for debugging. Of
// refusals, 20 a second have a line of their own; how many more there were is told once a second.
// Not thread-safe; each worker has its own.
class RequestLog {
 public:
  using Nanos = std::chrono::nanoseconds;

  enum class Outcome { answered, broken_off, client_gone };

  // `body_bytes` came from the client. What is not answered whole counts as a refusal.
  void write(Outcome outcome, const RequestFacts& facts, int status, std::uint64_t body_bytes,
             Nanos now);
  // Called now and then, so that the number left out is told in time.
  void tick(Nanos now);

 private:
  bool admit_refusal(logging::Level level, Nanos now);

  Nanos second_began_{0};
  int written_ = 0;  // in this second
  std::int64_t left_out_ = 0;
  logging::Level left_out_level_ = logging::Level::info;  // the gravest of them
};

}  // namespace tillrace::http
