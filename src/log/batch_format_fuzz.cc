// Any bytes are a batch or are refused as corrupt; a batch that is read and written again gives the
// same bytes.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "log/batch_format.h"

using tillrace::Code;

using tillrace::log::BatchDecoder;
using tillrace::log::BatchEncoder;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto decoder = BatchDecoder::open(bytes, {{3}, {1000}});
  if (!decoder) {
    CHECK(decoder.error().code == Code::corrupt);
    return 0;
  }
  BatchEncoder encoder;
  while (decoder->left() > 0) {
    auto record = decoder->next();
    if (!record) {
      CHECK(record.error().code == Code::corrupt);
      return 0;
    }
    encoder.add({std::string(record->key), std::string(record->value), record->event_id,
                 record->received_at});
  }
  CHECK(encoder.take() == bytes);
  return 0;
}
