// The health pages of a real log, processor and PostgreSQL.
#include "app/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/commands.h"
#include "app/scratch_for_tests.h"
#include "http/client.h"
#include "http/server.h"
#include "log/embedded_log.h"
#include "warehouse/cluster_for_tests.h"
#include "warehouse/postgres_install.h"

namespace tillrace::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;

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
    processor_ =
        std::make_unique<processor::Processor>(processing, *log_, *warehouse_, clock_, metrics_);
    health_ = std::make_unique<Health>(*log_, *processor_, metrics_);
    http::Router router;
    health_->mount(router);
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
  std::unique_ptr<processor::Processor> processor_;
  std::unique_ptr<Health> health_;
  http::Client client_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(HealthTest, TellsAliveReadyAndTheMetrics) {
  append("1");
  ASSERT_TRUE(processor_->catch_up(kPatience));
  EXPECT_EQ(get("/healthz").body, R"({"status":"alive"})");
  auto ready = get("/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.content_type, "application/json");
  EXPECT_EQ(ready.body, R"({"status":"ready","warehouse":"writing","lag_records":[0]})");
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
  ASSERT_TRUE(processor_->catch_up(kPatience));
  ASSERT_TRUE(postgres_->cluster().stop());
  append("2");
  append("3");
  EXPECT_THAT(comes_to_say("waiting"),
              AllOf(HasSubstr(R"({"status":"ready","warehouse":"waiting","problem":")"),
                    HasSubstr(R"("lag_records":[2]})")));
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(HealthTest, DrainingIsNotReadyButAlive) {
  health_->start_draining();
  auto ready = get("/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_THAT(ready.body, HasSubstr(R"({"status":"draining",)"));
  EXPECT_EQ(get("/healthz").status, 200);
}

}  // namespace
}  // namespace tillrace::app
