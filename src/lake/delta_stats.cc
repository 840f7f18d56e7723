#include "lake/delta_stats.h"

#include <charconv>
#include <chrono>
#include <cmath>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/utf8.h"

namespace tillrace::lake {
namespace {

constexpr std::size_t kMostCharacters = 32;  // as Spark cuts them

enum class Bound { low, high };

// The bytes of the first `characters` characters.
std::size_t prefix_bytes(std::string_view text, std::size_t characters) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < characters && bytes < text.size(); ++i) {
    bytes += std::max<std::size_t>(utf8_length(text.substr(bytes)), 1);
  }
  return bytes;
}

char32_t decoded(std::string_view character) {
  auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first;
  char32_t value = first & (0xFFU >> (character.size() + 1));
  for (char c : character.substr(1)) value = value << 6 | (static_cast<unsigned char>(c) & 0x3FU);
  return value;
}

std::string encoded(char32_t value) {
  if (value < 0x80) return {static_cast<char>(value)};
  std::string out;
  std::size_t more = value < 0x800 ? 1 : value < 0x10000 ? 2 : 3;
  constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[more] | value >> (6 * more));
  while (more-- > 0) out += static_cast<char>(0x80U | (value >> (6 * more) & 0x3FU));
  return out;
}

std::optional<int> digits(std::string_view text, std::size_t from, std::size_t count) {
  int value = 0;
  if (from + count > text.size()) return {};
  auto [end, error] = std::from_chars(text.data() + from, text.data() + from + count, value);
  if (error != std::errc() || end != text.data() + from + count || value < 0) return {};
  return value;
}

// "2026-11-25 12:00:00.000001+00", as DuckDB writes a time in UTC; years of four digits only.
std::optional<UtcMicros> parse_time(std::string_view text) {
  if (!text.ends_with("+00")) return {};
  text.remove_suffix(3);
  auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return {};
  std::int64_t micros = 0;
  if (text.size() > 19) {
    std::string fraction(text.substr(20));
    if (text[19] != '.' || fraction.size() > 6) return {};
    fraction.resize(6, '0');
    auto value = digits(fraction, 0, 6);
    if (!value) return {};
    micros = *value;
  }
  auto days = std::chrono::sys_days(std::chrono::year(*year) / *month / *day);
  auto clock =
      std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  std::int64_t seconds = std::chrono::seconds(days.time_since_epoch() + clock).count();
  return UtcMicros{seconds * 1'000'000 + micros};
}

std::optional<std::string> time_bound(std::string_view text, Bound bound) {
  auto time = parse_time(text);
  if (!time) return {};
  std::int64_t over = ((time->value % 1000) + 1000) % 1000;
  std::int64_t down = time->value - over;
  UtcMicros rounded{bound == Bound::low || over == 0 ? down : down + 1000};
  if (rounded > kLatestTime) return {};  // five digits of a year are no date for most readers
  std::string out = to_string(rounded);
  return json_quoted(out.erase(out.size() - 4, 3));  // the digits below the millisecond
}

std::optional<std::string> text_bound(std::string_view text, Bound bound) {
  if (bound == Bound::low) return json_quoted(text.substr(0, prefix_bytes(text, kMostCharacters)));
  auto up = rounded_up(text, kMostCharacters);
  return up ? std::optional(json_quoted(*up)) : std::nullopt;
}

std::optional<std::string> real_bound(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return std::string(text);
}

std::optional<std::string> date_bound(std::string_view text) {
  bool plain = text.size() == 10 && digits(text, 0, 4) && digits(text, 5, 2) && digits(text, 8, 2);
  return plain ? std::optional(json_quoted(text)) : std::nullopt;
}

// The bound as JSON; nullopt where it means nothing.
std::optional<std::string> bound_json(const Column& column, const ColumnStats& stats, Bound bound) {
  const auto& text = bound == Bound::low ? stats.min : stats.max;
  if (!text || stats.has_nan || !is_primitive(column.type)) return {};
  if (column.type == "string") return text_bound(*text, bound);
  if (column.type == "timestamp") return time_bound(*text, bound);
  if (column.type == "date") return date_bound(*text);
  if (column.type == "boolean" || column.type == "binary") return {};
  return real_bound(*text);  // decimals and integers too: checked as a number, written as they are
}

void write_bounds(JsonWriter& json, const Schema& schema,
                  const std::map<std::string, ColumnStats>& columns, Bound bound) {
  json.begin_object();
  for (const auto& column : schema.columns) {
    auto stats = columns.find(column.name);
    if (stats == columns.end()) continue;
    if (auto value = bound_json(column, stats->second, bound)) json.key(column.name).raw(*value);
  }
  json.end_object();
}

}  // namespace

std::optional<std::string> rounded_up(std::string_view text, std::size_t characters) {
  std::size_t bytes = prefix_bytes(text, characters);
  if (bytes == text.size()) return std::string(text);
  std::string_view prefix = text.substr(0, bytes);
  while (!prefix.empty()) {
    std::size_t begin = prefix.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(prefix[begin]) & 0xC0U) == 0x80U) --begin;
    char32_t last = decoded(prefix.substr(begin));
    prefix = prefix.substr(0, begin);
    if (last >= 0x10FFFF) continue;  // the greatest there is: the one before it must go up
    return std::string(prefix) + encoded(last == 0xD7FF ? 0xE000 : last + 1);
  }
  return {};
}

std::string stats_json(const Schema& schema, std::int64_t records,
                       const std::map<std::string, ColumnStats>& columns) {
  JsonWriter json;
  json.begin_object().field("numRecords", records);
  write_bounds(json.key("minValues"), schema, columns, Bound::low);
  write_bounds(json.key("maxValues"), schema, columns, Bound::high);
  json.key("nullCount").begin_object();
  for (const auto& column : schema.columns) {
    auto stats = columns.find(column.name);
    if (stats != columns.end() && stats->second.null_count) {
      json.field(column.name, *stats->second.null_count);
    }
  }
  json.end_object().end_object();
  return json.take();
}

}  // namespace tillrace::lake
