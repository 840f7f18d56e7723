#include "app/lake_keeper.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/logging.h"
#include "base/thread.h"
#include "lake/delta_compaction.h"
#include "lake/delta_inspect.h"
#include "lake/delta_table.h"
#include "lake/delta_vacuum.h"

namespace tillrace::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// An interruption that comes between two statements stops neither, so it is said again.
constexpr milliseconds kInterruptAgain{10};
// Clocks of tests stand still; the thread looks at its own this often.
constexpr milliseconds kLookAgain{200};
// A file that grows by a little each interval is not rewritten each time.
constexpr std::uint64_t kLeastGrowthPercent = 50;

}  // namespace

LakeKeeper::LakeKeeper(const LakeKeeperOptions& options, Open open, Clock& clock, Metrics& metrics)
    : options_(options),
      open_(std::move(open)),
      clock_(clock),
      compacted_(metrics.counter("tillrace_lake_compacted_files_total",
                                 "Files of the lake that compaction has replaced")),
      conflicts_(metrics.counter("tillrace_lake_compaction_conflicts_total",
                                 "Groups of files that another process was faster with")),
      deleted_(
          metrics.counter("tillrace_lake_vacuumed_files_total", "Files that vacuum has deleted")),
      deleted_bytes_(metrics.counter("tillrace_lake_vacuumed_bytes_total",
                                     "Bytes of files that vacuum has deleted")),
      metrics_(metrics) {
  thread_ = named_thread("lake-keeper", [this](const std::stop_token& stop) {
    put_this_thread_behind();
    run(stop);
    MutexLock lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  });
}

LakeKeeper::~LakeKeeper() {
  thread_.request_stop();
  MutexLock lock(mutex_);
  while (!is_over_) {
    if (working_ != nullptr) working_->interrupt();
    changed_.notify_all();
    lock.wait_until(changed_, std::chrono::steady_clock::now() + kInterruptAgain);
  }
}

void LakeKeeper::run(const std::stop_token& stop) {
  const milliseconds compact = options_.compact_interval;
  const milliseconds vacuum = options_.vacuum_interval;
  if (compact.count() == 0 && vacuum.count() == 0) return;
  const milliseconds turn = compact.count() == 0  ? vacuum
                            : vacuum.count() == 0 ? compact
                                                  : std::min(compact, vacuum);
  auto compact_due = clock_.monotonic() + turn;
  auto vacuum_due = compact_due;
  while (true) {
    wait(stop, std::min(compact.count() > 0 ? compact_due : vacuum_due,
                        vacuum.count() > 0 ? vacuum_due : compact_due));
    if (stop.stop_requested()) return;
    auto now = clock_.monotonic();
    Work work{compact.count() > 0 && now >= compact_due, vacuum.count() > 0 && now >= vacuum_due};
    Status done = keep_all(work, stop);
    if (!done && !stop.stop_requested()) failed(done.error());
    if (work.compact) compact_due = clock_.monotonic() + compact;
    if (work.vacuum) vacuum_due = clock_.monotonic() + vacuum;
  }
}

Status LakeKeeper::keep_all(Work work, const std::stop_token& stop) {
  auto open = open_(stop);
  if (!open) return fail(open.error());
  auto ports = (*open)->ports();
  {
    MutexLock lock(mutex_);
    working_ = &ports.duck;
  }
  Status all;
  if (auto tables = lake::list_tables(ports.store); !tables) {
    all = fail(tables.error());
  } else {
    for (const auto& path : *tables) {
      if (stop.stop_requested()) break;
      keep(ports, path, work, stop);
    }
  }
  MutexLock lock(mutex_);
  working_ = nullptr;
  return all;
}

void LakeKeeper::keep(const lake::LakePorts& ports, const std::string& path, Work work,
                      const std::stop_token& stop) {
  auto note = [&](const Status& done) {
    if (!done && !stop.stop_requested())
      failed({done.error().code, path + ": " + done.error().message});
  };
  auto table = lake::DeltaTable::open(ports, path);
  Status may = table ? table->check_upkeep() : fail(table.error());
  if (!may && may.error().code == Code::invalid) return pass_over(path, may.error());
  if (!may) return note(may);
  passed_over_.erase(path);
  if (work.compact) note(compact_table(*table, stop));
  if (work.vacuum && !stop.stop_requested()) note(vacuum_table(*table, stop));
}

Status LakeKeeper::compact_table(lake::DeltaTable& table, const std::stop_token& stop) {
  lake::CompactionOptions options;
  options.target_bytes = options_.target_bytes;
  options.least_growth_percent = kLeastGrowthPercent;
  options.stop = stop;
  lake::CompactionReport report;
  Status done = lake::compact(table, options, report);
  compacted_.add(static_cast<double>(report.files_before));
  conflicts_.add(static_cast<double>(report.conflicts));
  if (report.files_before > 0)
    logging::info("{}: {} files became {}, {} bytes {}", table.path(), report.files_before,
                  report.files_after, report.bytes_before, report.bytes_after);
  return done;
}

Status LakeKeeper::vacuum_table(lake::DeltaTable& table, const std::stop_token& stop) {
  lake::VacuumOptions options;
  options.least = std::chrono::hours(options_.vacuum_retain_h);
  options.stop = stop;
  lake::VacuumReport report;
  Status done = lake::vacuum(table, options, report);
  deleted_.add(static_cast<double>(report.files.size()));
  deleted_bytes_.add(static_cast<double>(report.bytes));
  if (!report.files.empty())
    logging::info("{}: {} files, {} bytes, that no version needs any more were deleted",
                  table.path(), report.files.size(), report.bytes);
  return done;
}

void LakeKeeper::pass_over(const std::string& path, const Error& error) {
  if (passed_over_.insert(path).second)
    logging::info("{} is neither compacted nor vacuumed: {}", path, error.message);
}

void LakeKeeper::failed(const Error& error) {
  metrics_
      .counter("tillrace_lake_upkeep_failed_total",
               "Times that the lake or a table could not be kept tidy, by code",
               {{"code", std::string(name(error.code))}})
      .add();
  if (error.code == Code::corrupt)
    logging::error("the lake is not kept tidy: {}", error.message);
  else
    logging::warning("the lake is not kept tidy: {}", error.message);
}

void LakeKeeper::wait(const std::stop_token& stop, nanoseconds until) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested() && clock_.monotonic() < until) {
    auto rest = std::min<nanoseconds>(until - clock_.monotonic(), kLookAgain);
    lock.wait_until(changed_, std::chrono::steady_clock::now() + rest);
  }
}

}  // namespace tillrace::app
