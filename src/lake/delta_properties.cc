#include "lake/delta_properties.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

namespace tillrace::lake {
namespace {

// In microseconds.
constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
    {"microsecond", 1},        {"millisecond", 1000},   {"second", 1'000'000},
    {"minute", 60'000'000},    {"hour", 3'600'000'000}, {"day", 86'400'000'000},
    {"week", 604'800'000'000},
};
constexpr std::int64_t kMostMicros = std::numeric_limits<std::int64_t>::max() / 4;
constexpr std::size_t kFractionDigits = 6;
constexpr std::string_view kSpace = " \t\r\n\f\v";

std::string_view take_word(std::string_view& text) {
  auto begin = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(begin);
  auto word = text.substr(0, text.find_first_of(kSpace));
  text.remove_prefix(word.size());
  return word;
}

// As it is compared: without spaces around it, in lower case.
std::string plain(std::string_view text) {
  auto begin = std::min(text.find_first_not_of(kSpace), text.size());
  std::string out(text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin));
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool good = error == std::errc() && end == text.data() + text.size() && value >= 0;
  return good ? std::optional(value) : std::nullopt;
}

Result<std::int64_t> parse_whole(std::string_view text) {
  if (auto value = whole(plain(text))) return *value;
  return fail(Code::invalid, "'{}' is no whole number", text);
}

std::int64_t unit_micros(std::string_view unit) {
  if (unit.ends_with('s')) unit.remove_suffix(1);
  for (const auto& [name, micros] : kUnits) {
    if (name == unit) return micros;
  }
  return 0;
}

// What "12 hours" is, or "1.5 seconds": only those may have a fraction.
std::optional<std::int64_t> micros_of(std::string_view amount, std::string_view unit) {
  constexpr std::int64_t kSecond = 1'000'000;
  std::int64_t each = unit_micros(unit);
  std::size_t dot = std::min(amount.find('.'), amount.size());
  auto before = whole(amount.substr(0, dot));
  if (each == 0 || !before || *before > kMostMicros / each) return {};
  if (dot == amount.size()) return *before * each;
  std::string digits(amount.substr(dot + 1));
  if (each != kSecond || digits.empty() || digits.size() > 9) return {};
  if (digits.find_first_not_of("0123456789") != std::string::npos) return {};
  digits.resize(kFractionDigits, '0');
  return *before * kSecond + whole(digits).value_or(0);
}

Result<bool> parse_boolean(std::string_view text) {
  std::string word = plain(text);
  if (word == "true") return true;
  if (word == "false") return false;
  return fail(Code::invalid, "'{}' is neither true nor false", text);
}

Result<std::int64_t> parse_versions(std::string_view text) {
  auto versions = parse_whole(text);
  if (versions && *versions < 1) return fail(Code::invalid, "{} is less than 1", *versions);
  return versions;
}

// Reads the property `name`, when it is there, into `value`.
template <class T, class Parse>
Status read(const Properties& configuration, const char* name, T& value, const Parse& parse) {
  auto found = configuration.find(name);
  if (found == configuration.end()) return {};
  auto parsed = parse(found->second);
  if (!parsed) return fail(parsed.error(), fmt::format("the table property {}", name));
  value = *parsed;
  return {};
}

// The same; a value that cannot be understood is `otherwise`, and the first such is kept.
template <class T, class Parse>
void read_or(const Properties& configuration, const char* name, T& value, const Parse& parse,
             T otherwise, std::optional<Error>& first) {
  auto done = read(configuration, name, value, parse);
  if (done) return;
  value = otherwise;
  if (!first) first = done.error();
}

}  // namespace

Result<std::chrono::milliseconds> parse_interval(std::string_view text) {
  auto wrong = fail(Code::invalid, "'{}' is no interval such as 'interval 7 days'", text);
  std::string lower = plain(text);
  std::string_view rest = lower;
  std::int64_t total = 0;
  bool any = false;
  bool may_begin = true;
  for (auto word = take_word(rest); !word.empty(); word = take_word(rest)) {
    if (std::exchange(may_begin, false) && word == "interval") continue;
    auto micros = micros_of(word, take_word(rest));
    if (!micros || *micros > kMostMicros - total) return wrong;
    total += *micros;
    any = true;
  }
  if (!any) return wrong;
  return std::chrono::milliseconds(total / 1000);
}

bool has_commit_timestamps(const Properties& configuration) {
  bool enabled = false;
  return !read(configuration, "delta.enableInCommitTimestamps", enabled, parse_boolean) || enabled;
}

Result<TableProperties> parse_properties(const Properties& configuration) {
  using Duration = std::chrono::milliseconds;
  TableProperties out;
  auto append_only = read(configuration, "delta.appendOnly", out.append_only, parse_boolean);
  if (!append_only) return fail(append_only.error());
  auto& first = out.not_understood;
  read_or(configuration, "delta.deletedFileRetentionDuration", out.deleted_file_retention,
          parse_interval, Duration(out.kForever), first);
  read_or(configuration, "delta.logRetentionDuration", out.log_retention, parse_interval,
          Duration(out.kForever), first);
  read_or(configuration, "delta.checkpointInterval", out.checkpoint_interval, parse_versions,
          out.checkpoint_interval, first);
  read_or(configuration, "delta.enableExpiredLogCleanup", out.expired_log_cleanup, parse_boolean,
          false, first);
  return out;
}

}  // namespace tillrace::lake
