#include "app/flush_route.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/json_writer.h"

namespace tillrace::app {
namespace {

http::Response flush(const Health::Processors& processors) {
  auto found = std::find_if(processors.begin(), processors.end(),
                            [](const auto& each) { return each->sink() == "lake"; });
  CHECK(found != processors.end());
  processor::Processor& lake = **found;
  lake.hurry();
  processor::Health health = lake.health();
  JsonWriter out;
  out.begin_object().field("lake", state_of(health));
  if (!health.problem.empty()) out.field("problem", health.problem);
  out.key("partitions").begin_array();
  for (const processor::Reached& each : lake.reached()) {
    out.begin_object().field("partition", std::int64_t{each.partition.value});
    out.field("mark", each.mark.value).field("end", each.end.value).end_object();
  }
  out.end_array().end_object();
  return {202, {}, "application/json", out.take()};
}

}  // namespace

void mount_flush(http::Router& router, const Health::Processors& processors, http::Admit guard) {
  router.add(http::Method::post, kFlushPath,
             [&processors](http::Request&&, const http::Reply& reply) { reply(flush(processors)); },
             {.admit = std::move(guard)});
}

}  // namespace tillrace::app
