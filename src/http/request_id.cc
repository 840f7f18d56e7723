#include "http/request_id.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/random.h"

namespace tillrace::http {
namespace {

constexpr std::size_t kMaxGivenBytes = 64;
constexpr std::size_t kDigits = 16;  // of 64 bits

bool is_hex(std::string_view text) {
  auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return std::all_of(text.begin(), text.end(), digit);
}

bool is_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

bool sane(std::string_view id) {
  auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !id.empty() && id.size() <= kMaxGivenBytes && std::all_of(id.begin(), id.end(), allowed);
}

void put_hex(char* to, std::uint64_t value) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (std::size_t i = kDigits; i-- > 0; value >>= 4) to[i] = kHex[value & 15];
}

// SplitMix64's finisher (see base/random.h): one to one, so distinct counts give distinct ids.
std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace

RequestIds::RequestIds() {
  std::array<std::uint8_t, 16> bytes{};
  SystemRandom().fill(bytes);
  std::memcpy(&high_, bytes.data(), sizeof high_);
  std::memcpy(&low_, bytes.data() + sizeof high_, sizeof low_);
  high_ |= 1;  // a trace-id must not be all zeros
}

void RequestIds::fresh(std::string& id) {
  id.resize(2 * kDigits);
  put_hex(id.data(), high_);
  put_hex(id.data() + kDigits, mix(++low_));
}

void RequestIds::choose(const Headers& headers, std::string& id) {
  if (auto parent = headers.find("traceparent")) {
    if (auto trace = trace_id(*parent)) {
      id = *trace;
      return;
    }
  }
  auto given = headers.find("X-Request-Id");
  if (!given || !sane(*given)) return fresh(id);
  id = *given;
}

// 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01; a later version may have more behind.
std::optional<std::string_view> trace_id(std::string_view traceparent) {
  constexpr std::size_t kLength = 55;
  if (traceparent.size() < kLength) return std::nullopt;
  std::string_view version = traceparent.substr(0, 2);
  std::string_view trace = traceparent.substr(3, 32);
  std::string_view parent = traceparent.substr(36, 16);
  std::string_view flags = traceparent.substr(53, 2);
  bool dashes = traceparent[2] == '-' && traceparent[35] == '-' && traceparent[52] == '-';
  bool digits = is_hex(version) && is_hex(trace) && is_hex(parent) && is_hex(flags);
  bool ends_well =
      traceparent.size() == kLength || (version != "00" && traceparent[kLength] == '-');
  if (!dashes || !digits || !ends_well || version == "ff" || is_zero(trace) || is_zero(parent))
    return std::nullopt;
  return trace;
}

}  // namespace tillrace::http
