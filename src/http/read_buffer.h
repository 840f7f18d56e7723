// The bytes that a connection has read and its parser has not yet used.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "base/check.h"

namespace tillrace::http {

// One contiguous piece of memory that moves what is unread to its front before it grows. Not
// thread-safe.
class ReadBuffer {
 public:
  std::string_view unread() const { return {memory_.get() + begin_, end_ - begin_}; }
  void consume(std::size_t length) {
    CHECK(length <= end_ - begin_);
    begin_ += length;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  // Room behind the unread bytes; the buffer has at least `capacity` bytes and some room
  // afterwards.
  std::span<char> prepare(std::size_t capacity) {
    std::size_t length = end_ - begin_;
    if (capacity_ < capacity || length == capacity_) resize(std::max(capacity, length * 2));
    if (begin_ > 0 && end_ > capacity_ / 2) {
      std::memmove(memory_.get(), memory_.get() + begin_, length);
      begin_ = 0;
      end_ = length;
    }
    return {memory_.get() + end_, capacity_ - end_};
  }
  void commit(std::size_t length) {
    CHECK(length <= capacity_ - end_);
    end_ += length;
  }

  // Gives memory beyond `capacity` back when nothing is unread.
  void shrink(std::size_t capacity) {
    if (begin_ == end_ && capacity_ > capacity) resize(capacity);
  }

 private:
  void resize(std::size_t capacity) {
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    std::size_t length = end_ - begin_;
    if (length > 0) std::memcpy(larger.get(), memory_.get() + begin_, length);
    memory_ = std::move(larger);
    capacity_ = capacity;
    begin_ = 0;
    end_ = length;
  }

  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace tillrace::http
