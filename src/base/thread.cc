#include "base/thread.h"

#include <pthread.h>

#include "base/check.h"

namespace tillrace {

void name_this_thread(const std::string& name) {
  CHECK(name.size() <= 15);
  pthread_setname_np(pthread_self(), name.c_str());
}

std::jthread named_thread(std::string name, std::function<void(std::stop_token)> body) {
  return std::jthread([name = std::move(name), body = std::move(body)](std::stop_token stop) {
    name_this_thread(name);
    body(std::move(stop));
  });
}

}  // namespace tillrace
