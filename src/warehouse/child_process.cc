#include "warehouse/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace tillrace::warehouse {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kOutputBytesMax = 65'536;
constexpr std::size_t kUserEntryBytesMax = 65'536;  // of a line of passwd(5)

tl::unexpected<Error> errno_error(std::string_view doing) {
  return fail(Code::unavailable, "cannot {}: {}", doing, errno_text(errno));
}

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("make a pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// The child's numbers for its files; above them all is closed.
constexpr int kReportFd = 3;
constexpr int kKeptFd = 4;
constexpr int kFirstOtherFd = 5;

// Where the child stopped on its way to the program.
enum class Step { session, files, folder, groups, user, program };

std::string_view doing(Step step) {
  switch (step) {
    case Step::session: return "start a session";
    case Step::files: return "hand over files";
    case Step::folder: return "enter /";
    case Step::groups: return "drop the groups";
    case Step::user: return "become the user";
    case Step::program: return "execute the program";
  }
  return "start";
}

struct Report {
  Step step;
  int error;
};

// All that the child needs, made before fork: between fork and exec a process of many threads may
// not allocate.
struct Prepared {
  std::vector<char*> arguments;
  std::vector<std::string> environment_texts;
  std::vector<char*> environment;
  const SystemUser* user;
  int null_fd;
  int output_fd;
  int kept_fd;
  int report_fd;
  pid_t caller;  // 0: may outlive it
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> small_environment() {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
          "TZ=UTC", "HOME=/"};
}

bool drop_to(const SystemUser& user, Step& step) {
  step = Step::groups;
  if (::setgroups(user.groups.size(), user.groups.data()) != 0) return false;
  if (::setgid(user.gid) != 0) return false;
  step = Step::user;
  return ::setuid(user.uid) == 0;
}

void default_signals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

void close_from(int first) {
  if (::syscall(SYS_close_range, first, ~0U, 0) == 0) return;
  long last = ::sysconf(_SC_OPEN_MAX);
  for (long fd = first; fd < last; ++fd) ::close(static_cast<int>(fd));
}

// Async-signal-safe calls only.
[[noreturn]] void become(const Prepared& prepared) {
  Step step = Step::session;
  bool good = ::setsid() >= 0;
  if (good) {
    step = Step::files;
    good = ::dup2(prepared.null_fd, 0) == 0 && ::dup2(prepared.output_fd, 1) == 1 &&
           ::dup2(prepared.output_fd, 2) == 2 &&
           ::dup2(prepared.report_fd, kReportFd) == kReportFd &&
           ::fcntl(kReportFd, F_SETFD, FD_CLOEXEC) == 0 &&
           ::dup2(prepared.kept_fd, kKeptFd) == kKeptFd;
  }
  int report_fd = good ? kReportFd : prepared.report_fd;
  if (good) {
    close_from(kFirstOtherFd);
    default_signals();
    ::umask(077);
    step = Step::folder;
    good = ::chdir("/") == 0 && (prepared.user == nullptr || drop_to(*prepared.user, step));
    // After the change of user, which clears it; and the caller can have gone before.
    if (good && prepared.caller != 0) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (good && prepared.caller != 0 && ::getppid() != prepared.caller) ::_exit(127);
  }
  if (good) {
    step = Step::program;
    ::execve(prepared.arguments[0], prepared.arguments.data(), prepared.environment.data());
  }
  Report report{step, errno};
  ssize_t ignored = ::write(report_fd, &report, sizeof report);
  static_cast<void>(ignored);
  ::_exit(127);
}

// Numbers that the child's 0 to 3 cannot collide with.
Result<Fd> moved_up(int fd) {
  int high = ::fcntl(fd, F_DUPFD_CLOEXEC, kFirstOtherFd);
  if (high < 0) return errno_error("duplicate a file descriptor");
  return Fd(high);
}

int wait_for_end(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// False when the time was up before the end of the output.
bool read_to_end(int fd, std::string& output, Clock& clock, std::chrono::nanoseconds deadline) {
  std::array<char, 4096> buffer;
  while (true) {
    auto left = std::chrono::ceil<milliseconds>(deadline - clock.monotonic()).count();
    pollfd ready{fd, POLLIN, 0};
    int count = left > 0 ? ::poll(&ready, 1, static_cast<int>(left)) : 0;
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    ssize_t length = ::read(fd, buffer.data(), buffer.size());
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return true;
    output.append(buffer.data(), static_cast<std::size_t>(length));
    output.resize(std::min(output.size(), kOutputBytesMax));
  }
}

SystemUser with_groups(const passwd& entry) {
  SystemUser user{entry.pw_name, entry.pw_uid, entry.pw_gid, {}};
  int count = 64;
  user.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(entry.pw_name, entry.pw_gid, user.groups.data(), &count) < 0) {
    user.groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(entry.pw_name, entry.pw_gid, user.groups.data(), &count);
  }
  user.groups.resize(static_cast<std::size_t>(count));
  return user;
}

}  // namespace

Result<SystemUser> find_user(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(kUserEntryBytesMax);
  ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return fail(Code::not_found, "there is no user {}", name);
  return with_groups(entry);
}

Result<SystemUser> find_user(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(kUserEntryBytesMax);
  ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return fail(Code::not_found, "there is no user with the id {}", uid);
  return with_groups(entry);
}

Result<pid_t> spawn(const Command& command) {
  Fd null_file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null_file.get() < 0) return errno_error("open /dev/null");
  Result<Pipe> report = make_pipe();
  if (!report) return fail(report.error());
  Result<Fd> null_fd = moved_up(null_file.get());
  if (!null_fd) return fail(null_fd.error());
  Result<Fd> output_fd = moved_up(command.output_fd >= 0 ? command.output_fd : null_file.get());
  if (!output_fd) return fail(output_fd.error());
  Result<Fd> kept_fd = moved_up(command.kept_fd >= 0 ? command.kept_fd : null_file.get());
  if (!kept_fd) return fail(kept_fd.error());
  Result<Fd> report_fd = moved_up(report->write_end.get());
  if (!report_fd) return fail(report_fd.error());
  Prepared prepared{pointers(command.arguments),
                    small_environment(),
                    {},
                    command.user ? &*command.user : nullptr,
                    null_fd->get(),
                    output_fd->get(),
                    kept_fd->get(),
                    report_fd->get(),
                    command.dies_with_caller ? ::getpid() : 0};
  prepared.environment = pointers(prepared.environment_texts);

  pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork");
  if (pid == 0) become(prepared);
  report->write_end.close();
  report_fd->close();
  Report failure{};
  ssize_t length = 0;
  do {
    length = ::read(report->read_end.get(), &failure, sizeof failure);
  } while (length < 0 && errno == EINTR);
  if (length == 0) return pid;  // exec has closed the pipe
  wait_for_end(pid);
  return fail(Code::unavailable, "cannot run {}: cannot {}{}: {}", command.arguments[0],
              doing(failure.step), command.user ? " " + command.user->name : "",
              errno_text(failure.error));
}

Result<Finished> run(const Command& command, int timeout_ms, Clock& clock) {
  Result<Pipe> pipe = make_pipe();
  if (!pipe) return fail(pipe.error());
  Command piped = command;
  piped.output_fd = pipe->write_end.get();
  piped.dies_with_caller = true;
  Result<pid_t> pid = spawn(piped);
  pipe->write_end.close();
  if (!pid) return fail(pid.error());
  Finished finished{};
  auto deadline = clock.monotonic() + milliseconds(timeout_ms);
  bool in_time = read_to_end(pipe->read_end.get(), finished.output, clock, deadline);
  if (!in_time) ::kill(-*pid, SIGKILL);
  finished.exit_code = wait_for_end(*pid);
  if (!in_time)
    return fail(Code::unavailable, "{} took longer than {} ms and was killed", command.arguments[0],
                timeout_ms);
  return finished;
}

Result<bool> can_enter(const SystemUser& user, const std::filesystem::path& folder) {
  pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork");
  if (pid == 0) {
    Step step{};
    bool allowed = drop_to(user, step) && ::access(folder.c_str(), X_OK) == 0;
    ::_exit(allowed ? 0 : 1);
  }
  return wait_for_end(pid) == 0;
}

}  // namespace tillrace::warehouse
