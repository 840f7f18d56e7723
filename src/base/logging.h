// The program's own log, on stderr: one line an event, text for people or JSON for machines. Not
// the event log, which is the room `log`. Thread-safe. No secret and no personal field goes into a
// line.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace tillrace::logging {

enum class Level { debug, info, warning, error, off };

struct Options {
  Level level = Level::info;
  bool json = false;
};

// debug, info, warning, error or off.
Result<Level> parse_level(std::string_view text);
// Called once, before other threads start.
void configure(const Options& options);
bool enabled(Level level);
void write(Level level, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warning))
    write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tillrace::logging
