#include "app/bytes_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "client/json_scan.h"

namespace tillrace::app {
namespace {

constexpr std::size_t kRowBytes = 16;
constexpr std::string_view kPlain = "  ";
constexpr std::string_view kMarked = "> ";

std::size_t utf8_prefix(std::string_view bytes) {
  std::size_t at = 0;
  while (std::size_t length = utf8_length(bytes.substr(at))) at += length;
  return at;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto byte = static_cast<unsigned char>(text[at]);
    bool c1 =
        byte == 0xc2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0;
    if (c1) byte = static_cast<unsigned char>(text[++at]);
    bool shows = !c1 && ((byte >= 0x20 && byte != 0x7f) || byte == '\t');
    shows ? out += text[at] : out += fmt::format("\\x{:02x}", byte);
  }
  return out;
}

std::string line(std::string_view mark, std::string_view text) {
  return fmt::format("{}{}\n", mark, escaped(text));
}

std::string text_view(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    out += line(kPlain, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string hex_row(std::string_view row, std::size_t at, bool marked) {
  std::string digits;
  std::string characters;
  for (std::size_t i = 0; i < kRowBytes; ++i) {
    auto byte = i < row.size() ? static_cast<unsigned char>(row[i]) : 0U;
    digits += i < row.size() ? fmt::format("{:02x} ", byte) : "   ";
    if (i < row.size()) characters += byte >= 0x20 && byte < 0x7f ? row[i] : '.';
  }
  return fmt::format("{}{:08x}  {} {}\n", marked ? kMarked : kPlain, at, digits, characters);
}

std::string hex_view(std::string_view bytes) {
  std::size_t wrong = std::min(utf8_prefix(bytes), bytes.find('\0'));
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += kRowBytes)
    out += hex_row(bytes.substr(at, kRowBytes), at, wrong >= at && wrong < at + kRowBytes);
  return out;
}

const FieldError* error_of(const Rejection& why, std::string_view field) {
  auto found = std::find_if(why.errors.begin(), why.errors.end(),
                            [field](const FieldError& error) { return error.field == field; });
  return found == why.errors.end() ? nullptr : &*found;
}

std::string members_view(std::string_view object, const Rejection& why) {
  std::string out = line(kPlain, "{");
  auto members = client::json_members(object);
  for (const client::JsonMember& member : members) {
    const FieldError* error = error_of(why, member.key);
    std::string text = fmt::format("  \"{}\": {}", member.key, member.value);
    if (error) text += fmt::format("   <-- {}", error->rule);
    out += line(error ? kMarked : kPlain, text);
  }
  for (const FieldError& error : why.errors) {
    bool is_there =
        std::any_of(members.begin(), members.end(),
                    [&](const client::JsonMember& member) { return member.key == error.field; });
    if (!is_there)
      out += line(kMarked, fmt::format("  \"{}\" is missing   <-- {}", error.field, error.rule));
  }
  return out + line(kPlain, "}");
}

std::string shortened_view(std::string_view bytes) {
  std::string_view front = bytes.substr(0, kMostShownBytes);
  bool cut = front.size() < bytes.size();
  // A character that the cut goes through is no fault of the record's.
  bool is_text = utf8_prefix(front) + (cut ? 3 : 0) >= front.size() &&
                 front.find('\0') == std::string_view::npos;
  std::string out = is_text ? text_view(front.substr(0, utf8_prefix(front))) : hex_view(front);
  if (cut)
    out += fmt::format("  ... {} more bytes; `tillrace rejected export` has them all\n",
                       bytes.size() - front.size());
  return out;
}

}  // namespace

std::string bytes_view(std::string_view bytes, const std::optional<Rejection>& why) {
  bool is_object = !why || !why->malformed;
  if (!is_object || bytes.size() > kMostShownBytes) return shortened_view(bytes);
  return members_view(bytes, why.value_or(Rejection{}));
}

}  // namespace tillrace::app
