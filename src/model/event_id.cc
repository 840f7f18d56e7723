#include "model/event_id.h"

#include <algorithm>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>

namespace tillrace {
namespace {

// Namespaces: UUIDv5 of the two names below in the DNS namespace, fixed for ever
// (docs/formats/event-id.md).
constexpr std::string_view kLineNamespace = "line.event.tillrace.dev";
constexpr std::string_view kFileNamespace = "file.event.tillrace.dev";
constexpr std::array<std::size_t, 4> kHyphens = {8, 13, 18, 23};

const EventId& dns_namespace() {  // RFC 9562, section 6.6
  static const EventId id{{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0,
                           0x4f, 0xd4, 0x30, 0xc8}};
  return id;
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

bool is_hyphen_place(std::size_t at) {
  return std::find(kHyphens.begin(), kHyphens.end(), at) != kHyphens.end();
}

}  // namespace

std::string to_string(const EventId& id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::uint8_t byte : id.bytes) {
    if (is_hyphen_place(text.size())) text += '-';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Result<EventId> parse_event_id(std::string_view text) {
  constexpr std::string_view kRule = "a UUID such as 018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70";
  if (text.size() != 36) return fail(Code::invalid, "not {}", kRule);
  EventId id;
  std::size_t nibble = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (is_hyphen_place(at)) {
      if (text[at] != '-') return fail(Code::invalid, "not {}", kRule);
      continue;
    }
    int value = hex_value(text[at]);
    if (value < 0) return fail(Code::invalid, "not {}", kRule);
    auto& byte = id.bytes[nibble++ / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | value);
  }
  return id;
}

EventId name_based(const EventId& space, std::string_view name) {
  boost::uuids::uuid space_uuid;
  std::copy(space.bytes.begin(), space.bytes.end(), space_uuid.begin());
  boost::uuids::uuid made = boost::uuids::name_generator_sha1(space_uuid)(name.data(), name.size());
  EventId id;
  std::copy(made.begin(), made.end(), id.bytes.begin());
  return id;
}

EventId derived_event_id(std::string_view invoice_no, std::int32_t line_no) {
  static const EventId space = name_based(dns_namespace(), kLineNamespace);
  return name_based(space, std::string(invoice_no) + "/" + std::to_string(line_no));
}

EventId file_event_id(std::string_view content, std::uint64_t place) {
  static const EventId space = name_based(dns_namespace(), kFileNamespace);
  return name_based(space, std::string(content) + "/" + std::to_string(place));
}

EventId fresh_event_id(Clock& clock, Random& random) {
  EventId id;
  random.fill(id.bytes);
  auto milliseconds = static_cast<std::uint64_t>(clock.now().value / 1000);
  for (int i = 0; i < 6; ++i)
    id.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * i));
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0f) | 0x70);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
  return id;
}

}  // namespace tillrace
