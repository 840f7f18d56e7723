// The XML in which the Blob service answers "List Blobs", and in which it explains errors.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tillrace::lake {

struct ListedBlob {
  std::string name;  // in the container, decoded
  std::uint64_t bytes = 0;
  UtcMicros modified;
  // A folder of a hierarchical namespace, which lists its folders among its files.
  bool is_folder = false;
};

struct ListAnswer {
  std::vector<ListedBlob> blobs;
  std::string next_marker;  // empty: there is no further page
};

// unavailable when it is no whole answer of that kind, such as some proxy's page.
Result<ListAnswer> decode_list_answer(std::string_view xml);

// The content of <Error><Code>: "BlobAlreadyExists"; empty when it is no such document.
std::string decode_error_code(std::string_view xml);

}  // namespace tillrace::lake
