#include "warehouse/cluster.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "base/thread.h"
#include "warehouse/cluster_for_tests.h"

namespace tillrace::warehouse {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }

mode_t mode_of(const fs::path& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 0777 : 0;
}

void write(const fs::path& path, const std::string& content) {
  Status written = write_file_atomically(path, content);
  ASSERT_TRUE(written) << written.error().message;
}

// One value, or the error's text.
std::string answer(const std::string& url, const std::string& sql) {
  auto connection = Connection::open(url);
  if (!connection) return connection.error().message;
  auto rows = connection->query(sql);
  if (!rows) return rows.error().message;
  return rows->row_count() > 0 ? std::string(rows->cell(0, 0).value_or("NULL")) : "";
}

// Another process of the test's own, ended with the test at the latest.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : pid_(::fork()) {
    if (pid_ != 0) return;
    body();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { kill_it(); }
  pid_t pid() const { return pid_; }
  void kill_it() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    wait();
  }
  // The exit code.
  int wait() {
    int status = 0;
    if (pid_ > 0) ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

class ClusterTest : public testing::Test {
 protected:
  ClusterTest() : options_(test_options(folder_ / "postgres")) {}

  void use_template() { copy_template_cluster(options_.folder); }
  Result<std::unique_ptr<Cluster>> start() { return Cluster::start(options_, clock_, random_); }
  // A start that must succeed.
  std::unique_ptr<Cluster> started() {
    auto cluster = start();
    if (cluster) return std::move(*cluster);
    ADD_FAILURE() << cluster.error().message;
    std::abort();
  }
  // A start that must not.
  Error start_error() {
    auto cluster = start();
    EXPECT_FALSE(cluster);
    return cluster ? Error{Code::conflict, "it started"} : cluster.error();
  }
  fs::path data() const { return options_.folder / "data"; }

  // A server left behind by a process that was killed, with a row in it.
  pid_t leave_orphan() {
    Child owner([this] {
      auto cluster = started();
      answer(cluster->url(), "create table kept as select 42 as v");
      write(folder_ / "started", std::to_string(cluster->server_pid()));
      ::pause();
    });
    for (int tries = 0; !fs::exists(folder_ / "started") && tries < 2'000; ++tries) pause_ms(10);
    owner.kill_it();
    return number_in(read_file(folder_ / "started").value());
  }

  // initdb is at work, and has made `name` already.
  bool has_draft(std::string_view name) const {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(options_.folder, error)) {
      if (entry.path().filename().string().starts_with("data.new-"))
        return fs::exists(entry.path() / name, error);
    }
    return false;
  }

  TestFolder folder_;
  ClusterOptions options_;
  SystemClock clock_;
  SystemRandom random_;
};

TEST_F(ClusterTest, AFirstStartMakesAClusterThatAnswers) {
  auto begun = clock_.monotonic();
  auto cluster = started();
  EXPECT_LT(clock_.monotonic() - begun, seconds(10));
  EXPECT_EQ(answer(cluster->url(), "select current_user || ' ' || current_database()"),
            "tillrace tillrace");
  EXPECT_EQ(answer(cluster->url(), "show server_encoding"), "UTF8");
  EXPECT_EQ(answer(cluster->url(), "show listen_addresses"), "127.0.0.1");
  EXPECT_EQ(answer(cluster->url(), "show timezone"), "UTC");
  EXPECT_EQ(answer(cluster->url(), "show jit"), "off");
  EXPECT_EQ(answer(cluster->url(), "show fsync"), "on");
  EXPECT_EQ(answer(cluster->url(), "select 'b' < 'C'"), "f");  // by bytes, on every machine
  EXPECT_EQ(mode_of(options_.folder / "password"), 0600U);
  EXPECT_EQ(mode_of(cluster->socket_folder()), 0700U);
  EXPECT_FALSE(fs::exists(options_.folder / "password.initdb"));
  EXPECT_NE(::getsid(cluster->server_pid()), ::getsid(0));
}

TEST_F(ClusterTest, ASecondStartIsFastAndKeepsDataAndPort) {
  use_template();
  std::string url;
  {
    auto cluster = started();
    url = cluster->tcp_url();
    EXPECT_EQ(answer(url, "create table kept as select 42 as v"), "");
    ASSERT_TRUE(cluster->stop());
  }
  auto begun = clock_.monotonic();
  auto cluster = started();
  auto took = clock_.monotonic() - begun;
  EXPECT_LT(took, seconds(3));  // 0.2 s on a quiet machine; here also sanitised and crowded
  RecordProperty("start_ms", static_cast<int>(took / std::chrono::milliseconds(1)));
  EXPECT_EQ(cluster->tcp_url(), url);
  EXPECT_EQ(answer(cluster->url(), "select v from kept"), "42");
}

TEST_F(ClusterTest, EveryWayInAsksForThePassword) {
  use_template();
  auto cluster = started();
  EXPECT_EQ(answer(cluster->tcp_url(), "select 'in'"), "in");
  std::string password = read_file(options_.folder / "password").value();
  password.pop_back();
  for (const std::string& url : {cluster->url(), cluster->tcp_url()}) {
    ASSERT_THAT(url, HasSubstr(password));
    std::string wrong = url;
    wrong.replace(wrong.find(password), password.size(), "guessed");
    EXPECT_THAT(answer(wrong, "select 'in'"), HasSubstr("28P01"));
    std::string without = url;
    without.erase(without.find(password) - 1, password.size() + 1);
    EXPECT_THAT(answer(without, "select 'in'"), HasSubstr("no password"));
    EXPECT_THAT(redacted(url), Not(HasSubstr(password)));
  }
  EXPECT_THAT(read_file(options_.folder / "server.log").value(), Not(HasSubstr(password)));
}

TEST_F(ClusterTest, AKilledServerIsBroughtBackWithAllThatWasCommitted) {
  use_template();
  auto cluster = started();
  EXPECT_TRUE(cluster->ensure_running());
  pid_t before = cluster->server_pid();
  // A session that computes does not notice by itself that its server is gone.
  auto busy = Connection::open(cluster->url());
  ASSERT_TRUE(busy);
  answer(cluster->url(), "create table kept as select 42 as v");
  std::jthread computing = named_thread("computing", [&](const std::stop_token&) {
    EXPECT_FALSE(busy->query("select count(*) from generate_series(1, 10000000000)"));
  });
  pause_ms(50);
  ::kill(before, SIGKILL);
  std::vector<std::jthread> callers;
  callers.reserve(4);
  for (int i = 0; i < 4; ++i)
    callers.push_back(named_thread("caller", [&](const std::stop_token&) {
      Status running = cluster->ensure_running();
      EXPECT_TRUE(running) << running.error().message;
    }));
  callers.clear();
  EXPECT_NE(cluster->server_pid(), before);
  EXPECT_EQ(answer(cluster->url(), "select v from kept"), "42");
}

TEST_F(ClusterTest, ACrashedSessionLeavesTheServerToRecoverByItself) {
  use_template();
  auto cluster = started();
  pid_t before = cluster->server_pid();
  pid_t walwriter = number_in(
      answer(cluster->url(), "select pid from pg_stat_activity where backend_type = 'walwriter'"));
  ASSERT_GT(walwriter, 1);
  auto watcher = Connection::open(cluster->url());
  ASSERT_TRUE(watcher);
  ::kill(walwriter, SIGKILL);
  for (int tries = 0; watcher->alive() && tries < 1'000; ++tries) pause_ms(10);
  Status running = cluster->ensure_running();
  ASSERT_TRUE(running) << running.error().message;
  EXPECT_EQ(cluster->server_pid(), before);
  EXPECT_EQ(answer(cluster->url(), "select 1"), "1");
}

TEST_F(ClusterTest, AnOrphanedServerIsAdopted) {
  use_template();
  pid_t orphan = leave_orphan();
  ASSERT_TRUE(exists(orphan));
  auto cluster = started();
  EXPECT_EQ(cluster->server_pid(), orphan);
  EXPECT_EQ(answer(cluster->url(), "select v from kept"), "42");
  EXPECT_TRUE(cluster->ensure_running());
  ASSERT_TRUE(cluster->stop());
  EXPECT_EQ(Cluster::find(options_.folder).error().code, Code::not_found);
}

TEST_F(ClusterTest, AHungOrphanIsStoppedAndStartedAgain) {
  use_template();
  options_.hung_after_ms = 300;
  pid_t orphan = leave_orphan();
  ::kill(orphan, SIGSTOP);
  auto cluster = started();
  EXPECT_NE(cluster->server_pid(), orphan);
  EXPECT_EQ(answer(cluster->url(), "select v from kept"), "42");
}

TEST_F(ClusterTest, AnOrphanThatIsStoppingIsWaitedFor) {
  use_template();
  pid_t orphan = leave_orphan();
  ::kill(orphan, SIGINT);
  auto cluster = started();
  EXPECT_NE(cluster->server_pid(), orphan);
  EXPECT_EQ(answer(cluster->url(), "select v from kept"), "42");
}

TEST_F(ClusterTest, AStalePidThatIsNowAnotherProgramsIsLeftAlone) {
  use_template();
  Child bystander([] { ::pause(); });
  std::string pid_file = fmt::format("{}\n{}\n1321000000\n5432\n\n127.0.0.1\n 1 1\nready   \n",
                                     bystander.pid(), data().string());
  write(data() / "postmaster.pid", pid_file);
  EXPECT_EQ(Cluster::find(options_.folder).error().code, Code::not_found);
  auto cluster = started();
  EXPECT_EQ(answer(cluster->url(), "select 1"), "1");
  EXPECT_TRUE(exists(bystander.pid()));
  EXPECT_EQ(::waitpid(bystander.pid(), nullptr, WNOHANG), 0);
}

TEST_F(ClusterTest, AStalePidThatIsNowAnotherServersIsLeftAlone) {
  use_template();
  TestCluster other;
  write(data() / "postmaster.pid", fmt::format("{}\n", other.cluster().server_pid()));
  auto cluster = started();
  EXPECT_NE(cluster->server_pid(), other.cluster().server_pid());
  EXPECT_EQ(answer(other.url(), "select 1"), "1");
}

TEST_F(ClusterTest, AServerThatCannotBeSeenIsNotJoinedByASecond) {
  use_template();
  // As one in another container would: it holds the lock, and its pid says nothing here.
  int lock = ::open((options_.folder / "server.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  write(data() / "postmaster.pid", "4194304\n");
  Error error = start_error();
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_THAT(error.message, HasSubstr("another container"));
  EXPECT_EQ(read_file(data() / "postmaster.pid").value(),
            "4194304\n");  // it ends when this is gone
  ::close(lock);
  auto cluster = started();
  lock = ::open((options_.folder / "server.lock").c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_NE(::flock(lock, LOCK_EX | LOCK_NB), 0) << "the server does not hold its lock";
  EXPECT_TRUE(cluster->stop());
  EXPECT_EQ(::flock(lock, LOCK_EX | LOCK_NB), 0);
  ::close(lock);
}

TEST_F(ClusterTest, AFolderOfAnotherMajorVersionIsRefusedAndSaysWhatToDo) {
  use_template();
  std::string version = read_file(data() / "PG_VERSION").value();
  version.pop_back();
  write(data() / "PG_VERSION", "11\n");
  Error error = start_error();
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_THAT(error.message, HasSubstr("was made by PostgreSQL 11, but installed is " + version));
  EXPECT_THAT(error.message, HasSubstr("install postgresql-11"));
  write(data() / "PG_VERSION", "?");
  EXPECT_EQ(start_error().code, Code::corrupt);
}

TEST_F(ClusterTest, WithoutPostgresqlTheMessageSaysWhatToInstallAndNothingIsMade) {
  options_.bin_folder = folder_ / "empty";
  Error error = start_error();
  EXPECT_EQ(error.code, Code::not_found);
  EXPECT_THAT(error.message, HasSubstr("install the package postgresql"));
  EXPECT_FALSE(fs::exists(options_.folder));
}

TEST_F(ClusterTest, APostgresqlThatIsTooOldIsRefused) {
  options_.bin_folder = folder_ / "bin";
  fs::create_directories(options_.bin_folder);
  for (const char* program : {"postgres", "initdb"}) {
    write(options_.bin_folder / program, "#!/bin/sh\necho 'postgres (PostgreSQL) 12.22'\n");
    ::chmod((options_.bin_folder / program).c_str(), 0755);
  }
  Error error = start_error();
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_THAT(error.message, HasSubstr("PostgreSQL 12.22"));
  EXPECT_THAT(error.message, HasSubstr("13 or newer"));
}

TEST_F(ClusterTest, AFolderThatCannotBeWrittenIsNamed) {
  write(folder_ / "file", "");
  options_.folder = folder_ / "file" / "postgres";
  Error error = start_error();
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_THAT(error.message, HasSubstr((folder_ / "file").string()));
}

TEST_F(ClusterTest, ASecondOwnerOfTheFolderIsRefused) {
  use_template();
  auto cluster = started();
  Error error = start_error();
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_THAT(error.message, HasSubstr("in use"));
  EXPECT_EQ(answer(cluster->url(), "select 1"), "1");
}

TEST_F(ClusterTest, WhatAKilledFirstStartLeftIsRemoved) {
  {
    Child first([this] { started(); });
    for (int tries = 0; !has_draft("base") && tries < 5'000; ++tries) pause_ms(1);
    first.kill_it();
  }
  ASSERT_FALSE(fs::exists(data()));
  ASSERT_TRUE(has_draft(""));
  fs::create_directories(options_.folder / "data.new-0badcafe" / "base");
  std::string password = read_file(options_.folder / "password").value();
  auto cluster = started();
  EXPECT_EQ(answer(cluster->url(), "select 1"), "1");
  EXPECT_EQ(read_file(options_.folder / "password").value(), password);
  for (const auto& entry : fs::directory_iterator(options_.folder))
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(".new")));
  EXPECT_FALSE(fs::exists(options_.folder / "password.initdb"));
}

TEST_F(ClusterTest, APathTooLongForASocketGetsOneInTmp) {
  fs::path deep = folder_ / std::string(60, 'a');
  options_.folder = deep / std::string(60, 'b') / "postgres";
  fs::create_directories(options_.folder.parent_path());
  use_template();
  fs::path socket;
  {
    auto cluster = started();
    socket = cluster->socket_folder();
    EXPECT_EQ(socket.parent_path(), "/tmp");
    EXPECT_EQ(mode_of(socket), 0700U);
    EXPECT_EQ(answer(cluster->url(), "select 1"), "1");
  }
  // A link planted there by someone else is not followed.
  fs::remove_all(socket);
  fs::create_directory(folder_ / "trap");
  fs::create_directory_symlink(folder_ / "trap", socket);
  Error error = start_error();
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_THAT(error.message, HasSubstr(socket.string()));
  fs::remove(socket);
}

TEST_F(ClusterTest, ASocketFolderOfSomeoneElseIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder to someone else";
  use_template();
  fs::create_directory(options_.folder / "socket");
  ASSERT_EQ(::chown((options_.folder / "socket").c_str(), 12345, 12345), 0);
  Error error = start_error();
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_THAT(error.message, HasSubstr("12345"));
}

TEST_F(ClusterTest, APortThatIsTakenIsReplacedAndTheNewOneIsKept) {
  use_template();
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  write(options_.folder / "port", fmt::format("{}\n", ntohs(address.sin_port)));
  auto cluster = started();
  std::string port = answer(cluster->tcp_url(), "show port");
  EXPECT_NE(port, std::to_string(ntohs(address.sin_port)));
  EXPECT_EQ(read_file(options_.folder / "port").value(), port + "\n");
  ::close(listener);
}

TEST_F(ClusterTest, ALostPasswordIsNamedAndStartsNothing) {
  use_template();
  fs::remove(options_.folder / "password");
  Error error = start_error();
  EXPECT_EQ(error.code, Code::corrupt);
  EXPECT_THAT(error.message, HasSubstr((options_.folder / "password").string()));
  write(options_.folder / "password", "wrong\n");
  error = start_error();
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_THAT(error.message, HasSubstr("28P01"));
  EXPECT_EQ(Cluster::find(options_.folder).error().code, Code::not_found);
}

TEST_F(ClusterTest, AServerThatCannotStartSaysWhy) {
  use_template();
  write(options_.folder / "local.conf", "shared_bufers = 1MB\n");
  Error error = start_error();
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_THAT(error.message, HasSubstr("\"shared_bufers\" in file"));
  EXPECT_THAT(error.message, HasSubstr("server.log"));
}

TEST_F(ClusterTest, LocalSettingsWin) {
  use_template();
  fs::path elsewhere = options_.folder / "data";  // any folder that the server may write
  write(options_.folder / "local.conf",
        fmt::format("max_connections = 17\nunix_socket_directories = '{}'\n", elsewhere.string()));
  auto cluster = started();
  EXPECT_EQ(answer(cluster->url(), "show max_connections"), "17");
  EXPECT_EQ(cluster->socket_folder(), elsewhere);
}

TEST_F(ClusterTest, FindGivesTheFactsOfARunningClusterOnly) {
  EXPECT_EQ(Cluster::find(options_.folder).error().code, Code::not_found);
  use_template();
  EXPECT_EQ(Cluster::find(options_.folder).error().code, Code::not_found);
  auto cluster = started();
  auto facts = Cluster::find(options_.folder);
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->url, cluster->url());
  EXPECT_EQ(facts->tcp_url, cluster->tcp_url());
  EXPECT_EQ(facts->server_pid, cluster->server_pid());
  EXPECT_EQ(answer(facts->url, "select 1"), "1");
  ::kill(cluster->server_pid(), SIGKILL);
  for (int tries = 0; Cluster::find(options_.folder) && tries < 500; ++tries) pause_ms(10);
  EXPECT_EQ(Cluster::find(options_.folder).error().code, Code::not_found);
}

TEST_F(ClusterTest, StopEndsTheServerAndItsSessionsForGood) {
  use_template();
  auto cluster = started();
  pid_t server = cluster->server_pid();
  auto connection = Connection::open(cluster->url());
  ASSERT_TRUE(connection);
  EXPECT_TRUE(cluster->stop());
  EXPECT_FALSE(exists(server));
  EXPECT_EQ(connection->query("select 1").error().code, Code::unavailable);
  EXPECT_TRUE(cluster->stop());
  EXPECT_EQ(cluster->ensure_running().error().code, Code::shutting_down);
}

TEST_F(ClusterTest, StopEndsAServerThatSomeoneElseHadStopped) {
  use_template();
  auto cluster = started();
  pid_t server = cluster->server_pid();
  ::kill(server, SIGSTOP);
  EXPECT_TRUE(cluster->stop());
  EXPECT_FALSE(exists(server));
}

TEST_F(ClusterTest, TheServerInheritsNoOpenFiles) {
  use_template();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);  // not close-on-exec, as a careless library's socket
  auto cluster = started();
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "the server holds the other end";
  ::close(ends[0]);
}

TEST_F(ClusterTest, TheServersLogIsBounded) {
  use_template();
  options_.log_max_bytes = 10'000;
  auto cluster = started();
  auto connection = Connection::open(cluster->url());
  ASSERT_TRUE(connection);
  std::string fault = "select 1/0 -- " + std::string(1'000, 'x');
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(connection->query(fault));
  EXPECT_GT(fs::file_size(options_.folder / "server.log"), 10'000U);
  ASSERT_TRUE(cluster->ensure_running());
  EXPECT_LT(fs::file_size(options_.folder / "server.log"), 1'000U);
  EXPECT_FALSE(connection->query(fault));
  EXPECT_THAT(read_file(options_.folder / "server.log").value(), HasSubstr("division by zero"));
  EXPECT_GT(fs::file_size(options_.folder / "server.log.1"), 10'000U);
}

TEST_F(ClusterTest, ForRootAClosedDataFolderMovesTheClusterToTheSystemFolder) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root needs another user for PostgreSQL";
  fs::create_directory(folder_ / "closed");
  ::chmod((folder_ / "closed").c_str(), 0700);
  options_.folder = folder_ / "closed" / "postgres";
  options_.system_folder = folder_ / "system";
  std::string url;
  {
    auto cluster = started();
    url = cluster->url();
    answer(url, "create table kept as select 42 as v");
    auto facts = Cluster::find(options_.folder);
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_EQ(facts->url, url);
  }
  std::string location = read_file(options_.folder / "location").value();
  EXPECT_THAT(location, HasSubstr((folder_ / "system").string()));
  EXPECT_EQ(mode_of(options_.folder / "password"), 0600U);
  EXPECT_FALSE(fs::exists(data()));
  auto cluster = started();
  EXPECT_EQ(answer(cluster->url(), "select v from kept"), "42");
}

TEST_F(ClusterTest, WorksForANormalUserToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "all the other tests run as a normal user already";
  use_template();
  constexpr uid_t nobody = 65534;
  run_program({"/bin/chown", "-R", "65534:65534", folder_.path()});
  Child user([this] {
    if (::setgroups(0, nullptr) != 0 || ::setgid(nobody) != 0 || ::setuid(nobody) != 0) ::_exit(2);
    pid_t orphan = leave_orphan();
    write(data() / "note", "the owner may write here");
    auto cluster = started();
    EXPECT_EQ(cluster->server_pid(), orphan);
    EXPECT_EQ(answer(cluster->url(), "select v from kept"), "42");
    EXPECT_EQ(mode_of(options_.folder), 0700U);
    EXPECT_TRUE(cluster->stop());
  });
  EXPECT_EQ(user.wait(), 0);
  // Root then runs it as its owner, and leaves it usable for him.
  {
    auto cluster = started();
    EXPECT_EQ(answer(cluster->url(), "select v from kept"), "42");
  }
  struct stat facts {};
  ASSERT_EQ(::stat((data() / "PG_VERSION").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_uid, nobody);
}

}  // namespace
}  // namespace tillrace::warehouse
