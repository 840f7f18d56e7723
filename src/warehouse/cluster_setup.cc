#include "warehouse/cluster_setup.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <fstream>

#include "base/files.h"
#include "base/logging.h"

namespace tillrace::warehouse {
namespace {

namespace fs = std::filesystem;

constexpr int kInitdbTimeoutMs = 120'000;
constexpr std::size_t kPasswordBytes = 24;
// A process that is being killed looks gone a little before its files are closed.
constexpr std::chrono::milliseconds kLockTimeout{1'000};
constexpr std::chrono::milliseconds kLockPollInterval{10};
constexpr std::string_view kDraftPrefix = "data.new-";
// Below the kernel's range for outgoing connections, so that a remembered port is not taken by one
// of those.
constexpr std::uint32_t kFirstPort = 20'000;
constexpr std::uint32_t kLastPort = 31'999;

Status remove_path(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return fail(Code::unavailable, "cannot remove {}: {}", path.string(), error.message());
  return {};
}

std::string random_hex(Random& random, std::size_t byte_count) {
  std::vector<std::uint8_t> bytes(byte_count);
  random.fill(bytes);
  std::string text;
  for (std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

// Kept when there is one: it is older than any data that it opens.
Result<std::string> make_password(const ClusterHome& home, Random& random) {
  std::error_code error;
  if (fs::exists(home.password_file(), error)) return read_password(home);
  std::string password = random_hex(random, kPasswordBytes);
  Status written = write_file_atomically(home.password_file(), password + "\n", 0600);
  if (!written) return fail(written.error());
  return password;
}

Status give_to_server_user(const fs::path& path, const ClusterHome& home) {
  if (!home.server_user) return {};
  if (::lchown(path.c_str(), home.server_user->uid, home.server_user->gid) == 0) return {};
  return fail(Code::unavailable, "cannot give {} to user {}: {}", path.string(),
              home.server_user->name, errno_text(errno));
}

void remove_drafts(const ClusterHome& home) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(home.home, error)) {
    if (!entry.path().filename().string().starts_with(kDraftPrefix)) continue;
    if (Status removed = remove_path(entry.path()); !removed)
      logging::warning("{}", removed.error().message);
  }
}

// The last lines, where programs say why they gave up.
std::string end_of(const std::string& output) {
  constexpr std::size_t length_max = 400;
  std::string text = output.substr(output.size() - std::min(output.size(), length_max));
  for (char& byte : text) {
    if (byte == '\n') byte = ' ';
  }
  return text;
}

Status run_initdb(const ClusterHome& home, const PostgresInstall& install, const fs::path& data,
                  const fs::path& password_file, Clock& clock) {
  for (std::string_view locale : {"C.UTF-8", "C"}) {
    if (Status removed = remove_path(data); !removed) return removed;
    if (Status made = make_private_folder(data, home); !made) return made;
    Command command{
        {install.bin_folder / "initdb", "--pgdata=" + data.string(), "--username=tillrace",
         "--pwfile=" + password_file.string(), "--auth=scram-sha-256",
         fmt::format("--locale={}", locale), "--encoding=UTF8", "--no-sync"},
        home.server_user};
    auto finished = run(command, kInitdbTimeoutMs, clock);
    if (!finished) return fail(finished.error());
    if (finished->exit_code == 0) return {};
    bool retry = finished->output.find("invalid locale") != std::string::npos;
    if (!retry || locale == "C")
      return fail(Code::unavailable, "initdb failed with exit code {}: {}", finished->exit_code,
                  end_of(finished->output));
  }
  return {};
}

tl::unexpected<Error> open_error(const fs::path& path) {
  return fail(Code::unavailable, "cannot open {}: {}", path.string(), errno_text(errno));
}

// One sync for all of a new cluster's files, instead of a thousand.
Status sync_file_system(const fs::path& folder) {
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool synced = fd >= 0 && ::syncfs(fd) == 0;
  int error = errno;
  if (fd >= 0) ::close(fd);
  if (synced) return {};
  return fail(Code::unavailable, "cannot sync {}: {}", folder.string(), errno_text(error));
}

bool port_is_free(int port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return bound;
}

int remembered_port(const ClusterHome& home) {
  auto text = read_file(home.port_file());
  int port = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), port);
  return port > 0 && port <= 65535 ? port : 0;
}

Result<int> any_free_port(Random& random) {
  constexpr int tries = 200;
  for (int i = 0; i < tries; ++i) {
    std::array<std::uint8_t, 4> bytes{};
    random.fill(bytes);
    std::uint32_t number = 0;
    std::memcpy(&number, bytes.data(), sizeof number);
    int port = static_cast<int>(kFirstPort + number % (kLastPort - kFirstPort + 1));
    if (port_is_free(port)) return port;
  }
  return fail(Code::unavailable, "no free port on 127.0.0.1 between {} and {}", kFirstPort,
              kLastPort);
}

// A text in postgresql.conf.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (char byte : text) {
    if (byte == '\'' || byte == '\\') result += byte;
    result += byte;
  }
  return result + "'";
}

// An item of a list in postgresql.conf, where a comma would end it.
std::string list_item(const std::string& text) {
  std::string result = "\"";
  for (char byte : text) {
    if (byte == '"') result += byte;
    result += byte;
  }
  return result + "\"";
}

std::string configuration(const ClusterHome& home, const PostgresInstall& install,
                          const ClusterOptions& options, int port) {
  std::string text = fmt::format(
      "# Written by Tillrace at each start. Put your own settings into local.conf beside it; they "
      "win.\n"
      "data_directory = {}\n"
      "hba_file = {}\n"
      "cluster_name = '{}'\n"
      "listen_addresses = '127.0.0.1'\n"
      "port = {}\n"
      "unix_socket_directories = {}\n"
      "max_connections = {}\n"
      "shared_buffers = {}MB\n"
      "wal_buffers = 16MB\n"
      "max_wal_size = {}MB\n",
      quoted(home.data()), quoted(home.access_file()), home.identity().cluster_name, port,
      quoted(list_item(home.socket_folder())), options.max_connections, options.shared_buffers_mb,
      options.max_wal_size_mb);
  text += fmt::format("wal_compression = {}\n", knows_lz4(install) ? "lz4" : "on");
  // What a session of a killed process runs must not go on holding locks for long.
  if (install.major >= 14) text += "client_connection_check_interval = 2s\n";
  text +=
      "unix_socket_permissions = 0700\n"
      "password_encryption = scram-sha-256\n"
      "fsync = on\n"
      "full_page_writes = on\n"
      "wal_level = replica  # so that pg_basebackup and a standby stay possible\n"
      "min_wal_size = 256MB\n"
      "checkpoint_timeout = 15min\n"
      "checkpoint_completion_target = 0.9\n"
      "work_mem = 16MB\n"
      "maintenance_work_mem = 128MB\n"
      "random_page_cost = 1.1\n"
      "jit = off  # compiling costs more than our short statements take\n"
      "autovacuum = on\n"
      "timezone = 'UTC'\n"
      "log_timezone = 'UTC'\n"
      "log_destination = 'stderr'\n"
      "logging_collector = off  # stderr is server.log, which Tillrace bounds\n"
      "log_checkpoints = off\n"
      "log_line_prefix = '%m [%p] '\n"
      "include_if_exists = 'local.conf'\n";
  return text;
}

constexpr std::string_view kAccess =
    "# Written by Tillrace at each start: the password, however one comes.\n"
    "local all all scram-sha-256\n"
    "host all all 127.0.0.1/32 scram-sha-256\n"
    "local replication all scram-sha-256\n"
    "host replication all 127.0.0.1/32 scram-sha-256\n";

}  // namespace

Status initialise_cluster(const ClusterHome& home, const PostgresInstall& install, Clock& clock,
                          Random& random) {
  remove_drafts(home);
  // A name of its own: a start that was killed may have left an initdb that is still on its way.
  fs::path draft = home.home / fmt::format("{}{}", kDraftPrefix, random_hex(random, 4));
  fs::path password_file = home.home / "password.initdb";
  Result<std::string> password = make_password(home, random);
  if (!password) return fail(password.error());
  // initdb runs as the server's user, who may not read the password's own file.
  if (Status removed = remove_path(password_file); !removed) return removed;
  Status made = write_file_atomically(password_file, *password + "\n", 0600);
  if (made) made = give_to_server_user(password_file, home);
  if (made) made = run_initdb(home, install, draft, password_file, clock);
  // Ours lie in the home; two of a kind would mislead.
  for (const char* unused : {"postgresql.conf", "pg_hba.conf"}) {
    if (made) made = remove_path(draft / unused);
  }
  Status removed = remove_path(password_file);
  if (!made) return made;
  if (!removed) return removed;
  if (Status synced = sync_file_system(draft); !synced) return synced;
  std::error_code error;
  fs::rename(draft, home.data(), error);
  if (error)
    return fail(Code::unavailable, "cannot rename {}: {}", draft.string(), error.message());
  return sync_folder(home.home);
}

Result<int> choose_port(const ClusterHome& home, int wanted, Random& random) {
  int before = remembered_port(home);
  int preferred = wanted != 0 ? wanted : before;
  if (preferred != 0 && port_is_free(preferred)) {
    if (preferred == before) return preferred;
  } else {
    Result<int> other = any_free_port(random);
    if (!other) return other;
    if (preferred != 0)
      logging::warning("port {} on 127.0.0.1 is in use, PostgreSQL listens on {} instead",
                       preferred, *other);
    preferred = *other;
  }
  Status written = write_file_atomically(home.port_file(), fmt::format("{}\n", preferred));
  if (!written) return fail(written.error());
  return preferred;
}

Status write_configuration(const ClusterHome& home, const PostgresInstall& install,
                           const ClusterOptions& options, int port) {
  Status written =
      write_file_atomically(home.config_file(), configuration(home, install, options, port));
  if (!written) return written;
  return write_file_atomically(home.access_file(), kAccess);
}

Status remove_stale_locks(const ClusterHome& home) {
  if (Status removed = remove_path(home.data() / "postmaster.pid"); !removed) return removed;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(home.socket_folder(), error)) {
    if (!entry.path().filename().string().starts_with(".s.PGSQL.")) continue;
    if (Status removed = remove_path(entry.path()); !removed) return removed;
  }
  return {};
}

Result<Fd> lock_server(const ClusterHome& home, Clock& clock) {
  Fd lock(::open(home.lock_file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.get() < 0) return open_error(home.lock_file());
  auto deadline = clock.monotonic() + kLockTimeout;
  bool locked = false;
  while (!(locked = ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) && clock.monotonic() < deadline)
    clock.sleep_for(kLockPollInterval);
  if (!locked)
    return fail(Code::unavailable,
                "a PostgreSQL server that cannot be seen from here, perhaps in another container, "
                "still works on {}; stop it first",
                home.data().string());
  return lock;
}

Result<pid_t> launch_server(const ClusterHome& home, const PostgresInstall& install,
                            const Fd& lock) {
  Fd log(::open(home.log_file().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (log.get() < 0) return open_error(home.log_file());
  Command command{{install.bin_folder / "postgres", "-D", home.data(), "-c",
                   "config_file=" + home.config_file().string()},
                  home.server_user,
                  log.get(),
                  lock.get()};
  return spawn(command);
}

void bound_log(const ClusterHome& home, std::int64_t max_bytes) {
  std::error_code error;
  std::uintmax_t size = fs::file_size(home.log_file(), error);
  if (error || size <= static_cast<std::uintmax_t>(max_bytes)) return;
  fs::path before = home.log_file().string() + ".1";
  fs::copy_file(home.log_file(), before, fs::copy_options::overwrite_existing, error);
  // The server appends, so it goes on at the file's new beginning.
  if (!error) fs::resize_file(home.log_file(), 0, error);
  if (error) logging::warning("cannot rotate {}: {}", home.log_file().string(), error.message());
}

std::string last_words(const ClusterHome& home, std::uintmax_t from) {
  constexpr std::size_t lines_max = 4;
  std::ifstream log(home.log_file());
  log.seekg(static_cast<std::streamoff>(from));
  std::deque<std::string> lines;
  for (std::string line; std::getline(log, line);) {
    lines.push_back(line);
    if (lines.size() > lines_max) lines.pop_front();
  }
  std::string text;
  for (const std::string& line : lines) text += line + "; ";
  return fmt::format("{}see {}", text, home.log_file().string());
}

}  // namespace tillrace::warehouse
