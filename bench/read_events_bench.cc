// From a request's body to records for the log: split, parse, check, identify. Events a second on
// one core, by the thread's own CPU time, so that what else runs falls out.
//
//   read_events       about 10 seconds
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "gateway/request_events.h"

namespace tillrace {
namespace {

constexpr int kEvents = 1'000;
constexpr int kRounds = 7;
constexpr double kSecondsARound = 0.3;

struct Load {
  const char* name;
  const char* content_type;
  const char* identity;  // how each event ends
};

// About 200 bytes an event, as the real ones.
std::string body_of(const Load& load) {
  SeededRandom random(1);
  bool array = load.content_type == std::string_view("application/json");
  std::string body = array ? "[" : "";
  for (int i = 0; i < kEvents; ++i) {
    if (i > 0) body += array ? "," : "\n";
    body += fmt::format(
        R"({{"InvoiceNo":"{}","StockCode":"{}","Description":"WHITE HANGING HEART T-LIGHT",)"
        R"("Quantity":{},"InvoiceDate":"2010-12-01 08:26:00","UnitPrice":{}.{},"CustomerID":"{}",)"
        R"("Country":"United Kingdom")",
        536'365 + random.below(25'000), 10'000 + random.below(80'000), 1 + random.below(50),
        random.below(20), 10 + random.below(90), 12'346 + random.below(6000));
    body += fmt::format(fmt::runtime(load.identity), i + 1);
    body += '}';
  }
  return body + (array ? "]" : "\n");
}

double cpu_seconds() {
  timespec time{};
  CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// The best of some rounds: the machine's noise only ever makes one slower.
void measure(const Load& load) {
  SystemClock clock;
  SystemRandom random;
  gateway::EventLimits limits;
  EventParser parser(TimeZone{});
  std::string body = body_of(load);
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    double began = cpu_seconds();
    double seconds = 0;
    int events = 0;
    for (; seconds < kSecondsARound; seconds = cpu_seconds() - began, events += kEvents) {
      auto read = gateway::read_events(load.content_type, body, limits, parser, clock, random);
      CHECK(read && read->records.size() == kEvents);
    }
    best = std::max(best, events / seconds);
  }
  std::printf("%-34s %4zu bytes an event %10.0f events/s %7.1f MB/s\n", load.name,
              body.size() / kEvents, best, best * static_cast<double>(body.size()) / kEvents / 1e6);
}

}  // namespace
}  // namespace tillrace

int main() {
  using tillrace::Load;
  const char* lines = "application/x-ndjson";
  const char* with_line_no = R"(,"LineNo":{})";
  for (const Load& load :
       {Load{"lines with LineNo", lines, with_line_no},
        Load{"an array with LineNo", "application/json", with_line_no},
        Load{"lines with EventId", lines, R"(,"EventId":"018f6b1c-7d2e-7c3a-9b1f-{:012}")"},
        Load{"lines without identity", lines, ""}})
    tillrace::measure(load);
}
