#include "model/event_id.h"

#include <fmt/format.h>
#define OPENSSL_SUPPRESS_DEPRECATED  // see sha1()
#include <openssl/sha.h>

#include <algorithm>

#include "base/check.h"

namespace tillrace {
namespace {

// Namespaces: UUIDv5 of the four names below in the DNS namespace, fixed for ever
// (docs/formats/event-id.md).
constexpr std::string_view kLineNamespace = "line.event.tillrace.dev";
constexpr std::string_view kFileNamespace = "file.event.tillrace.dev";
constexpr std::string_view kKeyNamespace = "key.event.tillrace.dev";
constexpr std::string_view kPlaceNamespace = "place.event.tillrace.dev";
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

// RFC 9562, sections 4.1 and 4.2.
void set_version(EventId& id, int version) {
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0f) | version << 4);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
}

// SHA-1 of `space` and then `name`. OpenSSL's, which uses the processor's own instructions for it:
// identities are a good part of what taking an event costs. By its plain functions, deprecated or
// not: EVP allocates memory for each digest and takes twice as long.
std::array<std::uint8_t, SHA_DIGEST_LENGTH> sha1(const EventId& space, std::string_view name) {
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest;
  SHA_CTX context;
  bool hashed = SHA1_Init(&context) == 1 &&
                SHA1_Update(&context, space.bytes.data(), space.bytes.size()) == 1 &&
                SHA1_Update(&context, name.data(), name.size()) == 1 &&
                SHA1_Final(digest.data(), &context) == 1;
  CHECK(hashed);
  return digest;
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
  auto digest = sha1(space, name);
  EventId id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  set_version(id, 5);
  return id;
}

EventId derived_event_id(std::string_view invoice_no, std::int32_t line_no) {
  static const EventId space = name_based(dns_namespace(), kLineNamespace);
  fmt::format_int line(line_no);
  fmt::memory_buffer name;  // on the stack
  name.append(invoice_no);
  name.push_back('/');
  name.append(line.data(), line.data() + line.size());
  return name_based(space, {name.data(), name.size()});
}

EventId file_event_id(std::string_view content, std::uint64_t place) {
  static const EventId space = name_based(dns_namespace(), kFileNamespace);
  return name_based(space, std::string(content) + "/" + std::to_string(place));
}

EventId keyed_event_id(std::string_view client, std::string_view key, std::uint64_t index) {
  static const EventId space = name_based(dns_namespace(), kKeyNamespace);
  std::string name(client);
  name.append("\n").append(key).append("\n").append(std::to_string(index));
  return name_based(space, name);
}

EventId placed_event_id(std::string_view topic_id, std::int32_t partition, std::int64_t offset) {
  static const EventId space = name_based(dns_namespace(), kPlaceNamespace);
  return name_based(space, fmt::format("{}/{}/{}", topic_id, partition, offset));
}

EventId fresh_event_id(Clock& clock, Random& random) {
  EventId id;
  random.fill(id.bytes);
  auto milliseconds = static_cast<std::uint64_t>(clock.now().value / 1000);
  for (int i = 0; i < 6; ++i)
    id.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * i));
  set_version(id, 7);
  return id;
}

}  // namespace tillrace
