// Real PostgreSQL for tests. Included by *_test.cc alone.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/random.h"
#include "warehouse/child_process.h"
#include "warehouse/cluster.h"
#include "warehouse/connection.h"

namespace tillrace::warehouse {

inline void pause_ms(int duration_ms) {
  SystemClock().sleep_for(std::chrono::milliseconds(duration_ms));
}

// 0 when there is none.
inline int number_in(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Memory where there is plenty of it, since copying a cluster onto a busy disk takes a second.
inline std::string scratch_parent() {
  constexpr std::uintmax_t plenty = 2ULL << 30;
  std::error_code error;
  auto space = std::filesystem::space("/dev/shm", error);
  bool good = !error && space.available > plenty && ::access("/dev/shm", W_OK) == 0;
  return good ? "/dev/shm/" : testing::TempDir();
}

// A folder of its own in the tests' temporary folder, which other users may pass through. It goes
// with this object, and with it every PostgreSQL that runs in it; also when the test crashes or is
// killed, by a process that waits for that.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = scratch_parent() + "warehouse-XXXXXX";
    path_ = std::filesystem::canonical(::mkdtemp(pattern.data()));
    ::chmod(path_.c_str(), 0755);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    guard_ = ::fork();
    if (guard_ == 0) {
      ::close(ends[1]);
      clean_up_after(ends[0]);
    }
    ::close(ends[0]);
    life_ = ends[1];
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    ::close(life_);
    ::waitpid(guard_, nullptr, 0);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  [[noreturn]] void clean_up_after(int life) const {
    ::setsid();
    char byte = 0;
    while (::read(life, &byte, 1) < 0) {
    }
    for (int tries = 0; tries < 100 && end_servers(); ++tries) pause_ms(50);
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    ::_exit(0);
  }

  // False when there were none.
  bool end_servers() const {
    bool any = false;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
      pid_t pid = number_in(entry.path().filename().string());
      auto arguments = pid > 0 ? read_file(entry.path() / "cmdline") : Result<std::string>("");
      if (!arguments || arguments->find("/postgres") == std::string::npos) continue;
      if (arguments->find(path_.string() + "/") == std::string::npos) continue;
      ::kill(pid, SIGQUIT);
      ::kill(pid, SIGCONT);
      any = true;
    }
    return any;
  }

  std::filesystem::path path_;
  pid_t guard_ = 0;
  int life_ = -1;
};

// Small and quick.
inline ClusterOptions test_options(const std::filesystem::path& folder) {
  ClusterOptions options;
  options.folder = folder;
  options.start_timeout_ms = 60'000;
  options.stop_timeout_ms = 20'000;
  options.hung_after_ms = 2'000;
  options.shared_buffers_mb = 16;
  options.system_folder = folder.parent_path() / "system";
  return options;
}

// One of the system's own programs, which must succeed.
inline void run_program(std::vector<std::string> arguments) {
  constexpr int timeout_ms = 60'000;
  SystemClock clock;
  auto finished = run({std::move(arguments), {}}, timeout_ms, clock);
  ASSERT_TRUE(finished) << finished.error().message;
  ASSERT_EQ(finished->exit_code, 0) << finished->output;
}

// Copies with owners and modes.
inline void copy_folder(const std::filesystem::path& from, const std::filesystem::path& to) {
  run_program({"/bin/cp", "-a", "--reflink=auto", from, to});
}

// A cluster that was started and stopped once, kept in the working folder for all tests (initdb
// takes a second), until the test program is built anew.
inline void make_template(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  auto made = fs::last_write_time(path / "password", error);
  if (!error && made > fs::last_write_time("/proc/self/exe")) return;
  fs::remove_all(path);
  TestFolder scratch;
  SystemClock clock;
  SystemRandom random;
  {
    auto cluster = Cluster::start(test_options(scratch / "postgres"), clock, random);
    ASSERT_TRUE(cluster) << cluster.error().message;
    ASSERT_TRUE((*cluster)->stop());
  }
  fs::remove(scratch / "postgres" / "port");  // each copy shall choose its own
  fs::path draft = path.string() + ".new";
  fs::remove_all(draft);
  copy_folder(scratch / "postgres", draft);
  fs::last_write_time(draft / "password", fs::file_time_type::clock::now());
  fs::rename(draft, path);
}

// Fills `folder` with a cluster that was never used.
inline void copy_template_cluster(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  fs::path parent = fs::current_path() / ("postgres-template-" + std::to_string(::geteuid()));
  ASSERT_TRUE(make_folders(parent));
  std::optional<FolderLock> lock;
  for (int tries = 0; !lock && tries < 600; ++tries) {
    if (tries > 0) pause_ms(100);
    auto acquired = FolderLock::acquire(parent);
    if (acquired) lock.emplace(std::move(*acquired));
  }
  ASSERT_TRUE(lock) << parent;
  make_template(parent / "postgres");
  copy_folder(parent / "postgres", folder);
}

// A running cluster in a folder of its own.
class TestCluster {
 public:
  TestCluster() {
    copy_template_cluster(folder_ / "postgres");
    auto started = Cluster::start(test_options(folder_ / "postgres"), clock_, random_);
    EXPECT_TRUE(started) << started.error().message;
    if (started) cluster_ = std::move(*started);
  }
  Cluster& cluster() { return *cluster_; }
  std::string url() { return cluster_->url(); }
  const TestFolder& folder() const { return folder_; }

  Connection connect(const ConnectionOptions& options = {}) {
    auto connection = Connection::open(url(), options);
    EXPECT_TRUE(connection) << connection.error().message;
    return std::move(*connection);
  }

 private:
  TestFolder folder_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<Cluster> cluster_;
};

}  // namespace tillrace::warehouse
