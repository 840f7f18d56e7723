// Compressed bodies for the room's tests.
#pragma once
#include <zlib.h>

#include <string>
#include <string_view>

#include "base/check.h"

namespace tillrace::http {

// Of zlib's window bits, 31 is gzip, 15 the wrapper of HTTP's "deflate", -15 deflate alone.
inline std::string deflated(std::string_view plain, int window_bits) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

inline std::string gzip(std::string_view plain) { return deflated(plain, 31); }

}  // namespace tillrace::http
