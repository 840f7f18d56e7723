// A real Azurite (Microsoft's emulator of the Blob service) for tests. Included by *_test.cc alone.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "lake/azure_store.h"

namespace tillrace::lake {

// The account of every Azurite, as its documentation prints it: no secret.
inline constexpr const char* kAzuriteAccount = "devstoreaccount1";
inline constexpr const char* kAzuriteKey =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

// What a command of the shell prints, without the line's end.
inline std::string output_of(const std::string& command) {
  std::string text;
  std::array<char, 4096> bytes{};
  FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) return text;
  while (std::size_t got = std::fread(bytes.data(), 1, bytes.size(), pipe))
    text.append(bytes.data(), got);
  ::pclose(pipe);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

// Node and Azurite where `tools/install.sh test` puts them; empty when they are absent.
struct AzuriteInstall {
  std::string node;
  std::string program;

  static AzuriteInstall find() {
    namespace fs = std::filesystem;
    fs::path tools = output_of(std::string("bash ") + TILLRACE_SOURCE_DIR +
                               "/tools/install.sh --test-tools 2>/dev/null");
    fs::path own_node = tools / "bin/node";
    fs::path program = tools / "npm/node_modules/azurite/dist/src/blob/main.js";
    std::string node = fs::exists(own_node) ? own_node.string() : output_of("command -v node");
    if (tools.empty() || node.empty() || !fs::exists(program)) return {};
    return {node, program};
  }
};

// Listens on a free port, keeps its files in a folder of its own. Both go with this object, or with
// the test's process, however that ends: a guard waits for it.
class Azurite {
 public:
  // nullptr when it is not installed.
  static std::unique_ptr<Azurite> start() {
    AzuriteInstall install = AzuriteInstall::find();
    if (install.program.empty()) return nullptr;
    return std::make_unique<Azurite>(install);
  }
  // The one of this process; nullptr when it is not installed.
  static Azurite* shared() {
    static std::unique_ptr<Azurite> one = start();
    return one.get();
  }

  explicit Azurite(const AzuriteInstall& install) {
    std::string pattern = testing::TempDir() + "azurite-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    guard_ = ::fork();
    if (guard_ == 0) {
      ::close(ends[1]);
      guard(install, ends[0]);
    }
    ::close(ends[0]);
    life_ = ends[1];
    wait_until_it_listens();
  }
  ~Azurite() {
    ::close(life_);
    ::waitpid(guard_, nullptr, 0);
  }
  Azurite(const Azurite&) = delete;
  Azurite& operator=(const Azurite&) = delete;

  std::uint16_t port() const { return port_; }
  std::string endpoint() const { return endpoint_at(port_); }
  // The same through a proxy.
  static std::string endpoint_at(std::uint16_t port) {
    return fmt::format("http://127.0.0.1:{}/{}", port, kAzuriteAccount);
  }

 private:
  // The process that runs Azurite and cleans up after it.
  [[noreturn]] void guard(const AzuriteInstall& install, int life) const {
    ::setsid();
    ::signal(SIGINT, SIG_IGN);
    pid_t server = ::fork();
    if (server == 0) serve(install);
    char byte = 0;
    while (::read(life, &byte, 1) < 0 && errno == EINTR) {
    }
    ::kill(server, SIGKILL);
    ::waitpid(server, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
    ::_exit(0);
  }

  [[noreturn]] void serve(const AzuriteInstall& install) const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int log = ::open((folder_ / "log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(nothing, 0);
    ::dup2(log, 1);
    ::dup2(log, 2);
    ::close_range(3, ~0U, 0);
    ::execl(install.node.c_str(), install.node.c_str(), install.program.c_str(), "--blobPort", "0",
            "--location", folder_.c_str(), "--disableTelemetry", "--silent", nullptr);
    ::_exit(127);
  }

  void wait_until_it_listens() {
    constexpr std::string_view kBefore = "listens on http://127.0.0.1:";
    std::string log;
    for (int i = 0; i < 1'200 && port_ == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      std::ifstream in(folder_ / "log");
      log.assign(std::istreambuf_iterator<char>(in), {});
      std::size_t at = log.find(kBefore);
      if (at == std::string::npos || log.find('\n', at) == std::string::npos) continue;
      const char* digits = log.data() + at + kBefore.size();
      std::from_chars(digits, log.data() + log.size(), port_);
    }
    if (port_ == 0) ADD_FAILURE() << "Azurite does not start within a minute: " << log;
  }

  std::filesystem::path folder_;
  int life_ = -1;
  pid_t guard_ = -1;
  std::uint16_t port_ = 0;
};

// Makes a container, with a name of its own for each test.
class AzuriteContainer {
 public:
  explicit AzuriteContainer(const Azurite& azurite) {
    static int made = 0;
    name_ = fmt::format("c{}-{}", ::getpid(), ++made);
    Metrics metrics;
    SystemClock clock;
    SystemRandom random;
    auto endpoint = parse_endpoint(azurite.endpoint());
    auto key = open_credential(AccountKey{kAzuriteKey}, kAzuriteAccount, *endpoint, clock);
    std::string path = endpoint->path + "/" + name_;
    AzureClient client(*endpoint, std::move(*key), {}, clock, random, metrics);
    AzureRequest create;
    create.method = http::Method::put;
    create.path = path;
    create.query = {{"restype", "container"}};
    auto answer = client.send(create, "create container");
    EXPECT_TRUE(answer && answer->status == 201)
        << (answer ? describe(*answer) : answer.error().message);
  }

  const std::string& name() const { return name_; }
  AzureOptions options(const std::string& endpoint) const {
    AzureOptions options;
    options.root = fmt::format("abfss://{}@{}.dfs.core.windows.net/lake", name_, kAzuriteAccount);
    options.endpoint = endpoint;
    options.credential = AccountKey{kAzuriteKey};
    return options;
  }

 private:
  std::string name_;
};

}  // namespace tillrace::lake
