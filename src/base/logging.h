// The program's own log, on stderr: one line an event, text for people or JSON for machines. Not
// the event log, which is the room `log`. Thread-safe. No secret and no personal field goes into a
// line.
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

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

// One fact beside the message: ` key=value` behind it as text, where a value that is not plain is
// quoted as in JSON; a member of the line's object as JSON. A key is fixed, a word such as
// "duration_ms", none of time, level, thread and message.
struct Field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, double> value;
};
void write(Level level, std::string_view message, std::span<const Field> fields = {});

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
