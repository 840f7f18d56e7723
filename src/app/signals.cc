#include "app/signals.h"

#include <csignal>
#include <ctime>

#include "base/check.h"
#include "base/thread.h"

namespace tillrace::app {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  sigset_t set = stop_signals();
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
}

void StopSignals::wait() {
  sigset_t set = stop_signals();
  int received = 0;
  CHECK(sigwait(&set, &received) == 0);
  let_the_second_kill();
}

bool StopSignals::wait_for(int timeout_ms) {
  sigset_t set = stop_signals();
  timespec timeout{timeout_ms / 1000, (timeout_ms % 1000) * 1'000'000L};
  if (sigtimedwait(&set, nullptr, &timeout) < 0) return false;
  let_the_second_kill();
  return true;
}

void StopSignals::let_the_second_kill() {
  sigset_t set = stop_signals();
  CHECK(pthread_sigmask(SIG_UNBLOCK, &set, nullptr) == 0);
}

ServerSignals::ServerSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
}

ServerSignals::Kind ServerSignals::wait() {
  sigset_t set = stop_signals();
  sigaddset(&set, SIGHUP);
  int received = 0;
  CHECK(sigwait(&set, &received) == 0);
  if (received == SIGHUP) return Kind::reload;
  stop_.let_the_second_kill();
  return received == SIGINT ? Kind::interrupt : Kind::terminate;
}

StopOnSignal::StopOnSignal()
    : thread_(named_thread("signals", [this](const std::stop_token& ended) {
        constexpr int kPollMs = 50;
        while (!ended.stop_requested())
          if (signals_.wait_for(kPollMs)) return static_cast<void>(source_.request_stop());
      })) {}

}  // namespace tillrace::app
