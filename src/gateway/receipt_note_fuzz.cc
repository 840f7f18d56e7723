// Any bytes as a receipt's note, and as the value of Idempotency-Key. What is read is written back
// the same; what is refused is refused with the right code.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "gateway/idempotency.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto note = tillrace::gateway::decode_receipt_note(bytes);
  if (note) {
    CHECK(tillrace::gateway::encode(*note) == bytes);
  } else {
    CHECK(note.error().code == tillrace::Code::corrupt);
  }
  auto key = tillrace::gateway::parse_idempotency_key(bytes);
  if (key) {
    CHECK(!key->empty() && key->size() <= 255);
    CHECK(key->find_first_of(" \t\r\n") == std::string::npos);
    CHECK(*key == bytes || '"' + *key + '"' == bytes);
  } else {
    CHECK(key.error().code == tillrace::Code::invalid);
  }
  return 0;
}
