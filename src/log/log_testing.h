// What the room's tests share. Test code only.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/scratch_for_tests.h"
#include "log/batch_format.h"
#include "log/embedded_log.h"
#include "log/log.h"

namespace tillrace::log {

// The world a log is opened in, with what it counted.
struct World {
  SystemClock clock;
  SeededRandom random{1};
  Metrics metrics;

  std::unique_ptr<Log> open(const EmbeddedLogOptions& options) {
    auto opened = open_embedded_log(options, clock, random, metrics);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }
  // The value in the line of /metrics that starts with `name` and a space.
  double metric(const std::string& name) const {
    std::string text = "\n" + metrics.text();
    std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::strtod(&text[at + name.size() + 2], nullptr);
  }
};

inline EmbeddedLogOptions options_in(const std::filesystem::path& folder,
                                     std::int32_t partitions = 0) {
  EmbeddedLogOptions options;
  options.folder = folder;
  options.topic = "events";
  options.partitions = partitions;
  return options;
}

inline Record record(std::string key, std::string value) {
  Record made{std::move(key), std::move(value), {}, {1'600'000'000'000'000}};
  made.event_id.bytes.fill(static_cast<std::uint8_t>(made.value.size()));
  return made;
}

// All records of a partition, read with the given limits.
inline std::vector<StoredRecord> read_all(Log& log, Partition partition,
                                          const ReadLimits& limits = {}) {
  std::vector<StoredRecord> all;
  for (Offset next = log.first(partition).value();;) {
    auto fetched = log.read(partition, next, limits);
    EXPECT_TRUE(fetched) << (fetched ? "" : fetched.error().message);
    if (!fetched || fetched->records.empty()) return all;
    for (auto& stored : fetched->records) all.push_back(std::move(stored));
    next = fetched->next;
  }
}

// The files of a folder with this extension, by name.
inline std::vector<std::filesystem::path> files_with(const std::filesystem::path& folder,
                                                     const std::string& extension) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == extension) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace tillrace::log
