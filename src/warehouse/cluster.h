// A private PostgreSQL server, made and run by Tillrace itself from the installed PostgreSQL.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace tillrace::warehouse {

struct ClusterOptions {
  std::filesystem::path folder;  // <data-dir>/postgres
  // On 127.0.0.1. 0: a free one is chosen once and kept in the folder. Where another program has
  // it, another one is taken, with a warning.
  std::uint16_t port = 0;
  // How long a start may take with crash recovery. A server that is still recovering then goes on
  // by itself.
  int start_timeout_ms = 300'000;
  // For the last checkpoint; then the server is stopped as after a power cut.
  int stop_timeout_ms = 30'000;
  int hung_after_ms = 10'000;  // a server that is silent for so long is stopped and started again
  int max_connections = 64;
  int shared_buffers_mb = 128;
  int max_wal_size_mb = 2048;
  std::int64_t log_max_bytes =
      std::int64_t{8} * 1024 * 1024;  // of server.log and of the one kept before it
  // Where `initdb` and `postgres` are; empty: they are searched for, last in `search_path` (the
  // environment's PATH).
  std::filesystem::path bin_folder;
  std::string search_path = "/usr/local/bin:/usr/bin:/bin";
  // Where clusters go that cannot lie in their data folder; see Cluster.
  std::filesystem::path system_folder = "/var/lib/tillrace";
};

// How to reach a running cluster.
struct ClusterFacts {
  std::string url;      // by the unix socket, for Tillrace's own processes. Holds the password.
  std::string tcp_url;  // by 127.0.0.1, for psql, pgAdmin and Power BI. Holds the password.
  pid_t server_pid = 0;
  std::filesystem::path log_file;
};

// The embedded warehouse: owns the folder, and one server process on it. User and database are
// `tillrace`; every way in, unix socket too, asks for a password of 192 random bits, which lies in
// <folder>/password (mode 0600).
//
// What lies where: <home>/data is PostgreSQL's own, <home>/postgresql.conf and pg_hba.conf are
// written at each start (own settings go into <home>/local.conf, which wins), <home>/server.log is
// the server's log. <home> is the folder itself, except for root where PostgreSQL's user cannot
// enter it (such as below /root): then it is <system_folder>/<hash of the folder's path>, and
// <folder>/location says so. As root the server runs as the user who owns <home>/data, at first
// `postgres` if there is one, else `nobody`.
//
// The server is a child in a session of its own, so that Ctrl-C reaches it only through stop(). It
// outlives a kill -9 of this process: the next start() adopts it when it answers, stops and starts
// it again when it does not; it is never started twice.
//
// Thread-safe. `clock` and `random` must outlive it.
class Cluster {
  class Impl;

 public:
  // The server answers when this returns. On the first start makes the cluster, in one step: what a
  // kill leaves half made, the next start removes. not_found when no PostgreSQL is installed,
  // invalid when it is too old, or of another major version than the folder, unavailable when the
  // folder is in use or the server does not come up in time.
  static Result<std::unique_ptr<Cluster>> start(const ClusterOptions& options, Clock& clock,
                                                Random& random);
  explicit Cluster(std::unique_ptr<Impl> impl);
  // Stops the server, as stop() does.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // The running cluster of that folder, whichever process started it; for commands beside a running
  // `up`. not_found when none runs there.
  static Result<ClusterFacts> find(const std::filesystem::path& folder);

  // Read them again after ensure_running(): a restart can have moved the port.
  std::string url() const;
  std::string tcp_url() const;
  std::filesystem::path socket_folder() const;
  pid_t server_pid() const;

  // ok when the server answers; costs a few milliseconds when all is well. Else waits for its
  // recovery, or starts it again once the old one's processes are gone, trying up to
  // start_timeout_ms with growing pauses. shutting_down after stop() was called.
  Status ensure_running();
  // Ends all sessions, writes the last checkpoint and waits until the server is gone. unavailable
  // when it had to be killed (the next start recovers). Ends an ensure_running() that waits in
  // another thread. Twice is once.
  Status stop();

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tillrace::warehouse
