// What the log reports of itself.
#pragma once
#include <map>
#include <string>

#include "base/metrics.h"
#include "base/result.h"

namespace tillrace::log {

struct LogMetrics {
  explicit LogMetrics(Metrics& metrics);

  Counter appended_records;
  Counter appended_bytes;
  Histogram sync_seconds;
  Gauge waiting_bytes;
  // One per batch that was not acknowledged.
  Counter& failed(Code code) { return failed_.at(code); }

 private:
  std::map<Code, Counter> failed_;
};

}  // namespace tillrace::log
