#include "log/wal_tail.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "base/files.h"

namespace tillrace::log {
namespace {

constexpr std::size_t kBlockBytes = 32'768;
constexpr std::size_t kHeaderBytes = 7;  // masked CRC-32C of type and payload, payload length, type
enum FragmentType : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    table[byte] = crc;
  }
  return table;
}

// CRC-32C (RFC 3720, appendix B.4), stored rotated and offset, as LevelDB's log format has it.
std::uint32_t masked_crc(std::string_view bytes) {
  static const auto table = make_crc_table();
  std::uint32_t crc = 0xffffffff;
  for (char byte : bytes) crc = table[(crc ^ static_cast<std::uint8_t>(byte)) & 0xff] ^ crc >> 8;
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

struct Fragment {
  FragmentType type;
  std::size_t bytes;  // with its header
};

// The fragment at the start of `rest`, which ends with its block or the file; nothing when there is
// no valid one.
std::optional<Fragment> fragment_at(std::string_view rest) {
  if (rest.size() < kHeaderBytes) return {};
  std::uint32_t crc;
  std::uint16_t length;
  std::memcpy(&crc, rest.data(), sizeof crc);
  std::memcpy(&length, rest.data() + 4, sizeof length);
  auto type = static_cast<std::uint8_t>(rest[6]);
  if (type < kFull || type > kLast || kHeaderBytes + length > rest.size()) return {};
  if (masked_crc(rest.substr(6, 1 + std::size_t{length})) != crc) return {};
  return Fragment{static_cast<FragmentType>(type), kHeaderBytes + length};
}

// Whether a write begins anywhere in `rest`. Lengths cannot be trusted after damage, so every place
// is tried.
bool a_write_begins_in(std::string_view rest) {
  for (; rest.size() >= kHeaderBytes; rest.remove_prefix(1)) {
    auto fragment = fragment_at(rest);
    if (fragment && (fragment->type == kFull || fragment->type == kFirst)) return true;
  }
  return false;
}

// The rest of the block that `at` lies in, as far as the file goes.
std::string_view block_rest(std::string_view bytes, std::size_t at) {
  return bytes.substr(at, kBlockBytes - at % kBlockBytes);
}

bool a_write_begins_after(std::string_view bytes, std::size_t at) {
  while (at < bytes.size()) {
    std::string_view rest = block_rest(bytes, at);
    if (a_write_begins_in(rest)) return true;
    at += rest.size();
  }
  return false;
}

// 000012.log is the WAL file 12.
std::optional<std::uint64_t> wal_number(const std::filesystem::path& path) {
  std::string stem = path.stem();
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), number);
  if (path.extension() != ".log" || error != std::errc() || *end != '\0') return {};
  return number;
}

}  // namespace

WalState check_wal_bytes(std::string_view bytes) {
  std::size_t at = 0;
  bool inside_a_write = false;
  while (at < bytes.size()) {
    std::string_view rest = block_rest(bytes, at);
    bool last_block = at + rest.size() == bytes.size();
    if (rest.size() < kHeaderBytes && !last_block) {  // a block's unused end
      at += rest.size();
      continue;
    }
    auto fragment = fragment_at(rest);
    bool begins = fragment && (fragment->type == kFull || fragment->type == kFirst);
    if (!fragment || begins == inside_a_write) {
      return begins || a_write_begins_after(bytes, at + 1) ? WalState::hole : WalState::torn_tail;
    }
    inside_a_write = fragment->type == kFirst || fragment->type == kMiddle;
    at += fragment->bytes;
  }
  return inside_a_write ? WalState::torn_tail : WalState::whole;
}

Result<WalState> check_wal_files(const std::filesystem::path& folder) {
  std::map<std::uint64_t, std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (auto number = wal_number(entry->path())) files[*number] = entry->path();
  if (error) return fail(Code::unavailable, "cannot list {}: {}", folder.string(), error.message());

  WalState state = WalState::whole;
  for (const auto& [number, path] : files) {
    auto bytes = read_file(path);
    if (!bytes) return fail(bytes.error());
    if (state == WalState::torn_tail && a_write_begins_after(*bytes, 0)) return WalState::hole;
    if (WalState of_file = check_wal_bytes(*bytes); of_file != WalState::whole) state = of_file;
    if (state == WalState::hole) return state;
  }
  return state;
}

}  // namespace tillrace::log
