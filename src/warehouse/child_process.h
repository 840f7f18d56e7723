// Runs other programs: no shell, nothing inherited but what is said here.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tillrace::warehouse {

// Owns a file descriptor.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() { close(); }
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// errno in words.
inline std::string errno_text(int error) { return std::generic_category().message(error); }

// Whom a child runs as, when this process is root.
struct SystemUser {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};
// not_found when there is no such user.
Result<SystemUser> find_user(const std::string& name);
Result<SystemUser> find_user(uid_t uid);

struct Command {
  std::vector<std::string> arguments;  // the first is the program's absolute path
  std::optional<SystemUser> user;      // to drop to before the program starts
  int output_fd = -1;                  // for stdout and stderr; -1: they are thrown away
  int kept_fd = -1;                    // stays open in the program; -1: none
  bool dies_with_caller = false;       // killed by the kernel when the calling thread ends
};

// Starts it as the leader of a session of its own, in the folder /, with an empty stdin, default
// signals, a small fixed environment and no other open files. The error names the step that failed,
// exec too. Whoever calls reaps the child.
Result<pid_t> spawn(const Command& command);

struct Finished {
  int exit_code;       // 128 + the signal's number for a killed one, as in a shell
  std::string output;  // stdout and stderr, as they came; the first 64 KB
};
// Runs it to its end; unavailable when it took longer than `timeout_ms`: then it is killed, with
// its session. It does not outlive a kill of this process.
Result<Finished> run(const Command& command, int timeout_ms, Clock& clock);

// Whether that user may pass through `folder` and all above it.
Result<bool> can_enter(const SystemUser& user, const std::filesystem::path& folder);

}  // namespace tillrace::warehouse
