// What Tillrace writes into a private cluster's home: the cluster itself, its configuration, its
// port, its log.
#pragma once
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "warehouse/cluster_home.h"
#include "warehouse/postgres_install.h"

namespace tillrace::warehouse {

// Makes <home>/data with initdb, in one step and durably; first removes what an interrupted try has
// left.
Status initialise_cluster(const ClusterHome& home, const PostgresInstall& install, Clock& clock,
                          Random& random);

// The port to listen on: the wanted one, else the remembered one, if it is free; else another.
// Remembers it.
Result<int> choose_port(const ClusterHome& home, int wanted, Random& random);
// postgresql.conf and pg_hba.conf.
Status write_configuration(const ClusterHome& home, const PostgresInstall& install,
                           const ClusterOptions& options, int port);
// Removes the lock files of a server that is known to be gone: their pids may be others' by now.
Status remove_stale_locks(const ClusterHome& home);

// The right to start a server: a lock on <home>/server.lock, which the server inherits and all its
// processes hold. While one of them lives nobody gets it, even where they cannot be seen (in
// another container on the same volume): unavailable then.
Result<Fd> lock_server(const ClusterHome& home, Clock& clock);
// Starts the server as a child, its words appended to server.log.
Result<pid_t> launch_server(const ClusterHome& home, const PostgresInstall& install,
                            const Fd& lock);

// Keeps server.log from growing without bound: when it is beyond `max_bytes`, it becomes
// server.log.1 and starts anew. The server may go on writing meanwhile; what it writes in that
// moment is lost.
void bound_log(const ClusterHome& home, std::int64_t max_bytes);
// The last words of server.log behind byte `from`, in one line; for messages.
std::string last_words(const ClusterHome& home, std::uintmax_t from);

}  // namespace tillrace::warehouse
