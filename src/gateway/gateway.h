// Stage 1: requests to the log. POST /v1/transactions.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "gateway/client_limits.h"
#include "gateway/idempotency.h"
#include "gateway/intake.h"
#include "gateway/metrics.h"
#include "gateway/parser_pool.h"
#include "gateway/request_events.h"
#include "http/router.h"
#include "log/log.h"
#include "model/invoice_date.h"

namespace tillrace::gateway {

struct GatewayOptions {
  EventLimits limits;
  TimeZone shop;  // for dates without a zone
  int retry_after_s = 1;
  ClientLimitOptions client_limits;
  // Idempotency keys belong to the client that Request::client names; otherwise all share them.
  bool tells_clients_apart = false;
};

// Answers 201 when every record of a request is durable in the log, and stores all of them or none;
// see read_events() for what is refused, and how. With ?partial=true a body of any length is taken
// in chunks (partial_upload.h). 429 when too much waits for the log already, or a client sends more
// than its share; 503 while `intake` is closed, or when the log failed, in which case the events
// may be stored and sending them again is safe (those with an identity of their own: EventId,
// LineNo, or an Idempotency-Key).
//
// A request under an Idempotency-Key that was answered with 201 leaves a receipt, durable with its
// records; the same request again gets the same answer, another body 422. Of two at once one is
// stored, and the other gets its answer.
//
// Thread-safe; its handlers run on the server's threads. Everything it is given outlives it, and it
// outlives the server and the log's last answer.
class Gateway {
 public:
  Gateway(GatewayOptions options, log::Log& log, Intake& intake, Clock& clock, Random& random,
          Metrics& metrics);

  // `guard` looks first at each request: who it is from, and whether that one may send events.
  void mount(http::Router& router, http::Admit guard = {});

 private:
  std::optional<http::Response> admit(const http::Request& head);
  std::unique_ptr<http::BodyStream> open_upload(const http::Request& head);
  void take(const http::Request& request, http::Reply reply);
  // Leaves a receipt under `key`, unless that is empty.
  void append(std::vector<Record> records, const ReceiptNote& note, std::string key,
              http::Reply reply);
  void append_keyed(RequestEvents events, const KeyedNames& names, std::string_view body,
                    http::Reply reply);
  // The answer that the request has had before, or that its key belongs to another; nothing when
  // its key is new.
  std::optional<http::Response> replay(const std::string& key, const ReceiptNote& note);
  std::optional<KeyedNames> keyed(const http::Request& request) const;

  const GatewayOptions options_;
  log::Log& log_;
  Intake& intake_;
  Clock& clock_;
  Random& random_;
  GatewayMetrics metrics_;
  ClientLimits client_limits_;
  ParserPool parsers_;
};

}  // namespace tillrace::gateway
