// The terminal of a command that takes its time.
#pragma once
#include <string>
#include <string_view>

#include "app/commands.h"
#include "client/progress.h"

namespace tillrace::app {

// Warnings and the progress bar share standard error. Not thread-safe.
struct Screen {
  Screen(const char* label, bool quiet, Clock& clock, const char* unit = "events")
      : bar(client::ProgressBar::on_stderr(label, clock, unit)), is_quiet(quiet) {}

  void warn(std::string_view line) {
    bar.clear();
    print_err(std::string(line) + "\n");
  }
  void update(const client::Progress& progress) {
    if (!is_quiet) bar.update(progress);
  }

  client::ProgressBar bar;
  bool is_quiet;
};

}  // namespace tillrace::app
