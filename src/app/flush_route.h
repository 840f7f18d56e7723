// POST /v1/lake/flush: what waits for the lake is written now.
#pragma once
#include "app/health.h"
#include "http/router.h"

namespace tillrace::app {

inline constexpr const char* kFlushPath = "/v1/lake/flush";

// Asks the sink "lake" for haste and answers at once, with how far each partition is and where the
// log ends; who wants to see the end of it asks again until each mark has passed the end told first
// (run_lake_flush). Only for a process that has the sink; elsewhere there is no such path, 404.
// What is borrowed outlives the router.
void mount_flush(http::Router& router, const Health::Processors& processors, http::Admit guard);

}  // namespace tillrace::app
