// The lake is kept tidy beside the flow of events: small files become large ones, and files that no
// version needs any more go.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "app/lake_choice.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "lake/delta_table.h"
#include "lake/lake_ports.h"

namespace tillrace::app {

struct LakeKeeperOptions {
  std::chrono::milliseconds compact_interval = std::chrono::hours(1);  // 0: never
  std::chrono::milliseconds vacuum_interval = std::chrono::hours(24);  // 0: never
  int vacuum_retain_h = 168;  // or as long as a table itself says, where that is longer
  std::uint64_t target_bytes = 128ULL << 20;  // of a file that compaction makes
};

// Owns the thread "lake-keeper". It begins with both when the shorter interval has passed, so a
// process that is started again and again does not do it each time, and one that is started every
// day still does it. Tables come one after the other, so none is worked on twice at once; the lake
// is open only meanwhile, with an engine of its own. Other processes, and the sinks of this one,
// may write: what they do first stands, and what the keeper made of it is dropped and made anew
// later. A table that fails is told in the log and by metrics, and the others follow; one that is
// beyond the profile of the lake's tables is let alone, and told once.
//
// What it borrows outlives it. The destructor breaks off what is under way, which does no harm.
class LakeKeeper {
 public:
  using Open = std::function<Result<std::unique_ptr<OpenLake>>(const std::stop_token& stop)>;

  LakeKeeper(const LakeKeeperOptions& options, Open open, Clock& clock, Metrics& metrics);
  ~LakeKeeper();
  LakeKeeper(const LakeKeeper&) = delete;
  LakeKeeper& operator=(const LakeKeeper&) = delete;

 private:
  struct Work {
    bool compact = false;
    bool vacuum = false;
  };

  void run(const std::stop_token& stop);
  Status keep_all(Work work, const std::stop_token& stop);
  void keep(const lake::LakePorts& ports, const std::string& path, Work work,
            const std::stop_token& stop);
  Status compact_table(lake::DeltaTable& table, const std::stop_token& stop);
  Status vacuum_table(lake::DeltaTable& table, const std::stop_token& stop);
  void pass_over(const std::string& path, const Error& error);
  void failed(const Error& error);
  void wait(const std::stop_token& stop, std::chrono::nanoseconds until);

  const LakeKeeperOptions options_;
  const Open open_;
  Clock& clock_;
  Counter compacted_;
  Counter conflicts_;
  Counter deleted_;
  Counter deleted_bytes_;
  Metrics& metrics_;
  std::set<std::string> passed_over_;  // the thread's alone

  Mutex mutex_;
  std::condition_variable changed_;
  lake::DuckSession* working_ GUARDED_BY(mutex_) = nullptr;  // to be interrupted
  bool is_over_ GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace tillrace::app
