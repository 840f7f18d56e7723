// Whether a person has taken a sink out: `tillrace sink detach` and `attach`. Durable, in the data
// folder: sinks/NAME, absent while nothing is to be said.
#pragma once
#include <chrono>
#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "processor/lake_sink.h"

namespace tillrace::app {

using processor::Attachment;

// What stands there; attached when nothing does. corrupt: the file holds something else.
Result<Attachment> read_attachment(const std::filesystem::path& data_dir, const std::string& sink);
// Durable when it returns. A running process heeds it within a second or two.
Status write_attachment(const std::filesystem::path& data_dir, const std::string& sink,
                        Attachment attachment);

// The same for a process that runs, which may ask often: it looks at most once a second.
// Thread-safe. The clock outlives it.
class SinkSwitch {
 public:
  SinkSwitch(std::filesystem::path data_dir, std::string sink, Clock& clock);

  // While the file cannot be read, as it was.
  Attachment look();
  // What was reattached has begun: the permission for a hole is used up.
  void begun();

 private:
  const std::filesystem::path data_dir_;
  const std::string sink_;
  Clock& clock_;
  Mutex mutex_;
  Attachment known_ GUARDED_BY(mutex_) = Attachment::attached;
  std::chrono::nanoseconds look_again_ GUARDED_BY(mutex_){0};
};

}  // namespace tillrace::app
