// The health pages of a real log, processor and PostgreSQL.
#include "app/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/commands.h"
#include "base/scratch_for_tests.h"
#include "http/client.h"
#include "http/problem.h"
#include "http/server.h"
#include "log/embedded_log.h"
#include "processor/warehouse_sink.h"
#include "warehouse/cluster_for_tests.h"
#include "warehouse/postgres_install.h"

namespace tillrace::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{30};

class HealthTest : public testing::Test {
 protected:
  void SetUp() override {
    if (warehouse::find_postgres_installs({}, search_path(), clock_).empty())
      GTEST_SKIP() << "no PostgreSQL is installed";
    postgres_ = std::make_unique<warehouse::TestCluster>();
    warehouse::WarehouseOptions options;
    options.url = postgres_->url();
    auto warehouse = warehouse::Warehouse::open(options, clock_, random_);
    ASSERT_TRUE(warehouse) << warehouse.error().message;
    warehouse_ = std::move(*warehouse);
    log::EmbeddedLogOptions log_options;
    log_options.folder = folder_.path();
    auto log = log::open_embedded_log(log_options, clock_, random_, metrics_);
    ASSERT_TRUE(log) << log.error().message;
    log_ = std::move(*log);
    processor::ProcessorOptions processing;
    processing.longest_pause_ms = 100;
    processors_.push_back(std::make_unique<processor::Processor>(
        processing, processor::warehouse_sink(*log_, *warehouse_), *log_,
        log_->join("warehouse").value(), clock_, metrics_));
    intake_ = std::make_unique<gateway::Intake>(
        gateway::IntakeOptions{.hold_log_max_bytes = 1'000, .look_every_ms = 0},
        gateway::IntakeSources{[this] { return backlog_bytes_.load(); }, {}}, clock_);
    health_ = std::make_unique<Health>(*log_, processors_, intake_.get(), metrics_);
    http::Router router;
    health_->mount(router, [this](http::Request& head) -> std::optional<http::Response> {
      if (!wants_keys_ || head.headers.find("Authorization")) return std::nullopt;
      return http::problem(401, "unauthorized", "No key", "say who");
    });
    auto server = http::Server::listen({}, std::move(router), metrics_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  http::Response get(const std::string& path) {
    http::Call call;
    call.url = fmt::format("http://{}{}", server_->address(), path);
    auto answer = client_.send(call);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *answer : http::Response{};
  }
  void append(const std::string& invoice_no) {
    std::string event = fmt::format(
        R"({{"InvoiceNo":"{}","StockCode":"1","Quantity":6,"InvoiceDate":"2010-12-01 08:26",)"
        R"("UnitPrice":2.55,"Country":"EIRE"}})",
        invoice_no);
    ASSERT_TRUE(log_->append_and_wait(
        {{invoice_no, event, derived_event_id(invoice_no, 1), clock_.now()}}));
  }
  // The body of /readyz once it holds `text`, or what it holds after a while.
  std::string comes_to_say(std::string_view text) {
    auto deadline = clock_.monotonic() + kPatience;
    std::string body = get("/readyz").body;
    while (body.find(text) == std::string::npos && clock_.monotonic() < deadline) {
      clock_.sleep_for(std::chrono::milliseconds(20));
      body = get("/readyz").body;
    }
    return body;
  }

  SystemClock clock_;
  SystemRandom random_;
  Metrics metrics_;
  ScratchFolder folder_;
  std::unique_ptr<warehouse::TestCluster> postgres_;
  std::unique_ptr<warehouse::Warehouse> warehouse_;
  std::unique_ptr<log::Log> log_;
  Health::Processors processors_;
  std::atomic<std::uint64_t> backlog_bytes_ = 0;
  std::atomic<bool> wants_keys_ = false;
  std::unique_ptr<gateway::Intake> intake_;
  std::unique_ptr<Health> health_;
  http::Client client_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(HealthTest, TellsAliveReadyAndTheMetrics) {
  append("1");
  ASSERT_TRUE(processors_.front()->catch_up(kPatience));
  EXPECT_EQ(get("/healthz").body, R"({"status":"alive"})");
  auto ready = get("/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.content_type, "application/json");
  EXPECT_EQ(ready.body, R"({"status":"ready","warehouse":"writing",)"
                        R"("lag":[{"sink":"warehouse","partition":0,"records":0}]})");
  auto metrics = get("/metrics");
  EXPECT_THAT(metrics.content_type, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(metrics.body, HasSubstr("tillrace_log_appended_records_total 1\n"));
  std::size_t at = metrics.body.find("\nprocess_resident_memory_bytes ");
  ASSERT_NE(at, std::string::npos);
  EXPECT_GT(std::strtod(metrics.body.c_str() + at + 31, nullptr), 1e6);
}

// The log takes events all the same, so they are not turned away.
TEST_F(HealthTest, AWarehouseThatIsAwayIsToldAndLeavesTheServiceReady) {
  append("1");
  ASSERT_TRUE(processors_.front()->catch_up(kPatience));
  ASSERT_TRUE(postgres_->cluster().stop());
  append("2");
  append("3");
  EXPECT_THAT(comes_to_say("waiting"),
              AllOf(HasSubstr(R"({"status":"ready","warehouse":"waiting","problem":")"),
                    HasSubstr(R"("lag":[{"sink":"warehouse","partition":0,"records":2}]})")));
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(get("/healthz").status, 200);
  wants_keys_ = true;
  EXPECT_THAT(get("/readyz").body,
              AllOf(HasSubstr(R"("warehouse":"waiting")"), Not(HasSubstr("problem"))))
      << "a stranger is not told what PostgreSQL says";
}

TEST_F(HealthTest, DrainingIsNotReadyButAlive) {
  health_->start_draining();
  auto ready = get("/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_THAT(ready.body, HasSubstr(R"({"status":"draining",)"));
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(HealthTest, ALogWithoutRoomIsNotReadyUntilThereIsSome) {
  backlog_bytes_ = 1'000;
  auto full = get("/readyz");
  EXPECT_EQ(full.status, 503);
  EXPECT_THAT(full.body, HasSubstr(R"("status":"log-full")"));
  EXPECT_EQ(get("/healthz").status, 200);
  backlog_bytes_ = 0;
  EXPECT_EQ(get("/readyz").status, 200);
}

}  // namespace
}  // namespace tillrace::app
