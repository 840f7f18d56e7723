// The query of POST /v1/transactions.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tillrace::gateway {

struct UploadQuery {
  bool is_partial = false;        // partial=true
  std::uint64_t first_index = 0;  // first_index=N, with partial only; up to 10^15
};

// invalid, naming the parameter and what would be right.
Result<UploadQuery> parse_upload_query(std::string_view query);

}  // namespace tillrace::gateway
