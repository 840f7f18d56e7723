// The gateway as clients meet it: a real server and a real log, which stalls and fails when a test
// says so. Test code only.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "gateway/gateway.h"
#include "http/client.h"
#include "http/server.h"
#include "log/log_testing.h"

namespace tillrace::gateway {

inline constexpr const char* kWritten = "tillrace_gateway_written_total";
inline constexpr const char* kReceived = "tillrace_gateway_received_total";
inline constexpr const char* kBytes = "tillrace_gateway_received_bytes_total";

inline std::string event(const std::string& invoice_no, std::string_view more = "") {
  return fmt::format(R"({{"InvoiceNo":"{}","StockCode":"85123A","Quantity":6,)"
                     R"("InvoiceDate":"2010-12-01 08:26","UnitPrice":2.55,"Country":"EIRE"{}}})",
                     invoice_no, more);
}

inline std::string rejected(std::string_view reason) {
  return fmt::format("tillrace_gateway_rejected_total{{reason=\"{}\"}}", reason);
}

inline std::string failed(std::string_view code) {
  return fmt::format("tillrace_gateway_failed_total{{code=\"{}\"}}", code);
}

// While it lives, the log's own thread is stuck, as behind a slow disk: it has been given a batch
// of this test's own, whose answer does not return. What comes meanwhile waits.
class Stall {
 public:
  explicit Stall(log::Log& log) {
    log.append({{"stall", "{}", {}, {}}}, [this](const auto& places) {
      EXPECT_TRUE(places);
      MutexLock lock(mutex_);
      is_stuck_ = true;
      changed_.notify_all();
      while (!is_over_) lock.wait(changed_);
      is_stuck_ = false;
      changed_.notify_all();
    });
    MutexLock lock(mutex_);
    while (!is_stuck_) lock.wait(changed_);
  }
  ~Stall() {
    MutexLock lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
    while (is_stuck_) lock.wait(changed_);
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  bool is_stuck_ GUARDED_BY(mutex_) = false;
  bool is_over_ GUARDED_BY(mutex_) = false;
};

// While it lives, no file of this process can grow: the kernel answers EFBIG.
class FullDisk {
 public:
  FullDisk() : signal_before_(std::signal(SIGXFSZ, SIG_IGN)) {
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    rlimit none{0, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_before_);
  }

 private:
  rlimit before_{};
  void (*signal_before_)(int);
};

class GatewayTest : public testing::Test {
 protected:
  // What waits is answered before the gateway goes.
  ~GatewayTest() override {
    if (log_) log_->stop();
  }

  void start() {
    log_ = world_.open(log_options_);
    ASSERT_TRUE(log_);
    intake_ = std::make_unique<Intake>(
        intake_options_,
        IntakeSources{[this] { return backlog_bytes_.load(); },
                      []() -> Result<std::uint64_t> { return std::uint64_t{1} << 40; }},
        world_.clock);
    gateway_ = std::make_unique<Gateway>(options_, *log_, *intake_, world_.clock, world_.random,
                                         world_.metrics);
    http::Router router;
    gateway_->mount(router, guard_);
    auto server = http::Server::listen({}, std::move(router), world_.metrics);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  http::Response post(http::Client& client, std::string body, http::Headers headers = {}) const {
    http::Call call;
    call.method = http::Method::post;
    call.url = fmt::format("http://{}/v1/transactions{}", server_->address(), query_);
    call.headers = std::move(headers);
    if (!call.headers.find("Content-Type")) call.headers.add("Content-Type", "application/json");
    call.body = std::move(body);
    auto answer = client.send(call);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *answer : http::Response{};
  }
  http::Response post(std::string body, http::Headers headers = {}) const {
    http::Client client;
    return post(client, std::move(body), std::move(headers));
  }

  std::int64_t records_in_log() {
    std::int64_t records = 0;
    for (std::int32_t i = 0; i < log_->partitions(); ++i) records += log_->end({i}).value().value;
    return records;
  }
  // Waits up to ten seconds.
  bool comes_to_wait() {
    for (int i = 0; i < 1'000 && world_.metric("tillrace_log_waiting_bytes") <= 0; ++i)
      world_.clock.sleep_for(std::chrono::milliseconds(10));
    return world_.metric("tillrace_log_waiting_bytes") > 0;
  }

  ScratchFolder folder_;
  log::World world_;
  log::EmbeddedLogOptions log_options_ = log::options_in(folder_.path(), 1);
  GatewayOptions options_;
  IntakeOptions intake_options_{.look_every_ms = 0};
  std::atomic<std::uint64_t> backlog_bytes_ = 0;
  http::Admit guard_;
  std::string query_;  // of each post()
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace tillrace::gateway
