#include "lake/delta_paths.h"

#include <algorithm>
#include <charconv>

namespace tillrace::lake {
namespace {

constexpr std::size_t kVersionDigits = 20;
constexpr std::size_t kPartDigits = 10;
constexpr std::size_t kMostFolderBytes = 254;  // of one part of a path (store.h)

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void append_escaped(std::string& out, char c) {
  fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
}

// Takes a number of exactly `digits` digits off the front.
std::optional<std::int64_t> take_number(std::string_view& text, std::size_t digits) {
  std::int64_t value = 0;
  if (text.size() < digits || text.front() == '-') return {};
  auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits) return {};
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return {};
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
    if (!low) return fail(Code::corrupt, "the path {} has a broken %-escape", text);
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

// A URI's scheme comes before the first '/' (RFC 2396, 3.1).
bool has_scheme(std::string_view text) {
  auto colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 && text.find('/') > colon &&
         std::ranges::all_of(text.substr(0, colon), [](char c) {
           return is_alnum(c) || c == '+' || c == '-' || c == '.';
         });
}

// Hive escapes what a shell or a file system may take for something else.
std::string hive_escaped(std::string_view text) {
  constexpr std::string_view kSpecial = "\"#%'*/:=?\\{[]^";
  std::string out;
  for (char c : text) {
    bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    if (control || kSpecial.find(c) != std::string_view::npos)
      append_escaped(out, c);
    else
      out += c;
  }
  if (out.ends_with('.')) out.replace(out.size() - 1, 1, "%2E");  // Azure drops a dot at the end
  return out;
}

}  // namespace

std::string commit_path(std::int64_t version) {
  return fmt::format("{}{:020}.json", kLogFolder, version);
}

std::string checkpoint_path(std::int64_t version) {
  return fmt::format("{}{:020}.checkpoint.parquet", kLogFolder, version);
}

std::optional<LogFile> parse_log_name(std::string_view name) {
  auto version = take_number(name, kVersionDigits);
  if (!version) return {};
  if (name == ".json") return LogFile{LogFile::Kind::commit, *version};
  if (!take(name, ".checkpoint.")) return {};
  if (name == "parquet") return LogFile{LogFile::Kind::checkpoint, *version};
  auto part = take_number(name, kPartDigits);
  if (!part || !take(name, ".")) return {};
  auto parts = take_number(name, kPartDigits);
  constexpr std::int64_t kMostParts = 1'000'000;
  if (!parts || name != ".parquet" || *part < 1 || *part > *parts || *parts > kMostParts) return {};
  return LogFile{LogFile::Kind::checkpoint, *version, static_cast<int>(*part),
                 static_cast<int>(*parts)};
}

std::string encode_file_path(std::string_view path) {
  constexpr std::string_view kPlain = "-_.!~*'()/=+$,@&;";  // RFC 2396: allowed in a path
  std::string out;
  for (char c : path) {
    if (is_alnum(c) || kPlain.find(c) != std::string_view::npos)
      out += c;
    else
      append_escaped(out, c);
  }
  return out;
}

Result<std::string> decode_file_path(std::string_view encoded) {
  if (encoded.starts_with('/') || has_scheme(encoded)) {
    return fail(Code::invalid, "the data file {} lies outside its table; such are not read",
                encoded);
  }
  auto path = percent_decoded(encoded);
  if (!path) return path;
  std::string_view rest = *path;
  while (true) {
    auto part = rest.substr(0, rest.find('/'));
    if (part.empty() || part == "." || part == "..") {
      return fail(Code::invalid, "the data file {} has a part that is empty or dots", encoded);
    }
    if (part.size() == rest.size()) return path;
    rest.remove_prefix(part.size() + 1);
  }
}

std::string partition_folder(const std::vector<std::string>& columns,
                             const PartitionValues& values) {
  std::string out;
  for (const auto& column : columns) {
    auto value = values.find(column);
    bool null = value == values.end() || !value->second;
    std::string folder = hive_escaped(column) + '=' +
                         (null ? "__HIVE_DEFAULT_PARTITION__" : hive_escaped(*value->second));
    if (folder.size() > kMostFolderBytes) return {};
    out += folder + '/';
  }
  return out;
}

}  // namespace tillrace::lake
