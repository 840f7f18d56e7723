// Any bytes are an entry of the receipts or are refused as corrupt; an entry that is read and
// written again gives the same bytes. The first byte chooses: 'k' an entry by key, whose value
// follows; 'o' one by order, whose key goes on for 8 bytes.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "log/receipt_format.h"

using tillrace::Code;
using tillrace::log::decode_order;
using tillrace::log::decode_receipt;
using tillrace::log::encode_order;
using tillrace::log::encode_order_key;
using tillrace::log::encode_receipt;

namespace {

void read_by_key(std::string_view value) {
  auto entry = decode_receipt(value);
  if (entry)
    CHECK(encode_receipt(*entry) == value);
  else
    CHECK(entry.error().code == Code::corrupt);
}

void read_by_order(std::string_view bytes) {
  std::string_view key = bytes.substr(0, 9);
  std::string_view value = bytes.substr(key.size());
  auto order = decode_order(key, value);
  if (!order) {
    CHECK(order.error().code == Code::corrupt);
    return;
  }
  CHECK(encode_order_key(order->number) == key);
  CHECK(encode_order(order->stored_at, order->key) == value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.starts_with('k'))
    read_by_key(bytes.substr(1));
  else
    read_by_order(bytes);
  return 0;
}
