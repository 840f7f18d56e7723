// Where a private cluster's files lie, and whose they are.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "warehouse/child_process.h"
#include "warehouse/cluster.h"
#include "warehouse/server_process.h"

namespace tillrace::warehouse {

struct ClusterHome {
  std::filesystem::path folder;           // canonical
  std::filesystem::path home;             // the folder, or where its file `location` points to
  std::optional<SystemUser> server_user;  // when this process is root

  std::filesystem::path data() const { return home / "data"; }
  std::filesystem::path config_file() const { return home / "postgresql.conf"; }
  std::filesystem::path access_file() const { return home / "pg_hba.conf"; }
  std::filesystem::path log_file() const { return home / "server.log"; }
  std::filesystem::path password_file() const { return folder / "password"; }
  // Locked by the server and all its processes for as long as one of them lives; see lock_server().
  std::filesystem::path lock_file() const { return home / "server.lock"; }
  std::filesystem::path port_file() const { return folder / "port"; }
  // <home>/socket, or a folder of /tmp where that would be too long for a unix socket's address.
  std::filesystem::path socket_folder() const;
  ServerIdentity identity() const;
};

// Makes the folders that are missing and decides who runs the server.
Result<ClusterHome> make_cluster_home(const ClusterOptions& options);
// Only looks; not_found when there is no such folder.
Result<ClusterHome> find_cluster_home(const std::filesystem::path& folder);

// The major version that made the data; nullopt when there is none yet.
Result<std::optional<int>> cluster_major(const ClusterHome& home);
Result<std::string> read_password(const ClusterHome& home);

// Makes `path`, or checks it: no link, the server user's, and closed to all others. Its parent may
// be /tmp. invalid when it is someone else's.
Status make_private_folder(const std::filesystem::path& path, const ClusterHome& home);

}  // namespace tillrace::warehouse
