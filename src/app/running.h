// The parts of a server in one process, started one after the other and wired.
#pragma once
#include <array>
#include <memory>
#include <stop_token>
#include <vector>

#include "app/config.h"
#include "app/health.h"
#include "app/housekeeping.h"
#include "app/lake_keeper.h"
#include "app/sink_switch.h"
#include "auth/authenticator.h"
#include "gateway/gateway.h"
#include "gateway/intake.h"
#include "http/server.h"
#include "lake/store.h"
#include "log/log.h"
#include "processor/lake_sink.h"
#include "processor/processor.h"
#include "warehouse/warehouse.h"

namespace tillrace::app {

// Members in the order they start; the reverse is the order they go: stores before the stages that
// use them. A gateway alone has no warehouse, and what follows from it; a processor alone has no
// gateway.
struct Running {
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  std::unique_ptr<log::Log> log;
  std::unique_ptr<warehouse::Warehouse> warehouse;
  std::stop_source lake_abandoned;  // ends what the lake's store has under way
  std::unique_ptr<lake::Store> lake_store;
  std::unique_ptr<SinkSwitch> lake_switch;
  std::unique_ptr<processor::LakeSink> lake;                      // absent where no lake is written
  std::vector<std::unique_ptr<processor::Processor>> processors;  // one a sink
  std::unique_ptr<Housekeeping> housekeeping;
  std::unique_ptr<LakeKeeper> lake_keeper;
  std::unique_ptr<auth::Authenticator> authenticator;  // absent where nobody is asked who he is
  std::unique_ptr<gateway::Intake> intake;
  std::unique_ptr<gateway::Gateway> gateway;
  std::unique_ptr<Health> health;  // behind all that it tells of
  std::unique_ptr<http::Server> server;

  Running() = default;
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  // The log's last answers go through the gateway, so they come before it goes.
  ~Running() {
    if (log) log->stop();
  }
};

// Each starts one part, and says what was in the way.
using Start = Status (*)(Running&, const Config&);

Status check_exposure(Running&, const Config& config);
// Of a processor that is one of several.
Status check_sharing(Running&, const Config& config);
Status start_log(Running& running, const Config& config);
Status start_reading_log(Running& running, const Config& config);
Status start_warehouse(Running& running, const Config& config);
Status start_processor(Running& running, const Config& config);
Status start_output(Running& running, const Config& config);
Status start_lake(Running& running, const Config& config);
Status start_lake_keeper(Running& running, const Config& config);
Status start_housekeeping(Running& running, const Config& config);
Status start_authenticator(Running& running, const Config& config);
Status start_gateway(Running& running, const Config& config);
Status start_listening(Running& running, const Config& config);

// `tillrace up`, `tillrace gateway`, and `tillrace processor`.
inline constexpr std::array<Start, 11> kUp = {
    check_exposure,      start_log,     start_warehouse,   start_processor,
    start_output,        start_lake,    start_lake_keeper, start_housekeeping,
    start_authenticator, start_gateway, start_listening};
inline constexpr std::array<Start, 6> kGateway = {check_exposure,     start_log,
                                                  start_housekeeping, start_authenticator,
                                                  start_gateway,      start_listening};
inline constexpr std::array<Start, 10> kProcessor = {
    check_sharing, check_exposure, start_reading_log, start_warehouse,     start_processor,
    start_output,  start_lake,     start_lake_keeper, start_authenticator, start_listening};

}  // namespace tillrace::app
