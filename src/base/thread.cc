#include "base/thread.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"

namespace tillrace {
namespace {

constexpr int kBehind = 10;

}  // namespace

void name_this_thread(const std::string& name) {
  CHECK(name.size() <= 15);
  pthread_setname_np(pthread_self(), name.c_str());
}

// On Linux a thread has a nice value of its own, by its id. Worse is always allowed.
void put_this_thread_behind() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kBehind);
}

std::jthread named_thread(std::string name, std::function<void(std::stop_token)> body) {
  return std::jthread([name = std::move(name), body = std::move(body)](std::stop_token stop) {
    name_this_thread(name);
    body(std::move(stop));
  });
}

}  // namespace tillrace
