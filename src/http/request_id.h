// By which name a request is known in the answer, in the logs of both sides and in traces.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"

namespace tillrace::http {

// Makes and chooses ids. Not thread-safe; each worker has its own.
class RequestIds {
 public:
  RequestIds();
  // The trace-id of a valid traceparent (W3C Trace Context, level 1), else a sane X-Request-Id (1
  // to 64 of [A-Za-z0-9._-]), else a fresh one.
  void choose(const Headers& headers, std::string& id);
  // 32 hex digits that no other worker or process makes, as far as chance goes. Unique, not secret.
  void fresh(std::string& id);

 private:
  std::uint64_t high_ = 0;  // random, this object's
  std::uint64_t low_ = 0;   // random at first, then counts on
};

// nullopt unless the whole field is as the standard says.
std::optional<std::string_view> trace_id(std::string_view traceparent);

}  // namespace tillrace::http
