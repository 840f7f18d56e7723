// How far a command has come, for the person who waits.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tillrace::client {

struct Progress {
  std::uint64_t done = 0;  // bytes read, or events, whichever the command knows the total of
  std::optional<std::uint64_t> total;  // of the same; nothing for a pipe
  std::uint64_t events = 0;
};
using OnProgress = std::function<void(const Progress&)>;

struct ProgressOptions {
  std::string label;            // "convert"
  std::string unit = "events";  // what Progress::events counts
  // A terminal gets a bar that is drawn over and over on one line; anything else a whole line now
  // and then.
  bool terminal = false;
  int columns = 80;
  int redraw_interval_ms = 100;
  int line_interval_ms = 10'000;
};

// Not thread-safe.
class ProgressBar {
 public:
  using Write = std::function<void(std::string_view)>;

  // Draws on standard error.
  static ProgressBar on_stderr(std::string label, Clock& clock, std::string unit = "events");
  // `clock` must outlive the bar.
  ProgressBar(ProgressOptions options, Write write, Clock& clock);

  // Cheap; draws only when it is time again.
  void update(const Progress& progress);
  // Takes the bar off the terminal, so that a message or the summary can be written. The next
  // update draws it again.
  void clear();

 private:
  std::string bar(const Progress& progress, double seconds) const;
  std::string line(const Progress& progress, double seconds) const;

  ProgressOptions options_;
  Write write_;
  Clock& clock_;
  std::chrono::nanoseconds began_;
  std::chrono::nanoseconds drawn_;
  bool is_drawn_ = false;
};

// "12,345,678"
std::string grouped(std::uint64_t number);
// "1:02:03", "2:03"
std::string duration_text(double seconds);

}  // namespace tillrace::client
