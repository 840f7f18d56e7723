#include "client/records.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/blanks.h"
#include "model/event_json.h"

namespace tillrace::client {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 18;
constexpr int kPatienceMs = 100;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

Result<EventReader> EventReader::open(const std::filesystem::path& path,
                                      std::size_t max_record_bytes) {
  auto input = Input::open(path);
  if (!input) return fail(input.error());
  return EventReader(std::move(*input), max_record_bytes);
}

Status EventReader::fill() {
  if (start_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + start_, filled_ - start_);
    filled_ -= start_;
    scan_ -= start_;
    start_ = 0;
  }
  if (buffer_.size() < filled_ + kChunkBytes) buffer_.resize(filled_ + kChunkBytes);
  auto count = input_.read({buffer_.data() + filled_, buffer_.size() - filled_});
  if (!count) return fail(count.error());
  filled_ += *count;
  ended_ = *count == 0;
  return {};
}

// Passes over what may stand in front, and finds out what the file is.
Status EventReader::begin() {
  std::string_view seen(buffer_.data(), filled_);
  if (seen.size() < kByteOrderMark.size() && !ended_) return {};
  std::size_t mark = seen.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  std::size_t first = seen.find_first_not_of(kBlanks, mark);
  if (first == std::string_view::npos && !ended_ && filled_ < max_record_bytes_) return {};
  begun_ = true;
  start_ = scan_ = mark;
  bool is_array = first != std::string_view::npos && seen[first] == '[';
  return is_array ? read_array() : Status{};
}

Status EventReader::read_array() {
  while (!ended_) {
    if (filled_ - start_ > kMostArrayBytes)
      return fail(
          Code::invalid,
          "{}: a JSON array of more than {} bytes; as NDJSON, one event a line, there is no limit",
          input_.name(), kMostArrayBytes);
    if (Status filled = fill(); !filled) return filled;
  }
  bytes_taken_ = filled_;
  auto items = split_array({buffer_.data() + start_, filled_ - start_});
  if (!items) return fail(items.error(), input_.name());
  array_ = std::move(*items);
  return {};
}

Result<EventReader::Found> EventReader::next(EventText& event) {
  while (true) {
    if (begun_ && array_) return next_of_array(event) ? Found::event : Found::end;
    if (begun_ && next_line(event)) return Found::event;
    if (begun_ && ended_) return Found::end;
    if (!ended_) {
      if (!input_.ready(kPatienceMs)) return Found::nothing_yet;
      if (Status filled = fill(); !filled) return fail(filled.error());
    }
    if (begun_) continue;
    if (Status found = begin(); !found) return fail(found.error());
  }
}

bool EventReader::next_of_array(EventText& event) {
  if (place_ == array_->size()) return false;
  std::string_view item = (*array_)[static_cast<std::size_t>(place_)];
  event = {item, ++place_, item.size() > max_record_bytes_};
  return true;
}

// The next line that is not blank, if all of it is in the buffer.
bool EventReader::next_line(EventText& event) {
  while (true) {
    std::string_view rest(buffer_.data() + start_, filled_ - start_);
    std::size_t end = rest.find('\n', scan_ - start_);
    bool whole = end != std::string_view::npos;
    if (!whole && rest.size() > max_record_bytes_) {
      bool first_part = !skipping_;
      std::string_view part = rest.substr(0, max_record_bytes_);
      start_ = scan_ = filled_;
      bytes_taken_ += rest.size();
      skipping_ = true;
      if (first_part && take_line(part, true, event)) return true;
      continue;
    }
    scan_ = filled_;
    if (!whole && (!ended_ || rest.empty())) return false;
    std::string_view line = rest.substr(0, whole ? end : rest.size());
    std::size_t length = line.size() + (whole ? 1 : 0);
    start_ += length;
    scan_ = start_;
    bytes_taken_ += length;
    if (std::exchange(skipping_, false)) continue;
    if (take_line(line, line.size() > max_record_bytes_, event)) return true;
  }
}

bool EventReader::take_line(std::string_view line, bool overlong, EventText& event) {
  ++place_;
  std::string_view json = trimmed(line.substr(0, max_record_bytes_));
  event = {json, place_, overlong};
  return overlong || !json.empty();
}

}  // namespace tillrace::client
