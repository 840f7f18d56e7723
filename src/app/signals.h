// SIGINT and SIGTERM as something to wait for.
#pragma once
#include <stop_token>
#include <thread>

namespace tillrace::app {

// Made in main's thread before all other threads, which inherit the block. Not thread-safe.
class StopSignals {
 public:
  StopSignals();

  // Returns when one has come. A second SIGINT or SIGTERM then ends the process at once, as a kill
  // would.
  void wait();
  // True when one has come; waits up to `timeout_ms`.
  bool wait_for(int timeout_ms);

 private:
  void let_the_second_kill();
};

// For commands that work while they listen: the token is stopped by the first signal.
class StopOnSignal {
 public:
  StopOnSignal();
  std::stop_token token() const { return source_.get_token(); }

 private:
  StopSignals signals_;
  std::stop_source source_;
  std::jthread thread_;
};

}  // namespace tillrace::app
