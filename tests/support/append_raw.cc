// Puts records into the embedded log of a data folder as they are, past the gateway's checks: what
// another client of a Kafka topic could put there.
//
//   append_raw DATA_FOLDER < records
//
// A record a line: its key, a blank, its value in Base64. Nobody else may run on the folder.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "base/base64.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/metrics.h"
#include "base/random.h"
#include "log/embedded_log.h"

namespace tillrace {
namespace {

constexpr std::size_t kBatch = 1'000;

Status append_all(log::Log& log, Clock& clock, Random& random) {
  std::vector<Record> batch;
  std::string line;
  bool more = true;
  while (more) {
    more = static_cast<bool>(std::getline(std::cin, line));
    if (more) {
      std::size_t blank = std::min(line.find(' '), line.size());
      auto value = base64_decode(line.substr(std::min(blank + 1, line.size())));
      if (!value) return fail(Code::invalid, "'{}' is no KEY BASE64", line);
      batch.push_back({line.substr(0, blank), *value, fresh_event_id(clock, random), clock.now()});
    }
    if (batch.empty() || (more && batch.size() < kBatch)) continue;
    auto appended = log.append_and_wait(std::exchange(batch, {}));
    if (!appended) return fail(appended.error());
  }
  return {};
}

Status run(const std::string& data_folder) {
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  if (Status made = make_folders(data_folder); !made) return made;
  log::EmbeddedLogOptions options;
  options.folder = data_folder + "/log";
  options.topic = "ingestion-topic";
  auto log = log::open_embedded_log(options, clock, random, metrics);
  if (!log) return fail(log.error());
  return append_all(**log, clock, random);
}

}  // namespace
}  // namespace tillrace

int main(int count, char** arguments) {
  if (count != 2) {
    fmt::print(stderr, "append_raw DATA_FOLDER < records\n");
    return 2;
  }
  tillrace::Status done = tillrace::run(arguments[1]);
  if (!done) fmt::print(stderr, "append_raw: {}\n", done.error().message);
  return done ? 0 : 1;
}
