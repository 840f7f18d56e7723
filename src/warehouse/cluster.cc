#include "warehouse/cluster.h"

#include <atomic>
#include <csignal>
#include <utility>

#include "base/files.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "warehouse/child_process.h"
#include "warehouse/cluster_home.h"
#include "warehouse/cluster_setup.h"
#include "warehouse/connection.h"
#include "warehouse/postgres_install.h"
#include "warehouse/server_process.h"

namespace tillrace::warehouse {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::string_view kDatabase = "tillrace";
constexpr milliseconds kPollInterval{10};
constexpr milliseconds kProgressInterval{5'000};
constexpr milliseconds kFirstPause{100};
constexpr int kStartTriesMax = 5;
constexpr int kProbeTimeoutMs = 1'000;
constexpr int kConnectTimeoutMs = 10'000;
// Until a new server listens at all; a loaded machine shall not be taken for a hung server.
constexpr int kLaunchSilenceMaxMs = 60'000;

std::string socket_url(const std::string& password, const fs::path& socket_folder, int port,
                       std::string_view database) {
  return fmt::format("postgresql://tillrace:{}@/{}?host={}&port={}", password, database,
                     percent_encoded(socket_folder.string()), port);
}

std::string tcp_url_of(const std::string& password, int port) {
  return fmt::format("postgresql://tillrace:{}@127.0.0.1:{}/{}", password, port, kDatabase);
}

// The server that runs, or none (pid 0).
struct Server {
  pid_t pid = 0;
  int port = 0;
  fs::path socket_folder;
};

enum class Outcome { answers, gone, hung };

}  // namespace

class Cluster::Impl {
 public:
  Impl(ClusterOptions options, ClusterHome home, PostgresInstall install, FolderLock lock,
       std::string password, Clock& clock, Random& random)
      : options_(std::move(options)),
        home_(std::move(home)),
        install_(std::move(install)),
        lock_(std::move(lock)),
        password_(std::move(password)),
        clock_(clock),
        random_(random) {}

  Status bring_up() EXCLUDES(work_);
  Status ensure_running() EXCLUDES(work_);
  Status stop() EXCLUDES(work_);
  Server server() const EXCLUDES(state_);
  std::string url(std::string_view database) const;
  std::string tcp_url() const { return tcp_url_of(password_, server().port); }

 private:
  Result<bool> adopt(nanoseconds deadline) REQUIRES(work_);
  Result<Fd> claim() REQUIRES(work_);
  Status start_server(Fd lock, nanoseconds deadline) REQUIRES(work_);
  Result<Outcome> await_answer(Server& server, int silence_max_ms, nanoseconds deadline)
      REQUIRES(work_);
  void read_facts(Server& server) REQUIRES(work_);
  Status ensure_database() REQUIRES(work_);
  Status stop_server(pid_t pid) REQUIRES(work_);
  Status take_over() REQUIRES(work_);
  void remember(Server server) EXCLUDES(state_);
  void forget_process() EXCLUDES(state_);

  const ClusterOptions options_;
  const ClusterHome home_;
  const PostgresInstall install_;
  const FolderLock lock_;
  const std::string password_;
  Clock& clock_;
  Random& random_;

  std::atomic<bool> stopping_ = false;
  mutable Mutex work_;  // one start or stop at a time
  mutable Mutex state_;
  Server server_ GUARDED_BY(state_);
};

Server Cluster::Impl::server() const {
  MutexLock lock(state_);
  return server_;
}

void Cluster::Impl::remember(Server server) {
  MutexLock lock(state_);
  server_ = std::move(server);
}

// Where it listened stays: that is where it is looked for until it is up again.
void Cluster::Impl::forget_process() {
  MutexLock lock(state_);
  server_.pid = 0;
}

std::string Cluster::Impl::url(std::string_view database) const {
  Server now = server();
  return socket_url(password_, now.socket_folder, now.port, database);
}

// The server's own word on where it listens, once it has one: local.conf may have moved it.
void Cluster::Impl::read_facts(Server& server) {
  auto file = read_pid_file(home_.data());
  if (!file || file->pid != server.pid || file->port == 0 || file->socket_folder.empty()) return;
  server.port = file->port;
  server.socket_folder = file->socket_folder;
}

// Polls until the server answers, ends, or has been silent for too long. A server that recovers
// from a crash says so, and is given the whole of start_timeout_ms.
Result<Outcome> Cluster::Impl::await_answer(Server& server, int silence_max_ms,
                                            nanoseconds deadline) {
  nanoseconds begun = clock_.monotonic();
  nanoseconds heard = begun;
  nanoseconds reported = begun;
  while (true) {
    if (stopping_) return fail(Code::shutting_down, "PostgreSQL is being stopped");
    if (!server_runs(server.pid, home_.identity())) return Outcome::gone;
    read_facts(server);
    std::string url = socket_url(password_, server.socket_folder, server.port, kDatabase);
    ServerState state = probe_server(url, std::min(kProbeTimeoutMs, silence_max_ms));
    nanoseconds now = clock_.monotonic();
    if (state == ServerState::accepting) return Outcome::answers;
    if (state == ServerState::not_yet) heard = now;
    if (now - heard >= milliseconds(silence_max_ms)) return Outcome::hung;
    if (now >= deadline)
      return fail(Code::unavailable,
                  "PostgreSQL (process {}) does not take connections after {} s; it goes on with "
                  "its recovery, start again later (see {})",
                  server.pid, options_.start_timeout_ms / 1000, home_.log_file().string());
    if (now - reported >= kProgressInterval) {
      reported = now;
      logging::info("waiting for PostgreSQL to start or recover, {} s so far",
                    std::chrono::duration_cast<std::chrono::seconds>(now - begun).count());
    }
    clock_.sleep_for(kPollInterval);
  }
}

// Takes over the server that runs on the folder, if there is one that answers. False: there is none
// any more.
Result<bool> Cluster::Impl::adopt(nanoseconds deadline) {
  auto file = read_pid_file(home_.data());
  if (!file) {
    if (file.error().code == Code::not_found) return false;
    return fail(file.error());
  }
  ProcessKind kind = identify(file->pid, home_.identity());
  if (kind == ProcessKind::gone || kind == ProcessKind::other) return false;
  if (kind == ProcessKind::unclear || file->single_user)
    return fail(Code::unavailable, "process {} is a PostgreSQL that {} {}; end it first", file->pid,
                file->single_user ? "works in single-user mode on" : "may work on",
                home_.data().string());
  Server found{file->pid, file->port, home_.socket_folder()};
  Result<Outcome> outcome = await_answer(found, options_.hung_after_ms, deadline);
  if (!outcome) return fail(outcome.error());
  if (*outcome == Outcome::answers) {
    remember(found);
    return true;
  }
  if (*outcome == Outcome::hung) {
    logging::warning("the PostgreSQL server {} does not answer, stopping it", found.pid);
    if (Status killed = kill_server(found.pid, home_.identity(), clock_); !killed)
      return fail(killed.error());
  }
  return false;
}

// Sees to it that nothing of an earlier server is left.
Result<Fd> Cluster::Impl::claim() {
  if (Status ended = end_orphans(home_.identity(), clock_); !ended) return fail(ended.error());
  return lock_server(home_, clock_);
}

// One try.
Status Cluster::Impl::start_server(Fd lock, nanoseconds deadline) {
  if (Status removed = remove_stale_locks(home_); !removed) return removed;
  if (Status made = make_private_folder(home_.socket_folder(), home_); !made) return made;
  Result<int> port = choose_port(home_, options_.port, random_);
  if (!port) return fail(port.error());
  if (Status written = write_configuration(home_, install_, options_, *port); !written)
    return written;
  bound_log(home_, options_.log_max_bytes);
  std::error_code error;
  std::uintmax_t log_size = fs::file_size(home_.log_file(), error);
  Result<pid_t> pid = launch_server(home_, install_, lock);
  lock.close();
  if (!pid) return fail(pid.error());
  Server started{*pid, *port, home_.socket_folder()};
  remember(started);  // so that stop() ends it, should it still recover when the time is up
  Result<Outcome> outcome = await_answer(started, kLaunchSilenceMaxMs, deadline);
  remember(started);
  if (outcome && *outcome == Outcome::answers) return {};
  if (outcome && *outcome == Outcome::gone)
    return fail(Code::unavailable, "PostgreSQL did not start: {}",
                last_words(home_, error ? 0 : log_size));
  if (!outcome && outcome.error().code == Code::unavailable) return fail(outcome.error());
  Status killed = kill_server(*pid, home_.identity(), clock_);
  if (!killed) return killed;
  if (!outcome) return fail(outcome.error());
  return fail(Code::unavailable, "PostgreSQL (process {}) did not answer for {} ms and was stopped",
              *pid, kLaunchSilenceMaxMs);
}

// Whatever is there: a running server, a hung one, its orphans, nothing.
Status Cluster::Impl::take_over() {
  Status last;
  milliseconds pause = kFirstPause;
  nanoseconds deadline = clock_.monotonic() + milliseconds(options_.start_timeout_ms);
  for (int i = 0; i < kStartTriesMax; ++i) {
    if (stopping_) return fail(Code::shutting_down, "PostgreSQL is being stopped");
    Result<bool> adopted = adopt(deadline);
    if (!adopted) return fail(adopted.error());
    if (*adopted) return {};
    forget_process();
    Result<Fd> lock = claim();
    if (!lock) return fail(lock.error());
    last = start_server(std::move(*lock), deadline);
    if (last || last.error().code != Code::unavailable) return last;
    if (i + 1 == kStartTriesMax) break;
    logging::warning("{}; trying again", last.error().message);
    clock_.sleep_for(pause);
    pause *= 2;
  }
  return last;
}

Status Cluster::Impl::ensure_database() {
  ConnectionOptions options;
  options.connect_timeout_ms = kConnectTimeoutMs;
  auto connection = Connection::open(url(kDatabase), options);
  if (connection) return {};
  if (connection.error().code != Code::not_found)
    return fail(connection.error(), home_.password_file().string());
  auto maintenance = Connection::open(url("postgres"), options);
  if (!maintenance) return fail(maintenance.error());
  return maintenance->execute(fmt::format("create database {}", kDatabase));
}

Status Cluster::Impl::bring_up() {
  MutexLock lock(work_);
  if (Status running = take_over(); !running) return running;
  Status made = ensure_database();
  if (made) return made;
  pid_t pid = server().pid;
  remember({});
  if (Status stopped = stop_server(pid); !stopped) logging::warning("{}", stopped.error().message);
  return made;
}

Status Cluster::Impl::ensure_running() {
  MutexLock lock(work_);
  if (stopping_) return fail(Code::shutting_down, "PostgreSQL is being stopped");
  bound_log(home_, options_.log_max_bytes);
  pid_t pid = server().pid;
  if (server_runs(pid, home_.identity()) &&
      probe_server(url(kDatabase), kProbeTimeoutMs) == ServerState::accepting)
    return {};
  logging::warning("the PostgreSQL server {} does not answer, looking after it", pid);
  return take_over();
}

Status Cluster::Impl::stop_server(pid_t pid) {
  if (!server_runs(pid, home_.identity())) return {};
  ::kill(pid, SIGINT);
  ::kill(pid, SIGCONT);  // a server that someone stopped could not hear it
  if (wait_until_gone(pid, home_.identity(), options_.stop_timeout_ms, clock_)) return {};
  Status killed = kill_server(pid, home_.identity(), clock_);
  if (!killed) return killed;
  return fail(Code::unavailable,
              "PostgreSQL did not end within {} ms and was killed; the next "
              "start recovers",
              options_.stop_timeout_ms);
}

Status Cluster::Impl::stop() {
  stopping_ = true;
  MutexLock lock(work_);
  pid_t pid = server().pid;
  if (pid == 0) return {};
  remember({});
  return stop_server(pid);
}

Cluster::Cluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Cluster::~Cluster() {
  if (Status stopped = impl_->stop(); !stopped) logging::warning("{}", stopped.error().message);
}

Result<std::unique_ptr<Cluster>> Cluster::start(const ClusterOptions& options, Clock& clock,
                                                Random& random) {
  // Before anything is made: without PostgreSQL there is nothing to make it for.
  auto installs = find_postgres_installs(options.bin_folder, options.search_path, clock);
  if (installs.empty())
    return fail(choose_postgres_install(installs, std::nullopt, options.folder).error());
  auto home = make_cluster_home(options);
  if (!home) return fail(home.error());
  auto lock = FolderLock::acquire(home->home);
  if (!lock) return fail(lock.error());
  auto major = cluster_major(*home);
  if (!major) return fail(major.error());
  auto install = choose_postgres_install(installs, *major, home->data());
  if (!install) return fail(install.error());
  if (!*major) {
    logging::info("making a PostgreSQL {} cluster in {}", install->version, home->home.string());
    if (Status made = initialise_cluster(*home, *install, clock, random); !made)
      return fail(made.error());
  }
  auto password = read_password(*home);
  if (!password) return fail(password.error());
  auto impl = std::make_unique<Impl>(options, std::move(*home), std::move(*install),
                                     std::move(*lock), std::move(*password), clock, random);
  if (Status up = impl->bring_up(); !up) return fail(up.error());
  return std::make_unique<Cluster>(std::move(impl));
}

Result<ClusterFacts> Cluster::find(const fs::path& folder) {
  auto home = find_cluster_home(folder);
  if (!home) return fail(home.error());
  auto file = read_pid_file(home->data());
  if (!file && file.error().code != Code::not_found) return fail(file.error());
  bool runs = file && !file->single_user && file->port != 0 &&
              identify(file->pid, home->identity()) == ProcessKind::server;
  if (!runs) return fail(Code::not_found, "no PostgreSQL runs in {}", folder.string());
  auto password = read_password(*home);
  if (!password) return fail(password.error());
  return ClusterFacts{socket_url(*password, file->socket_folder, file->port, kDatabase),
                      tcp_url_of(*password, file->port), file->pid, home->log_file()};
}

std::string Cluster::url() const { return impl_->url(kDatabase); }
std::string Cluster::tcp_url() const { return impl_->tcp_url(); }
fs::path Cluster::socket_folder() const { return impl_->server().socket_folder; }
pid_t Cluster::server_pid() const { return impl_->server().pid; }
Status Cluster::ensure_running() { return impl_->ensure_running(); }
Status Cluster::stop() { return impl_->stop(); }

}  // namespace tillrace::warehouse
