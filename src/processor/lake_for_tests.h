// A real log and a real lake for the room's tests. Included by *_test.cc alone.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "lake/bronze.h"
#include "lake/delta_for_tests.h"
#include "lake/faulty_store_for_tests.h"
#include "log/log_testing.h"
#include "processor/lake_loop.h"
#include "processor/lake_sink.h"
#include "processor/processor_for_tests.h"

namespace tillrace::processor {

// A process's part: its sink on a store and a log of others. Time stands still unless it waits.
class LakeProcess {
 public:
  LakeProcess(const std::filesystem::path& folder, log::Log& log, lake::Store& store,
              LakeSinkOptions options = {}, std::int32_t partition = 0)
      : options_(std::move(options)) {
    static int made = 0;
    options_.engine = {
        .memory_limit_mb = 256, .threads = 2, .keeps_order = false, .temp_folder = {}};
    options_.spool_folder =
        folder / fmt::format("spool-{}-{}", ::getpid(), __atomic_add_fetch(&made, 1, 0));
    auto opened = LakeSink::open(options_, store, log, clock, random, metrics);
    EXPECT_TRUE(opened) << opened.error().message;
    sink = std::move(*opened);
    kind = sink->kind();
    loop = std::make_unique<LakeLoop>(*sink, Partition{partition});
  }

  Status run(std::chrono::milliseconds patience = std::chrono::milliseconds(0),
             const std::stop_token& stop = {}) {
    return loop->run_once(patience, stop);
  }
  // Until all that the log has is in the lake, whatever fails on the way, as the worker goes on.
  void flush(const log::Log& log, int most_failures = 20) {
    kind.hurry();
    auto end = const_cast<log::Log&>(log).end(Partition{0});
    ASSERT_TRUE(end);
    for (int failures = 0; !loop->mark() || *loop->mark() < *end;) {
      Status done = run();
      if (done) continue;
      ASSERT_LT(++failures, most_failures) << done.error().message;
      kind.hurry();
    }
  }

  FakeClock clock{{1'764'000'000'000'000}};
  SystemRandom random;
  Metrics metrics;
  std::unique_ptr<LakeSink> sink;
  SinkKind kind;
  std::unique_ptr<LakeLoop> loop;

 private:
  LakeSinkOptions options_;
};

// A log and a lake in a folder, and the eyes of a reader who knows nothing of the sink.
class LogToLake : public WithLog {
 protected:
  explicit LogToLake(std::int32_t partitions = 1)
      : WithLog(partitions), reader_(folder_.path()), store_(reader_.store()) {}

  std::unique_ptr<LakeProcess> process(LakeSinkOptions options = {}) {
    return std::make_unique<LakeProcess>(folder_.path(), *log_, store_, std::move(options));
  }
  std::vector<std::string> rows(const char* table, const std::string& columns) {
    auto opened = lake::DeltaTable::open(reader_.ports(), table);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? reader_.rows_of(*opened, columns) : std::vector<std::string>{};
  }
  std::vector<std::string> transactions(const std::string& columns) {
    return rows(lake::kBronzeTransactions, columns);
  }
  std::vector<std::string> rejected(const std::string& columns) {
    return rows(lake::kBronzeRejected, columns);
  }
  std::int64_t version(const char* table = lake::kBronzeTransactions) {
    auto opened = lake::DeltaTable::open(reader_.ports(), table);
    return opened ? opened->snapshot().version() : -1;
  }
  // Every offset below `end` is in one of the tables, once.
  void expect_each_once(std::int64_t end) {
    std::vector<std::string> found = transactions("\"offset\"");
    for (std::string& offset : rejected("\"offset\"")) found.push_back(std::move(offset));
    std::vector<std::string> wanted;
    for (std::int64_t i = 0; i < end; ++i) wanted.push_back(std::to_string(i));
    std::sort(found.begin(), found.end());
    std::sort(wanted.begin(), wanted.end());
    EXPECT_EQ(found, wanted);
  }

  lake::Lake reader_;
  lake::FaultyStore store_;
};

}  // namespace tillrace::processor
