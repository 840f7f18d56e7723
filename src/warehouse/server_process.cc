#include "warehouse/server_process.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <charconv>
#include <csignal>
#include <sstream>

#include "base/files.h"
#include "base/logging.h"

namespace tillrace::warehouse {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kPollInterval{10};
constexpr int kQuitTimeoutMs = 6'000;    // PostgreSQL itself gives its backends 5 s
constexpr int kOrphanTimeoutMs = 1'000;  // they end as soon as they look
constexpr int kKillTimeoutMs = 5'000;

bool same_file(const fs::path& a, const fs::path& b) {
  struct stat first {};
  struct stat second {};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

std::vector<std::string> command_line(const fs::path& process) {
  std::vector<std::string> arguments;
  auto text = read_file(process / "cmdline");
  std::istringstream parts(text ? *text : "");
  for (std::string part; std::getline(parts, part, '\0');) arguments.push_back(part);
  return arguments;
}

// The folder behind -D; empty when it is not said.
fs::path data_argument(const std::vector<std::string>& arguments) {
  for (std::size_t i = 1; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == "-D") return arguments[i + 1];
  }
  return {};
}

// A server on a folder that is there, is not ours, and names this process.
bool is_server_elsewhere(pid_t pid, const fs::path& its_data, const fs::path& our_data) {
  if (same_file(its_data, our_data)) return false;
  auto file = read_pid_file(its_data);
  return file && file->pid == pid;
}

template <class Number>
bool parse(std::string_view text, Number& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end != text.data();
}

std::string without_spaces(std::string text) {
  std::erase_if(text, [](char byte) { return byte == ' ' || byte == '\r'; });
  return text;
}

}  // namespace

Result<PidFile> read_pid_file(const fs::path& data) {
  auto text = read_file(data / "postmaster.pid");
  if (!text) return fail(text.error());
  // src/include/utils/pidfile.h: pid, data folder, start time, port, socket folder, address, memory
  // key, status
  std::vector<std::string> lines;
  std::istringstream parts(*text);
  for (std::string line; std::getline(parts, line);) lines.push_back(line);
  lines.resize(8);
  PidFile file;
  if (!parse(lines[0], file.pid))
    return fail(Code::not_found, "{} names no process", data.string());
  file.single_user = file.pid < 0;
  if (file.single_user) file.pid = -file.pid;
  parse(lines[3], file.port);
  file.socket_folder = lines[4];
  file.status = without_spaces(lines[7]);
  return file;
}

ProcessKind identify(pid_t pid, const ServerIdentity& identity) {
  if (pid <= 0) return ProcessKind::gone;
  fs::path process = fs::path("/proc") / std::to_string(pid);
  std::vector<std::string> arguments = command_line(process);
  if (arguments.empty()) return ProcessKind::gone;
  bool backend = arguments[0].starts_with("postgres: ");
  if (!backend && fs::path(arguments[0]).filename() != "postgres") return ProcessKind::other;
  // A server soon works in its data folder. Root without CAP_SYS_PTRACE, as in containers, cannot
  // see that of another user's process; then the command line has to do.
  if (same_file(process / "cwd", identity.data)) return ProcessKind::server;
  if (backend) {
    bool ours = arguments[0].starts_with("postgres: " + identity.cluster_name + ":");
    return ours ? ProcessKind::server : ProcessKind::other;
  }
  fs::path its_data = data_argument(arguments);
  if (same_file(its_data, identity.data)) return ProcessKind::server;
  struct stat working_folder {};
  if (::stat((process / "cwd").c_str(), &working_folder) == 0) return ProcessKind::other;
  return is_server_elsewhere(pid, its_data, identity.data) ? ProcessKind::other
                                                           : ProcessKind::unclear;
}

bool server_runs(pid_t pid, const ServerIdentity& identity) {
  if (pid <= 0) return false;
  pid_t ended = ::waitpid(pid, nullptr, WNOHANG);
  // A child that is not to be reaped yet may already look gone in /proc, but still holds its files.
  if (ended >= 0) return ended == 0;
  return identify(pid, identity) == ProcessKind::server;
}

std::vector<pid_t> processes_of(const ServerIdentity& identity) {
  std::vector<pid_t> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    std::string name = entry.path().filename();
    pid_t pid = 0;
    if (name.find_first_not_of("0123456789") != std::string::npos || !parse(name, pid)) continue;
    if (identify(pid, identity) == ProcessKind::server) found.push_back(pid);
  }
  return found;
}

bool wait_until_gone(pid_t pid, const ServerIdentity& identity, int timeout_ms, Clock& clock) {
  auto deadline = clock.monotonic() + milliseconds(timeout_ms);
  while (server_runs(pid, identity)) {
    if (clock.monotonic() >= deadline) return false;
    clock.sleep_for(kPollInterval);
  }
  return true;
}

Status kill_server(pid_t pid, const ServerIdentity& identity, Clock& clock) {
  if (server_runs(pid, identity)) {
    ::kill(pid, SIGQUIT);
    ::kill(pid, SIGCONT);
    if (!wait_until_gone(pid, identity, kQuitTimeoutMs, clock)) {
      logging::warning("the PostgreSQL server {} does not end itself, killing it", pid);
      ::kill(pid, SIGKILL);
      if (!wait_until_gone(pid, identity, kKillTimeoutMs, clock))
        return fail(Code::unavailable, "cannot kill the PostgreSQL server, process {}", pid);
    }
  }
  return end_orphans(identity, clock);
}

Status end_orphans(const ServerIdentity& identity, Clock& clock) {
  auto patient_until = clock.monotonic() + milliseconds(kOrphanTimeoutMs);
  auto deadline = patient_until + milliseconds(kKillTimeoutMs);
  while (true) {
    std::vector<pid_t> left = processes_of(identity);
    if (left.empty()) return {};
    if (clock.monotonic() >= deadline)
      return fail(Code::unavailable,
                  "process {} of a PostgreSQL server that is gone cannot be ended", left.front());
    if (clock.monotonic() >= patient_until) {
      for (pid_t pid : left) ::kill(pid, SIGKILL);
    }
    clock.sleep_for(kPollInterval);
  }
}

}  // namespace tillrace::warehouse
