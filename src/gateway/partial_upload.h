// POST /v1/transactions?partial=true: a body of any length, taken in chunks, each durable before
// the next is read, with an answer that says of each record what became of it.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "gateway/client_limits.h"
#include "gateway/intake.h"
#include "gateway/metrics.h"
#include "gateway/parser_pool.h"
#include "gateway/request_events.h"
#include "http/router.h"
#include "log/log.h"

namespace tillrace::gateway {

inline constexpr std::size_t kUploadChunkBytes = 256 << 10;

// What an upload works with; all of it outlives the upload.
struct UploadTools {
  const EventLimits& limits;
  int retry_after_s;
  log::Log& log;
  ParserPool& parsers;
  GatewayMetrics& metrics;
  ClientLimits& client_limits;
  Intake& intake;
  Clock& clock;
  Random& random;
};

struct UploadRequest {
  std::string client;               // for its limits
  std::optional<KeyedNames> keyed;  // from its Idempotency-Key
  std::uint64_t first_index = 0;    // what the body's first record is called in the answer
};

// With an Idempotency-Key each chunk has a receipt of its own, so an upload that broke off is taken
// up again by sending it again: chunks that are known are answered as they were, not stored again.
// Where a chunk ends follows from the body alone.
//
// The answer is NDJSON. A refusal before anything was answered is a problem as of a whole batch;
// later it is a line that says from which record on nothing was stored. Memory: about four chunks.
std::unique_ptr<http::BodyStream> open_partial_upload(const UploadTools& tools,
                                                      UploadRequest request);

}  // namespace tillrace::gateway
