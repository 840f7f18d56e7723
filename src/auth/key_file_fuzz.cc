// Any bytes as keys.json: refused with a reason, or read as keys that are written and read back the
// same.
#include <cstdint>
#include <string_view>

#include "auth/api_key.h"
#include "auth/key_file.h"
#include "base/check.h"
#include "base/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tillrace::Code;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto keys = tillrace::auth::decode_keys(text);
  if (!keys) {
    CHECK(keys.error().code == Code::corrupt || keys.error().code == Code::invalid);
    CHECK(!keys.error().message.empty() && tillrace::is_utf8(keys.error().message));
    return 0;
  }
  CHECK(keys->size() <= tillrace::auth::kMostKeys);
  for (const auto& key : *keys) {
    CHECK(tillrace::auth::is_key_id(key.id) && !key.scopes.empty());
    CHECK(tillrace::auth::check_key_name(key.name));
  }
  auto again = tillrace::auth::decode_keys(tillrace::auth::encode_keys(*keys));
  CHECK(again && *again == *keys);
  return 0;
}
