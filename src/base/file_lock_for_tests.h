// How tests of one working folder, each a process of its own under ctest, share a server. Included
// by tests alone.
#pragma once
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace tillrace {

// A file whose flock(2) is held while this lives; the kernel lets go of it with the process.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path, int kind = LOCK_EX)
      : fd_(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
    while (fd_ >= 0 && ::flock(fd_, kind) != 0 && errno == EINTR) {
    }
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() { ::close(fd_); }
  // True when nobody else holds it, in whatever way.
  static bool is_free(const std::filesystem::path& path) {
    FileLock lock(path, LOCK_EX | LOCK_NB);
    return lock.fd_ >= 0 && ::flock(lock.fd_, LOCK_EX | LOCK_NB) == 0;
  }

 private:
  int fd_;
};

}  // namespace tillrace
