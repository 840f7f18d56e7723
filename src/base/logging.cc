#include "base/logging.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

#include "base/json_writer.h"

namespace tillrace::logging {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"debug", "info", "warning", "error", "off"};

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::off: return spdlog::level::off;
  }
  return spdlog::level::info;
}

constexpr const char* kTextPattern = "%H:%M:%S.%e %^%l%$ %v";
constexpr const char* kJsonPattern =
    R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","thread":%t,"message":%v})";

bool g_json = false;  // set once by configure(), before threads

spdlog::logger& logger() {
  // shared: spdlog's own registry holds it too.
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = spdlog::stderr_color_mt("tillrace");
    made->set_pattern(kTextPattern);
    return made;
  }();
  return *instance;
}

// Printable ASCII that neither ends a value nor looks quoted.
bool plain(std::string_view text) {
  auto ordinary = [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '=' && c != '\\'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), ordinary);
}

void append_value(std::string& out, const Field& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    if (g_json || !plain(*text)) return append_json_quoted(out, *text);
    out += *text;
  } else if (const auto* integer = std::get_if<std::int64_t>(&field.value)) {
    fmt::format_to(std::back_inserter(out), "{}", *integer);
  } else {
    fmt::format_to(std::back_inserter(out), "{}", std::get<double>(field.value));
  }
}

}  // namespace

Result<Level> parse_level(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == text) return static_cast<Level>(i);
  return fail(Code::invalid, "'{}' is no log level; debug, info, warning, error or off", text);
}

void configure(const Options& options) {
  logger().set_level(to_spdlog(options.level));
  g_json = options.json;
  logger().set_pattern(g_json ? kJsonPattern : kTextPattern);
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view message, std::span<const Field> fields) {
  if (!g_json && fields.empty()) return logger().log(to_spdlog(level), message);
  std::string line = g_json ? json_quoted(message) : std::string(message);
  for (const Field& field : fields) {
    if (g_json) {
      line += ',';
      append_json_quoted(line, field.key);
      line += ':';
    } else {
      line += ' ';
      line += field.key;
      line += '=';
    }
    append_value(line, field);
  }
  logger().log(to_spdlog(level), line);
}

}  // namespace tillrace::logging
