// Internal to the room; includes RocksDB. Its strings and its errors in our words.
#pragma once
#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <string_view>

#include "base/result.h"

namespace tillrace::log {

inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

inline tl::unexpected<Error> rocksdb_error(const rocksdb::Status& status, std::string_view doing) {
  bool contradiction = status.IsCorruption() || status.IsInvalidArgument() || status.IsNotFound() ||
                       status.IsPathNotFound();
  return fail(contradiction ? Code::corrupt : Code::unavailable, "{}: {}", doing,
              status.ToString());
}

}  // namespace tillrace::log
