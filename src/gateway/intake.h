// Whether events can be taken in at all: the log must have room, and so must the disk.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/message.h"

namespace tillrace::gateway {

struct IntakeOptions {
  std::uint64_t hold_log_max_bytes = 0;   // 0: no limit
  std::uint64_t min_free_disk_bytes = 0;  // 0: no limit
  int retry_after_s = 5;
  int look_every_ms = 200;
};

// What is looked at. Both are called from whatever thread asks, must be quick and thread-safe.
struct IntakeSources {
  std::function<std::uint64_t()> backlog_bytes;            // of the log, that some sink still needs
  std::function<Result<std::uint64_t>()> free_disk_bytes;  // where the log lies
};

// Thread-safe. Looks again when what it knows is older than look_every_ms.
class Intake {
 public:
  enum class State { open, log_full, disk_full };

  Intake(IntakeOptions options, IntakeSources sources, Clock& clock)
      : options_(options), sources_(std::move(sources)), clock_(clock) {}

  State state();
  // 503 with what is full and what to do; nothing while open.
  std::optional<http::Response> refuse();
  // The same for what follows in a request that has begun: a server that stops lets it end where it
  // is, so that a long one does not take all the time there is.
  std::optional<http::Response> refuse_more();
  void start_draining() { draining_ = true; }

 private:
  State look();

  const IntakeOptions options_;
  const IntakeSources sources_;
  Clock& clock_;
  std::atomic<State> state_ = State::open;
  std::atomic<std::int64_t> look_again_ns_ = 0;  // monotonic
  std::atomic<bool> draining_ = false;
};

// "open", "log-full", "disk-full".
std::string_view name(Intake::State state);

}  // namespace tillrace::gateway
