// Any bytes where the Blob service's list of files, or its explanation of an error, should be.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "lake/azure_list.h"

namespace {

using tillrace::Code;
using tillrace::lake::ListAnswer;
using tillrace::lake::ListedBlob;

// The same list in the plainest form: names percent-encoded, one time for all.
std::string written(const ListAnswer& answer) {
  std::string xml = "<EnumerationResults><Blobs>";
  for (const ListedBlob& blob : answer.blobs) {
    xml += "<Blob><Name Encoded=\"true\">";
    for (char c : blob.name) xml += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    xml += fmt::format(
        "</Name><Properties><Content-Length>{}</Content-Length><Last-Modified>Wed, 09 Sep 2009 "
        "09:20:02 GMT</Last-Modified><ResourceType>{}</ResourceType></Properties></Blob>",
        blob.bytes, blob.is_folder ? "directory" : "file");
  }
  return xml + "</Blobs><NextMarker /></EnumerationResults>";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view xml(reinterpret_cast<const char*>(data), size);
  tillrace::lake::decode_error_code(xml);
  auto answer = tillrace::lake::decode_list_answer(xml);
  if (!answer) {
    CHECK(answer.error().code == Code::unavailable && !answer.error().message.empty());
    return 0;
  }
  auto again = tillrace::lake::decode_list_answer(written(*answer));
  CHECK(again && again->blobs.size() == answer->blobs.size());
  for (std::size_t i = 0; i < again->blobs.size(); ++i) {
    CHECK(!answer->blobs[i].name.empty());
    CHECK(again->blobs[i].name == answer->blobs[i].name);
    CHECK(again->blobs[i].is_folder == answer->blobs[i].is_folder);
    CHECK(again->blobs[i].bytes == answer->blobs[i].bytes);
  }
  return 0;
}
