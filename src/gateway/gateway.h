// Stage 1: requests to the log. POST /v1/transactions.
#pragma once
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/random.h"
#include "gateway/request_events.h"
#include "http/router.h"
#include "log/log.h"
#include "model/invoice_date.h"

namespace tillrace::gateway {

struct GatewayOptions {
  EventLimits limits;
  TimeZone shop;  // for dates without a zone
  int retry_after_s = 1;
};

// Answers 201 when every record of a request is durable in the log, and stores all of them or none;
// see read_events() for what is refused, and how. 429 when too much waits for the log already; 503
// when the log failed, in which case the events may be stored and sending them again is safe (those
// with an identity of their own: EventId, or LineNo).
//
// Thread-safe; its handler runs on the server's threads. Everything it is given outlives it, and it
// outlives the server and the log's last answer.
class Gateway {
 public:
  Gateway(GatewayOptions options, log::Log& log, Clock& clock, Random& random, Metrics& metrics);
  ~Gateway();

  void mount(http::Router& router);

 private:
  struct Counters;

  void take(http::Request&& request, http::Reply reply);
  void append(RequestEvents events, http::Reply reply);
  std::unique_ptr<EventParser> borrow_parser();
  void give_back(std::unique_ptr<EventParser> parser);

  GatewayOptions options_;
  log::Log& log_;
  Clock& clock_;
  Random& random_;
  std::unique_ptr<Counters> counters_;
  Mutex mutex_;
  std::vector<std::unique_ptr<EventParser>> idle_parsers_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::gateway
