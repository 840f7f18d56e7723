#include "gateway/intake.h"

#include "base/logging.h"
#include "gateway/answers.h"
#include "http/problem.h"

namespace tillrace::gateway {

std::string_view name(Intake::State state) {
  switch (state) {
    case Intake::State::open: return "open";
    case Intake::State::log_full: return "log-full";
    case Intake::State::disk_full: return "disk-full";
  }
  return "open";
}

Intake::State Intake::look() {
  if (options_.min_free_disk_bytes > 0) {
    auto free = sources_.free_disk_bytes();
    if (free && *free < options_.min_free_disk_bytes) return State::disk_full;
  }
  bool is_full =
      options_.hold_log_max_bytes > 0 && sources_.backlog_bytes() >= options_.hold_log_max_bytes;
  return is_full ? State::log_full : State::open;
}

// Of the threads that find the time over, one looks; the others go by what was known.
Intake::State Intake::state() {
  std::int64_t now = clock_.monotonic().count();
  std::int64_t due = look_again_ns_;
  auto pause = std::chrono::nanoseconds(std::chrono::milliseconds(options_.look_every_ms)).count();
  if (now < due || !look_again_ns_.compare_exchange_strong(due, now + pause)) return state_;
  State found = look();
  if (State before = state_.exchange(found); before != found)
    logging::warning("intake: {}, was {}", name(found), name(before));
  return found;
}

std::optional<http::Response> Intake::refuse_more() {
  if (!draining_) return refuse();
  return append_failure({Code::shutting_down, "the server is stopping"}, options_.retry_after_s);
}

std::optional<http::Response> Intake::refuse() {
  switch (state()) {
    case State::open: return std::nullopt;
    case State::disk_full:
      return with_retry_after(
          http::problem(503, "disk-full", "The disk is nearly full",
                        fmt::format("less than {} bytes are free where the log lies; nothing was "
                                    "stored. Make room, or lower http.min_free_disk_mb",
                                    options_.min_free_disk_bytes)),
          options_.retry_after_s);
    case State::log_full:
      return with_retry_after(
          http::problem(503, "log-full", "The log holds as much as it may for its sinks",
                        fmt::format("{} bytes wait for the warehouse or the lake, and no more may; "
                                    "nothing was stored. Bring back what is away (/readyz tells), "
                                    "or raise retention.hold_log_max_gb",
                                    options_.hold_log_max_bytes)),
          options_.retry_after_s);
  }
  return std::nullopt;
}

}  // namespace tillrace::gateway
