#include "warehouse/cluster_home.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/files.h"

namespace tillrace::warehouse {
namespace {

namespace fs = std::filesystem;

// sockaddr_un holds 108 bytes with the final NUL; the longest file name there is .s.PGSQL.65535,
// behind a slash.
constexpr std::size_t kSocketFolderBytesMax = 107 - 15;

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): a short stable name for a long path, no
// secret.
std::string hash_of(const fs::path& path) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (char byte : path.string()) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 1099511628211ULL;
  }
  return fmt::format("{:016x}", hash);
}

bool is_root() { return ::geteuid() == 0; }

uid_t server_uid(const ClusterHome& home) {
  return home.server_user ? home.server_user->uid : ::geteuid();
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

Result<fs::path> canonical_folder(const fs::path& folder) {
  std::error_code error;
  fs::path path = fs::canonical(folder, error);
  if (error)
    return fail(error == std::errc::no_such_file_or_directory ? Code::not_found : Code::unavailable,
                "cannot enter {}: {}", folder.string(), error.message());
  std::string text = path.string();
  bool has_control = std::any_of(text.begin(), text.end(),
                                 [](char byte) { return static_cast<unsigned char>(byte) < ' '; });
  if (has_control)
    return fail(Code::invalid, "{} has a control character in its path", folder.string());
  return path;
}

// Where `location` points to; the folder itself when there is none.
Result<fs::path> recorded_home(const fs::path& folder) {
  auto location = read_file(folder / "location");
  if (!location) {
    if (location.error().code == Code::not_found) return folder;
    return fail(location.error());
  }
  fs::path home = first_line(*location);
  if (!home.is_absolute())
    return fail(Code::corrupt, "{} must hold the absolute path of the cluster, and holds \"{}\"",
                (folder / "location").string(), home.string());
  return home;
}

// The owner of the data; for a new cluster `postgres`, which the packages make, else `nobody`.
Result<SystemUser> choose_server_user(const fs::path& data) {
  struct stat facts {};
  if (::stat(data.c_str(), &facts) == 0) {
    if (facts.st_uid == 0)
      return fail(Code::invalid,
                  "{} belongs to root, as whom PostgreSQL refuses to run; give it "
                  "to another user with chown -R",
                  data.string());
    auto owner = find_user(facts.st_uid);
    // The user may be gone from /etc/passwd, or never have been in this container's.
    return owner ? *owner
                 : SystemUser{std::to_string(facts.st_uid), facts.st_uid, facts.st_gid, {}};
  }
  auto postgres = find_user("postgres");
  return postgres ? postgres : find_user("nobody");
}

Status set_mode(const fs::path& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) == 0) return {};
  return fail(Code::unavailable, "cannot change the mode of {}: {}", path.string(),
              errno_text(errno));
}

bool has_data(const fs::path& home) {
  std::error_code error;
  return fs::exists(home / "data", error);
}

// For root: a home that the server's user can enter. Moves a new cluster elsewhere when its folder
// is closed to him.
Status settle_for_server_user(ClusterHome& home, const fs::path& system_folder) {
  constexpr mode_t pass_through = 0711;
  if (Status set = set_mode(home.home, pass_through); !set) return set;
  Result<bool> allowed = can_enter(*home.server_user, home.home);
  if (!allowed) return fail(allowed.error());
  if (*allowed) return {};
  if (has_data(home.home) || home.home != home.folder)
    return fail(Code::invalid,
                "user {}, who runs PostgreSQL for root, cannot enter {}; allow it with chmod o+x "
                "on all folders above",
                home.server_user->name, home.home.string());
  home.home = system_folder / hash_of(home.folder);
  if (Status made = make_folders(home.home); !made) return made;
  if (Status set = set_mode(home.home, pass_through); !set) return set;
  if (Status written = write_file_atomically(home.folder / "location", home.home.string() + "\n");
      !written)
    return written;
  allowed = can_enter(*home.server_user, home.home);
  if (!allowed) return fail(allowed.error());
  if (*allowed) return {};
  return fail(Code::invalid, "user {}, who runs PostgreSQL for root, can enter neither {} nor {}",
              home.server_user->name, home.folder.string(), home.home.string());
}

Status check_owner(const ClusterHome& home) {
  struct stat facts {};
  if (::stat(home.data().c_str(), &facts) != 0 || facts.st_uid == ::geteuid()) return {};
  return fail(Code::invalid,
              "{} belongs to the user with the id {}, not to you ({}); start as that "
              "user or as root",
              home.data().string(), facts.st_uid, ::geteuid());
}

}  // namespace

fs::path ClusterHome::socket_folder() const {
  fs::path beside = home / "socket";
  if (beside.string().size() <= kSocketFolderBytesMax) return beside;
  return fmt::format("/tmp/tillrace-{}-{}", server_uid(*this), hash_of(home));
}

ServerIdentity ClusterHome::identity() const { return {data(), "tillrace-" + hash_of(home)}; }

Result<ClusterHome> make_cluster_home(const ClusterOptions& options) {
  if (Status made = make_folders(options.folder); !made) return fail(made.error());
  Result<ClusterHome> home = find_cluster_home(options.folder);
  if (!home) return home;
  if (Status made = make_folders(home->home); !made) return fail(made.error());
  Status settled;
  if (is_root()) {
    Result<SystemUser> user = choose_server_user(home->data());
    if (!user) return fail(user.error());
    home->server_user = std::move(*user);
    settled = settle_for_server_user(*home, options.system_folder);
  } else {
    settled = check_owner(*home);
    if (settled) settled = set_mode(home->home, 0700);
  }
  if (!settled) return fail(settled.error());
  return home;
}

Result<ClusterHome> find_cluster_home(const fs::path& folder) {
  Result<fs::path> path = canonical_folder(folder);
  if (!path) return fail(path.error());
  Result<fs::path> home = recorded_home(*path);
  if (!home) return fail(home.error());
  return ClusterHome{*path, *home, std::nullopt};
}

Result<std::optional<int>> cluster_major(const ClusterHome& home) {
  if (!has_data(home.home)) return std::optional<int>();
  auto text = read_file(home.data() / "PG_VERSION");
  int major = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), major);
  if (major > 0) return std::optional<int>(major);
  return fail(Code::corrupt,
              "{} holds no PostgreSQL cluster (no version in PG_VERSION); restore it, "
              "or move it away and rebuild the warehouse from the log",
              home.data().string());
}

Result<std::string> read_password(const ClusterHome& home) {
  auto text = read_file(home.password_file());
  if (text && !first_line(*text).empty()) return first_line(*text);
  std::error_code error;
  if (!text && fs::exists(home.password_file(), error))
    return fail(text.error().code, "{}; its owner may, who started the cluster",
                text.error().message);
  return fail(
      Code::corrupt,
      "{} does not hold the cluster's password; restore it, or move {} away and rebuild the "
      "warehouse from the log",
      home.password_file().string(), home.data().string());
}

Status make_private_folder(const fs::path& path, const ClusterHome& home) {
  auto refuse = [&](std::string_view why) {
    return fail(Code::invalid, "cannot use the folder {}: {}", path.string(), why);
  };
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(Code::unavailable, "cannot make {}: {}", path.string(), errno_text(errno));
  // By descriptor, so that what is checked is what is changed.
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return refuse(errno_text(errno));
  struct stat facts {};
  bool known = ::fstat(fd, &facts) == 0;
  uid_t uid = server_uid(home);
  // Root's own was made just now, or by a start that was killed here.
  if (known && facts.st_uid == 0 && home.server_user)
    known = ::fchown(fd, uid, home.server_user->gid) == 0 && ::fstat(fd, &facts) == 0;
  bool owned = known && facts.st_uid == uid;
  bool closed = owned && ::fchmod(fd, 0700) == 0;
  ::close(fd);
  if (owned && closed) return {};
  if (known && !owned)
    return refuse(fmt::format("it belongs to the user with the id {}, and should to {}; remove it",
                              facts.st_uid, uid));
  return refuse("cannot make it private");
}

}  // namespace tillrace::warehouse
