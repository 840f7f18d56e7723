// SIGINT, SIGTERM and SIGHUP as something to wait for.
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

  // What one of them does from now on: end the process at once.
  void let_the_second_kill();
};

// For servers, which also take SIGHUP: read anew what may have changed. Made like StopSignals.
class ServerSignals {
 public:
  enum class Kind { interrupt, terminate, reload };
  ServerSignals();
  // Returns when one has come. After SIGINT or SIGTERM a second one ends the process at once.
  Kind wait();

 private:
  StopSignals stop_;
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
