#include "base/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <vector>

#include "base/mutex.h"

namespace tillrace {
namespace {

std::string name_of_this_thread() {
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

// What threads of a test share: a number behind its lock.
struct Shared {
  Mutex mutex;
  std::condition_variable changed;
  int value GUARDED_BY(mutex) = 0;

  void add(int amount) {
    MutexLock lock(mutex);
    value += amount;
    changed.notify_all();
  }
  int get() {
    MutexLock lock(mutex);
    return value;
  }
};

TEST(NamedThread, HasItsNameWhileItsBodyRuns) {
  std::string name;
  named_thread("log-append", [&](const std::stop_token&) { name = name_of_this_thread(); }).join();
  EXPECT_EQ(name, "log-append");
}

TEST(NamedThread, FifteenBytesAreTheMost) {
  std::string name;
  named_thread(std::string(15, 'x'), [&](const std::stop_token&) {
    name = name_of_this_thread();
  }).join();
  EXPECT_EQ(name, std::string(15, 'x'));
  EXPECT_DEATH(name_this_thread(std::string(16, 'x')), "CHECK");
}

TEST(NamedThread, ItsDestructorAsksItToStopAndWaits) {
  std::atomic<bool> ended = false;
  {
    auto thread = named_thread("worker", [&](const std::stop_token& stop) {
      while (!stop.stop_requested()) std::this_thread::yield();
      ended = true;
    });
  }
  EXPECT_TRUE(ended);
}

TEST(Mutex, LetsOneThreadInAtATime) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 10'000;
  Shared shared;
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i)
      threads.push_back(named_thread("adder", [&](const std::stop_token&) {
        for (int round = 0; round < kRounds; ++round) shared.add(1);
      }));
  }
  EXPECT_EQ(shared.get(), kThreads * kRounds);
}

TEST(MutexLock, WaitingGivesTheMutexUpUntilItIsWoken) {
  Shared shared;
  auto other = named_thread("other", [&](const std::stop_token&) { shared.add(7); });
  MutexLock lock(shared.mutex);
  while (shared.value == 0) lock.wait(shared.changed);
  EXPECT_EQ(shared.value, 7);
}

TEST(MutexLock, WaitUntilSaysWhenTheTimeWasUp) {
  using std::chrono::milliseconds;
  using std::chrono::steady_clock;
  Shared shared;
  MutexLock lock(shared.mutex);
  auto deadline = steady_clock::now() + milliseconds(30);
  while (lock.wait_until(shared.changed, deadline)) {  // true: woken for no reason
  }
  EXPECT_GE(steady_clock::now(), deadline);
  shared.value = 1;  // the mutex is held again: the analysis and tsan would tell
  EXPECT_EQ(shared.value, 1);
}

TEST(MutexLock, WaitUntilIsWokenBeforeTheDeadline) {
  Shared shared;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  auto other = named_thread("other", [&](const std::stop_token&) { shared.add(1); });
  MutexLock lock(shared.mutex);
  while (shared.value == 0) ASSERT_TRUE(lock.wait_until(shared.changed, deadline));
  EXPECT_LT(std::chrono::steady_clock::now(), deadline);
}

}  // namespace
}  // namespace tillrace
