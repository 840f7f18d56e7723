#include "log/receipt_format.h"

#include "base/check.h"
#include "log/little_endian.h"

namespace tillrace::log {
namespace {

constexpr char kVersion = 1;
constexpr char kByKey = 'k';
constexpr char kByOrder = 'o';
constexpr std::size_t kHeaderBytes = 1 + 8 + 8 + 2 + 2;
constexpr std::size_t kRangeBytes = 4 + 8 + 8 + 8;
constexpr std::size_t kOrderHeaderBytes = 1 + 8;

tl::unexpected<Error> damaged(std::string_view what) {
  return fail(Code::corrupt, "a receipt: {}", what);
}

bool is_valid(const AppendedRange& range) {
  return range.partition.value >= 0 && range.first.value >= 0 && range.last >= range.first &&
         range.count >= 1 && range.count - 1 <= range.last.value - range.first.value;
}

Result<std::vector<AppendedRange>> decode_ranges(std::string_view bytes) {
  std::vector<AppendedRange> ranges;
  while (!bytes.empty()) {
    AppendedRange range{};
    range.partition.value = take_integer<std::int32_t>(bytes);
    range.first.value = take_integer<std::int64_t>(bytes);
    range.last.value = take_integer<std::int64_t>(bytes);
    range.count = take_integer<std::int64_t>(bytes);
    if (!is_valid(range)) return damaged("an impossible range");
    if (!ranges.empty() && ranges.back().partition >= range.partition)
      return damaged("its ranges are not in the order of their partitions");
    ranges.push_back(range);
  }
  return ranges;
}

}  // namespace

std::string encode_receipt_key(std::string_view key) {
  std::string bytes(1, kByKey);
  bytes += key;
  return bytes;
}

std::string encode_receipt(const ReceiptEntry& entry) {
  const auto& [note, stored_at, ranges] = entry.receipt;
  CHECK(note.size() <= kMaxReceiptNoteBytes);
  std::string bytes(1, kVersion);
  bytes.reserve(kHeaderBytes + note.size() + ranges.size() * kRangeBytes);
  put(bytes, entry.number);
  put(bytes, stored_at.value);
  put(bytes, static_cast<std::uint16_t>(note.size()));
  put(bytes, static_cast<std::uint16_t>(ranges.size()));
  bytes += note;
  for (const auto& range : ranges) {
    put(bytes, range.partition.value);
    put(bytes, range.first.value);
    put(bytes, range.last.value);
    put(bytes, range.count);
  }
  return bytes;
}

Result<ReceiptEntry> decode_receipt(std::string_view value) {
  if (value.size() < kHeaderBytes) return damaged("it ends within its header");
  if (value[0] != kVersion) return damaged("a version other than 1");
  value.remove_prefix(1);
  ReceiptEntry entry{};
  entry.number = take_integer<std::uint64_t>(value);
  entry.receipt.stored_at.value = take_integer<std::int64_t>(value);
  std::size_t note_bytes = take_integer<std::uint16_t>(value);
  std::size_t ranges = take_integer<std::uint16_t>(value);
  if (note_bytes > kMaxReceiptNoteBytes) return damaged("its note is too long");
  if (ranges == 0) return damaged("it has no ranges");
  if (value.size() != note_bytes + ranges * kRangeBytes)
    return damaged("its length is not what its header says");
  entry.receipt.note = take_bytes(value, note_bytes);
  auto decoded = decode_ranges(value);
  if (!decoded) return fail(decoded.error());
  entry.receipt.ranges = std::move(*decoded);
  return entry;
}

std::string encode_order_key(std::uint64_t number) {
  std::string bytes(1, kByOrder);
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  return bytes;
}

std::string encode_order(UtcMicros stored_at, std::string_view key) {
  std::string bytes(1, kVersion);
  put(bytes, stored_at.value);
  bytes += key;
  return bytes;
}

std::optional<std::uint64_t> decode_order_key(std::string_view entry_key) {
  if (entry_key.size() != 9 || entry_key[0] != kByOrder) return {};
  std::uint64_t number = 0;
  for (char byte : entry_key.substr(1)) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

Result<ReceiptOrder> decode_order(std::string_view entry_key, std::string_view value) {
  auto number = decode_order_key(entry_key);
  if (!number) return damaged("its number is none");
  if (value.size() <= kOrderHeaderBytes || value.size() > kOrderHeaderBytes + kMaxReceiptKeyBytes)
    return damaged("its place in the order has a wrong length");
  if (value[0] != kVersion) return damaged("a version other than 1");
  value.remove_prefix(1);
  UtcMicros stored_at{take_integer<std::int64_t>(value)};
  return ReceiptOrder{*number, stored_at, value};
}

}  // namespace tillrace::log
