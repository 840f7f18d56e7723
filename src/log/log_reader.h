// Reads a topic that another process has open for writing, as `tillrace tail` does.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "log/log.h"
#include "log/topics.h"

namespace tillrace::log {

// Follows the database as RocksDB's secondary instance: it takes no lock, writes nothing, and sees
// what the owner had written at the last refresh(), which may include records whose sync was still
// under way. So it is for eyes and tools; a sink reads through Log. Not thread-safe.
class LogReader {
 public:
  // not_found when there is no such topic; corrupt or unavailable as in Log::read().
  static Result<std::unique_ptr<LogReader>> open(const std::filesystem::path& folder,
                                                 const std::string& topic);
  ~LogReader();

  // Takes over what was appended since. To follow, call it every so often: nothing wakes another
  // process.
  Status refresh();
  // As Log's, as of the last refresh().
  Result<Fetched> read(Partition partition, Offset from, const ReadLimits& limits);
  Result<Offset> first(Partition partition) const;
  Result<Offset> end(Partition partition) const;
  const TopicInfo& info() const;

  struct Impl;
  explicit LogReader(std::unique_ptr<Impl> impl);  // for open()

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tillrace::log
