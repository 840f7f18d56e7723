// Brokers for tests. Included by tests alone; where Java or Kafka is missing, they say that they
// are skipped, but in CI, where everything must be, they fail.
//
// Each test is a process of its own under ctest, and a broker costs some seconds to start, so the
// first test that needs one leaves it running in the background, for all tests of a working folder.
// It goes 15 seconds after its last user, and takes its folder along; so it does when its keeper is
// killed.
#pragma once
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/file_lock_for_tests.h"
#include "base/files.h"
#include "log/kafka_log.h"
#include "log/kafka_topics.h"
#include "log/log_testing.h"

namespace tillrace::log {

inline const std::string kKafkaUser = "tillrace", kKafkaPassword = "tillrace-secret";

inline void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Runs a command of the shell; what it printed, or nothing when it failed.
inline std::optional<std::string> output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  char block[4096];
  for (std::size_t n; pipe != nullptr && (n = ::fread(block, 1, sizeof block, pipe)) > 0;)
    output.append(block, n);
  return pipe != nullptr && ::pclose(pipe) == 0 ? std::optional(output) : std::nullopt;
}

// Why there is no broker; nothing when all is there.
struct NoKafka {
  std::string why;
  bool is_failure = false;  // no reason to skip a test
};
inline std::optional<NoKafka> look_for_kafka() {
  constexpr int kIsMissing = 3;  // the script's exit code
  const char* ci = std::getenv("CI");
  bool is_ci = ci != nullptr && *ci != '\0';
  for (const char* program : {"java", "openssl", "kcat"})
    if (!output_of(std::string("command -v ") + program))
      return NoKafka{fmt::format("there is no {}; tools/install.sh test brings it", program),
                     is_ci};
  int ended = std::system(TILLRACE_TOOLS "/kafka.sh libs >&2");
  if (ended == 0) return std::nullopt;
  bool is_missing = WIFEXITED(ended) && WEXITSTATUS(ended) == kIsMissing;
  return NoKafka{"Apache Kafka's jars are missing", is_ci || !is_missing};
}

// A broker in a folder, which is stopped and removed with this object, or with this process.
class Broker {
 public:
  explicit Broker(std::filesystem::path folder) : folder_(std::move(folder)) {}
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;
  ~Broker() {
    end(SIGKILL);
    std::filesystem::remove_all(folder_);
  }

  // True when it answers. Its data and ports are those of an earlier start.
  bool start() {
    std::filesystem::remove(folder_ / "broker.log");
    std::filesystem::remove(folder_ / "pid");
    child_ = ::fork();
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::setpgid(0, 0);
      std::string folder = folder_.string();
      ::execl(TILLRACE_TOOLS "/kafka.sh", "kafka.sh", "run", folder.c_str(), nullptr);
      ::_exit(127);
    }
    for (int tries = 0; tries < 1200 && ::waitpid(child_, nullptr, WNOHANG) == 0; ++tries) {
      auto log = read_file(folder_ / "broker.log");
      if (log && log->find("Kafka Server started") != std::string::npos) return true;
      pause_ms(50);
    }
    return false;
  }
  // With SIGKILL as a crash, with SIGTERM in good order; SIGSTOP and SIGCONT pause it.
  void signal(int number) const { ::kill(child_, number); }
  void end(int number) {
    if (child_ <= 0) return;
    ::kill(child_, number);
    ::waitpid(child_, nullptr, 0);
    child_ = -1;
  }

 private:
  std::filesystem::path folder_;
  pid_t child_ = -1;
};

// The address of a listener: plain, tls, sasl or sasl_tls.
inline std::string listener_in(const std::filesystem::path& broker_folder,
                               const std::string& kind) {
  std::string ports = "\n" + read_file(broker_folder / "ports").value_or("");
  std::size_t at = ports.find("\n" + kind + "=");
  if (at == std::string::npos) return "";
  at += kind.size() + 2;
  return ports.substr(at, ports.find('\n', at) - at);
}

inline KafkaConnection plain_connection(const std::filesystem::path& broker_folder) {
  KafkaConnection connection;
  connection.brokers = listener_in(broker_folder, "plain");
  return connection;
}

class SharedBroker {
 public:
  static const SharedBroker& get() {
    static SharedBroker broker;
    return broker;
  }

  const std::filesystem::path& folder() const { return broker_folder_; }
  std::string listener(const std::string& kind) const { return listener_in(folder(), kind); }
  KafkaConnection connection() const { return plain_connection(folder()); }

 private:
  SharedBroker()
      : folder_(std::filesystem::current_path() / fmt::format("kafka-shared-{}", ::geteuid())),
        broker_folder_(folder_ / "broker") {
    EXPECT_TRUE(make_folders(folder_));
    FileLock starting(folder_ / "starting");
    users_ = std::make_unique<FileLock>(folder_ / "users", LOCK_SH);
    if (!is_running()) start();
  }

  bool is_running() const { return std::filesystem::exists(folder_ / "running") && is_kept(); }
  bool is_kept() const { return !FileLock::is_free(folder_ / "keeper"); }

  void start() const {
    std::filesystem::remove(folder_ / "running");
    if (::fork() == 0) keep_broker();
    for (int tries = 0; tries < 900 && !is_running(); ++tries) pause_ms(100);
    ASSERT_TRUE(is_running()) << "the shared broker did not start; see " << broker_folder_;
  }

  // Ends the process. It must hold nothing open that ctest or the tests' locks wait for.
  [[noreturn]] void keep_broker() const {
    ::setsid();
    ::close_range(0, ~0U, 0);
    for (int i = 0; i < 3; ++i) (void)!::open("/dev/null", O_RDWR);
    {
      FileLock keeper(folder_ / "keeper");
      std::filesystem::remove_all(broker_folder_);
      Broker broker(broker_folder_);
      if (broker.start() && write_file_atomically(folder_ / "running", "")) wait_until_unused();
    }
    ::_exit(0);
  }

  // Says that the broker goes, before anybody can come to rely on it.
  void wait_until_unused() const {
    while (std::filesystem::exists(folder_)) {
      for (int idle_ms = 0; idle_ms < 15'000; idle_ms += 500) {
        pause_ms(500);
        if (!FileLock::is_free(folder_ / "users")) idle_ms = 0;
      }
      FileLock starting(folder_ / "starting");
      if (!FileLock::is_free(folder_ / "users")) continue;
      std::filesystem::remove(folder_ / "running");
      return;
    }
  }

  std::filesystem::path folder_, broker_folder_;
  std::unique_ptr<FileLock> users_;
};

// A topic's name that no other test uses.
inline std::string fresh_topic_name() {
  static int count = 0;
  return fmt::format("test-{}-{}-{}", ::getpid(), SystemClock().now().value, ++count);
}

inline std::string make_topic(const KafkaConnection& connection, std::int32_t partitions = 1) {
  NewKafkaTopic topic;
  topic.name = fresh_topic_name();
  topic.partitions = partitions;
  auto made = create_kafka_topic(connection, topic);
  EXPECT_TRUE(made) << made.error().message;
  return topic.name;
}

inline KafkaLogOptions kafka_options(const KafkaConnection& connection, const std::string& topic) {
  KafkaLogOptions options;
  options.connection = connection;
  options.topic = topic;
  return options;
}

inline std::unique_ptr<Log> open_kafka(const KafkaLogOptions& options, World& world) {
  auto opened = open_kafka_log(options, world.clock, world.metrics);
  EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
  return opened ? std::move(*opened) : nullptr;
}

// At the start of a test or a fixture's SetUp().
#define SKIP_WITHOUT_KAFKA()                                             \
  if (auto none = look_for_kafka()) {                                    \
    if (none->is_failure) FAIL() << "needs Apache Kafka: " << none->why; \
    GTEST_SKIP() << "needs Apache Kafka: " << none->why;                 \
  }

}  // namespace tillrace::log
