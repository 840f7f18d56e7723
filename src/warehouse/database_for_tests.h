// One PostgreSQL for all tests of a working folder, and a fresh database of the shop in it for each
// test. Included by *_test.cc alone.
//
// Each test is a process of its own under ctest, and a server costs a second to start, so the first
// test that needs one leaves it running in the background. It goes 15 seconds after its last user,
// and takes its folder along; so it does when it is killed.
#pragma once
#include <fmt/format.h>

#include <functional>

#include "base/file_lock_for_tests.h"
#include "warehouse/cluster_for_tests.h"
#include "warehouse/migrate.h"
#include "warehouse/sql_scripts.h"

namespace tillrace::warehouse {

class SharedServer {
 public:
  static const SharedServer& get() {
    static SharedServer server;
    return server;
  }

  std::string url(const std::string& database) const {
    std::string url = url_;
    return url.replace(url.find("@/tillrace?"), 11, "@/" + database + "?");
  }
  Connection connect(const std::string& database = "tillrace") const {
    auto connection = Connection::open(url(database));
    EXPECT_TRUE(connection) << connection.error().message;
    return std::move(*connection);
  }
  // A migrated and empty database, for copying.
  const std::string& template_database() const { return template_; }

 private:
  SharedServer() : folder_(std::filesystem::current_path() / ("postgres-shared-" + user())) {
    EXPECT_TRUE(make_folders(folder_));
    FileLock starting(folder_ / "starting");
    users_ = std::make_unique<FileLock>(folder_ / "users", LOCK_SH);
    if (!is_running()) start();
    make_template_database();
  }

  static std::string user() { return std::to_string(::geteuid()); }

  bool is_running() {
    auto known = read_file(folder_ / "url");
    if (!known || probe_server(*known, 5'000) != ServerState::accepting) return false;
    url_ = *known;
    return true;
  }

  void start() {
    std::filesystem::remove(folder_ / "url");
    pid_t keeper = ::fork();
    if (keeper == 0) keep_server();
    for (int tries = 0; tries < 900 && !is_running(); ++tries) pause_ms(100);
    ASSERT_FALSE(url_.empty()) << "the shared server did not start";
  }

  // Ends the process. It must hold nothing open that ctest or the tests' locks wait for.
  [[noreturn]] void keep_server() const {
    ::setsid();
    ::close_range(0, ~0U, 0);
    for (int i = 0; i < 3; ++i) (void)!::open("/dev/null", O_RDWR);
    TestFolder scratch;
    copy_template_cluster(scratch / "postgres");
    Status written = write_file_atomically(scratch / "postgres" / "local.conf",
                                           "autovacuum = off\nfsync = off\nmax_wal_size = 128MB\n");
    SystemClock clock;
    SystemRandom random;
    auto cluster = Cluster::start(test_options(scratch / "postgres"), clock, random);
    if (written && cluster)
      written = write_file_atomically(folder_ / "url", (*cluster)->url(), 0600);
    if (written && cluster) wait_until_unused();
    if (cluster) cluster->reset();
    std::filesystem::remove_all(scratch.path());
    ::_exit(0);
  }

  // Says that the server goes, before anybody can come to rely on it.
  void wait_until_unused() const {
    while (std::filesystem::exists(folder_)) {
      for (int idle_ms = 0; idle_ms < 15'000; idle_ms += 500) {
        pause_ms(500);
        if (!FileLock::is_free(folder_ / "users")) idle_ms = 0;
      }
      FileLock starting(folder_ / "starting");
      if (!FileLock::is_free(folder_ / "users")) continue;
      std::filesystem::remove(folder_ / "url");
      return;
    }
  }

  void make_template_database() {
    std::size_t version = 0;
    for (auto scripts : {sql_migrations(), sql_functions()})
      for (const SqlScript& script : scripts)
        version = version * 31 + std::hash<std::string_view>{}(script.text);
    template_ = fmt::format("shop_{:x}", version);
    Connection server = connect();
    auto known = server.query("select 1 from pg_database where datname = $1", Params{template_});
    ASSERT_TRUE(known) << known.error().message;
    if (known->row_count() > 0) return;
    ASSERT_TRUE(server.execute("drop database if exists draft"));
    ASSERT_TRUE(server.execute("create database draft"));
    {
      Connection draft = connect("draft");
      Status migrated = migrate(draft);
      ASSERT_TRUE(migrated) << migrated.error().message;
    }
    // The session's end takes a moment to reach the server.
    Status renamed;
    for (int tries = 0; tries < 100; ++tries) {
      renamed = server.execute("alter database draft rename to " + template_);
      if (renamed) return;
      pause_ms(20);
    }
    ASSERT_TRUE(renamed) << renamed.error().message;
  }

  std::filesystem::path folder_;
  std::unique_ptr<FileLock> users_;
  std::string url_;
  std::string template_;
};

// A database of its own in the shared server, dropped with this object.
class TestDatabase {
 public:
  explicit TestDatabase(bool migrated = true) {
    static int count = 0;
    std::int64_t now = SystemClock().now().value;
    name_ = fmt::format("test_{}_{}_{}", ::getpid(), now, ++count);
    Connection server = SharedServer::get().connect();
    Status made = server.execute(
        fmt::format("create database {} template {}", name_,
                    migrated ? SharedServer::get().template_database() : std::string("template1")));
    EXPECT_TRUE(made) << made.error().message;
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;
  ~TestDatabase() {
    Connection server = SharedServer::get().connect();
    Status dropped = server.execute(fmt::format("drop database {} with (force)", name_));
    EXPECT_TRUE(dropped) << dropped.error().message;
  }

  const std::string& name() const { return name_; }
  std::string url() const { return SharedServer::get().url(name_); }
  Connection connect() const { return SharedServer::get().connect(name_); }

 private:
  std::string name_;
};

// Rows as text, one a line, cells parted by a bar, NULL as ~; or why there are none.
inline std::string table(const Result<Rows>& rows) {
  if (!rows) return rows.error().message;
  std::string text;
  for (int row = 0; row < rows->row_count(); ++row) {
    if (row > 0) text += '\n';
    for (int column = 0; column < rows->column_count(); ++column) {
      if (column > 0) text += '|';
      text += rows->cell(row, column).value_or("~");
    }
  }
  return text;
}
inline std::string ask(Connection& connection, const std::string& sql, const Params& params = {}) {
  return table(connection.query(sql, params));
}

// Tries until `holds`, for up to 20 seconds.
inline bool eventually(const std::function<bool()>& holds) {
  for (int tries = 0; tries < 2'000; ++tries) {
    if (holds()) return true;
    pause_ms(10);
  }
  return holds();
}

}  // namespace tillrace::warehouse
