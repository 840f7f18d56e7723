// How receipts lie in the column family `receipts`, version 1 (docs/formats/log.md). Each has a
// number, in the order of storing, and two entries:
//
//   'k', the receipt's key         -> version 1 byte, 1; number uint64; stored at int64
//                                     (microseconds since 1970); length of the note uint16;
//                                     number of ranges uint16, at least 1; the note;
//                                     ranges x partition int32, first int64, last int64,
//                                     count int64, by ascending partition
//   'o', its number as 8 bytes,    -> version 1 byte, 1; stored at int64; the receipt's key
//   big-endian
//
// Integers are little-endian but for the number in a key, nothing follows the last field, so an
// entry has exactly one encoding. By 'k' a receipt is found, by 'o' the oldest is.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "log/log.h"

namespace tillrace::log {

// By key.
struct ReceiptEntry {
  std::uint64_t number;
  StoredReceipt receipt;
};
std::string encode_receipt_key(std::string_view key);
// The note is at most kMaxReceiptNoteBytes long: CHECKed.
std::string encode_receipt(const ReceiptEntry& entry);
// corrupt unless `value` is exactly what encode_receipt() gives for some entry.
Result<ReceiptEntry> decode_receipt(std::string_view value);

// By order of storing.
struct ReceiptOrder {
  std::uint64_t number;
  UtcMicros stored_at;
  std::string_view key;  // borrowed from what was decoded
};
std::string encode_order_key(std::uint64_t number);
std::string encode_order(UtcMicros stored_at, std::string_view key);
// The number in an entry's key; nothing where it is no key of an order entry.
std::optional<std::uint64_t> decode_order_key(std::string_view entry_key);
// corrupt unless both are as encoded.
Result<ReceiptOrder> decode_order(std::string_view entry_key, std::string_view value);

}  // namespace tillrace::log
