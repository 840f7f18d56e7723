#include "lake/delta_properties.h"

#include <charconv>
#include <limits>
#include <string>
#include <utility>

namespace tillrace::lake {
namespace {

constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
    {"millisecond", 1},  {"second", 1000},    {"minute", 60'000},
    {"hour", 3'600'000}, {"day", 86'400'000}, {"week", 604'800'000},
};
constexpr std::int64_t kMostMs = std::numeric_limits<std::int64_t>::max() / 4;

std::string_view take_word(std::string_view& text) {
  auto begin = std::min(text.find_first_not_of(' '), text.size());
  text.remove_prefix(begin);
  auto word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

Result<std::int64_t> parse_whole(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 0) return value;
  return fail(Code::invalid, "'{}' is no whole number", text);
}

std::int64_t unit_ms(std::string_view unit) {
  if (unit.ends_with('s')) unit.remove_suffix(1);
  for (const auto& [name, ms] : kUnits) {
    if (name == unit) return ms;
  }
  return 0;
}

Result<bool> parse_boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return fail(Code::invalid, "'{}' is neither true nor false", text);
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

}  // namespace

Result<std::chrono::milliseconds> parse_interval(std::string_view text) {
  auto wrong = fail(Code::invalid, "'{}' is no interval such as 'interval 7 days'", text);
  std::string_view rest = text;
  if (take_word(rest) != "interval") return wrong;
  std::int64_t total = 0;
  bool any = false;
  for (auto word = take_word(rest); !word.empty(); word = take_word(rest)) {
    auto amount = parse_whole(word);
    std::int64_t unit = unit_ms(take_word(rest));
    if (!amount || unit == 0 || *amount > (kMostMs - total) / unit) return wrong;
    total += *amount * unit;
    any = true;
  }
  if (!any) return wrong;
  return std::chrono::milliseconds(total);
}

Result<TableProperties> parse_properties(const Properties& configuration) {
  TableProperties out;
  const Status read_all[] = {
      read(configuration, "delta.deletedFileRetentionDuration", out.deleted_file_retention,
           parse_interval),
      read(configuration, "delta.logRetentionDuration", out.log_retention, parse_interval),
      read(configuration, "delta.checkpointInterval", out.checkpoint_interval, parse_whole),
      read(configuration, "delta.enableExpiredLogCleanup", out.expired_log_cleanup, parse_boolean),
      read(configuration, "delta.appendOnly", out.append_only, parse_boolean),
  };
  for (const auto& status : read_all) {
    if (!status) return fail(status.error());
  }
  if (out.checkpoint_interval < 1) {
    return fail(Code::invalid, "the table property delta.checkpointInterval is less than 1");
  }
  return out;
}

}  // namespace tillrace::lake
