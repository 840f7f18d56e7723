#include "gateway/line_chunks.h"

#include <algorithm>
#include <utility>

namespace tillrace::gateway {
namespace {

// Stands last in what is kept of a too long line: no event ends so, and no blanks do.
constexpr char kCut = '#';

}  // namespace

LineChunks::LineChunks(std::size_t chunk_bytes, std::size_t max_line_bytes)
    : chunk_bytes_(chunk_bytes), max_line_bytes_(max_line_bytes) {}

void LineChunks::add(std::string_view part) {
  while (!part.empty()) {
    std::size_t end = part.find('\n');
    std::string_view piece = part.substr(0, end);
    std::size_t room = max_line_bytes_ + 1 - (kept_.size() - line_start_);
    kept_ += piece.substr(0, room);
    if (piece.size() > room) kept_.back() = kCut;
    if (end == std::string_view::npos) return;
    kept_ += '\n';
    line_start_ = kept_.size();
    part.remove_prefix(end + 1);
  }
}

std::optional<std::string> LineChunks::next() {
  if (line_start_ < chunk_bytes_) return std::nullopt;
  std::size_t end =
      kept_.find('\n', chunk_bytes_ - 1) + 1;  // there is one: line_start_ is behind it
  std::string chunk = kept_.substr(0, end);
  kept_.erase(0, end);
  line_start_ -= end;
  return chunk;
}

std::string LineChunks::rest() {
  line_start_ = 0;
  return std::exchange(kept_, {});
}

}  // namespace tillrace::gateway
