// The bytes of an answer, or of the part of it that is being written.
#pragma once
#include <array>
#include <boost/asio/buffer.hpp>
#include <string>

#include "http/message.h"
#include "http/response_head.h"

namespace tillrace::http {

// Filled by whole(), or by begin() and then next() for each further part; written from unwritten(),
// with advance(). Not thread-safe.
class Outgoing {
 public:
  // An answer with its body, or only its head.
  void whole(Response response, const HeadOptions& options, bool head_only);
  // The head of an answer in parts, and its first part. HTTP/1.0 knows no chunks: there the parts
  // follow one another as they are, up to the end of the connection.
  void begin(Response response, const HeadOptions& options);
  void next(std::string body, bool last);

  std::array<boost::asio::const_buffer, 3> unwritten() const;
  void advance(std::size_t bytes) { written_ += bytes; }
  bool all_written() const { return written_ == head_.size() + body_.size() + tail_.size(); }
  // Gives large memory back.
  void shrink();

 private:
  void frame(std::string body, bool last);

  std::string head_;  // or what stands before a chunk; its memory is used again
  std::string body_;
  std::string tail_;
  std::size_t written_ = 0;
  bool chunked_ = false;
};

}  // namespace tillrace::http
