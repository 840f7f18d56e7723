// std::mutex with clang's thread-safety annotations, so that the preset "lint" proves what each
// lock guards.
#pragma once
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define TILLRACE_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define TILLRACE_THREAD_ANNOTATION(x)
#endif
#define CAPABILITY(x) TILLRACE_THREAD_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY TILLRACE_THREAD_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) TILLRACE_THREAD_ANNOTATION(guarded_by(x))
#define REQUIRES(...) TILLRACE_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) TILLRACE_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) TILLRACE_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) TILLRACE_THREAD_ANNOTATION(release_capability(__VA_ARGS__))

namespace tillrace {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds the mutex for its lifetime. wait() gives it up while it waits, as std::condition_variable
// does; write the condition as a loop around wait(), so that the analysis sees the guarded reads
// under the lock.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : lock_(mutex.mutex_) {}
  ~MutexLock() RELEASE() = default;
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void wait(std::condition_variable& condition) { condition.wait(lock_); }
  // False when the time was up.
  template <class Clock, class Duration>
  bool wait_until(std::condition_variable& condition,
                  const std::chrono::time_point<Clock, Duration>& deadline) {
    return condition.wait_until(lock_, deadline) == std::cv_status::no_timeout;
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace tillrace
