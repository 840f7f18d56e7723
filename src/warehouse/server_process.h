// Which processes are the PostgreSQL server of a data folder, and how to end them. Nothing is
// signalled that is not known to be PostgreSQL's: the pid in a file left behind may long be another
// program's.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tillrace::warehouse {

// <data>/postmaster.pid, written by the server.
struct PidFile {
  pid_t pid = 0;
  bool single_user = false;  // a person repairs the cluster with postgres --single
  int port = 0;              // 0: not yet known, as for the next two
  std::filesystem::path socket_folder;
  std::string status;  // starting, stopping, ready, standby
};
// not_found when there is none.
Result<PidFile> read_pid_file(const std::filesystem::path& data);

// A data folder and the name its server's processes carry (cluster_name, "postgres: <name>:
// checkpointer").
struct ServerIdentity {
  std::filesystem::path data;
  std::string cluster_name;
};

enum class ProcessKind {
  gone,     // no such process, or only its zombie
  server,   // a server on that data folder
  other,    // another program, or a server of another folder
  unclear,  // a server, but which folder's cannot be seen
};
ProcessKind identify(pid_t pid, const ServerIdentity& identity);
// Whether `pid`, which was this folder's server, still is. Reaps it if it is a child of ours that
// has ended.
bool server_runs(pid_t pid, const ServerIdentity& identity);

// All processes of that cluster that still run: the server's and its backends', also those that
// lost their server.
std::vector<pid_t> processes_of(const ServerIdentity& identity);

// Ends the server within a few seconds and without a checkpoint, as a power cut would, and then all
// that is left of it. Continues a stopped one (SIGSTOP), so that it can end itself.
Status kill_server(pid_t pid, const ServerIdentity& identity, Clock& clock);
// Waits until no process of the cluster is left; a backend that does not notice that its server is
// gone is killed.
Status end_orphans(const ServerIdentity& identity, Clock& clock);
// Polls until `pid`, which was this folder's server, is gone; false when the time was up.
bool wait_until_gone(pid_t pid, const ServerIdentity& identity, int timeout_ms, Clock& clock);

}  // namespace tillrace::warehouse
