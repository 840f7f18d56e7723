#include "gateway/gateway.h"

#include "gateway/answers.h"
#include "gateway/idempotency.h"
#include "gateway/partial_upload.h"
#include "gateway/upload_query.h"

namespace tillrace::gateway {
namespace {

std::string_view content_type(const http::Request& request) {
  return request.headers.find("Content-Type").value_or("");
}

}  // namespace

Gateway::Gateway(GatewayOptions options, log::Log& log, Intake& intake, Clock& clock,
                 Random& random, Metrics& metrics)
    : options_(std::move(options)),
      log_(log),
      intake_(intake),
      clock_(clock),
      random_(random),
      metrics_(metrics),
      client_limits_(options_.client_limits, clock),
      parsers_(options_.shop) {}

void Gateway::mount(http::Router& router, http::Admit guard) {
  http::RouteOptions options;
  options.max_body_bytes = options_.limits.max_batch_bytes;
  options.part_bytes = kUploadChunkBytes;
  options.admit = [this, guard = std::move(guard)](http::Request& head) {
    auto refused = guard ? guard(head) : std::nullopt;
    return refused ? refused : admit(head);
  };
  options.stream = [this](const http::Request& head) { return open_upload(head); };
  router.add(
      http::Method::post, "/v1/transactions",
      [this](const http::Request& request, http::Reply reply) { take(request, std::move(reply)); },
      std::move(options));
}

// What a request's head already says, so that a body that will not be taken is not read.
std::optional<http::Response> Gateway::admit(const http::Request& head) {
  auto refused = [this](std::string_view reason, http::Response answer) {
    metrics_.rejected(reason);
    return answer;
  };
  if (auto full = intake_.refuse()) return refused("intake", std::move(*full));
  if (auto over = client_limits_.check(head.client))
    return refused("client_limit", rate_limited(over->limit, over->retry_after_s));
  auto query = parse_upload_query(head.query);
  if (!query) return refused("malformed", malformed_query(query.error().message));
  if (query->is_partial && !is_ndjson(content_type(head)))
    return refused("media_type", ndjson_wanted(content_type(head)));
  if (head.headers.count("Idempotency-Key") > 1)
    return refused("malformed", invalid_idempotency_key("the field is given more than once"));
  if (auto value = head.headers.find("Idempotency-Key"))
    if (auto key = parse_idempotency_key(*value); !key)
      return refused("malformed", invalid_idempotency_key(key.error().message));
  return std::nullopt;
}

std::unique_ptr<http::BodyStream> Gateway::open_upload(const http::Request& head) {
  auto query = parse_upload_query(head.query);
  if (!query || !query->is_partial) return nullptr;
  UploadTools tools{options_.limits, options_.retry_after_s, log_,    parsers_,
                    metrics_,        client_limits_,         intake_, clock_,
                    random_};
  return open_partial_upload(tools, {head.client, keyed(head), query->first_index});
}

// Of a request that was admitted: a key that is there is well-formed.
std::optional<KeyedNames> Gateway::keyed(const http::Request& request) const {
  auto value = request.headers.find("Idempotency-Key");
  if (!value) return std::nullopt;
  auto key = parse_idempotency_key(*value);
  if (!key) return std::nullopt;
  return KeyedNames{options_.tells_clients_apart ? request.client : "", std::move(*key), 0};
}

void Gateway::take(const http::Request& request, http::Reply reply) {
  metrics_.bytes.add(static_cast<double>(request.body.size()));
  auto names = keyed(request);
  auto events = parsers_.with_parser([&](EventParser& parser) {
    return read_events(content_type(request), request.body, options_.limits, parser, clock_,
                       random_, names ? &*names : nullptr);
  });
  client_limits_.charge(request.client, events ? events->records.size() : 0, request.body.size());
  if (!events) {
    metrics_.rejected(events.error().reason);
    return reply(std::move(events.error().answer));
  }
  metrics_.received.add(static_cast<double>(events->records.size()));
  if (names) return append_keyed(std::move(*events), *names, request.body, std::move(reply));
  ReceiptNote note{events->form, events->records.front().event_id, {}};
  append(std::move(events->records), note, {}, std::move(reply));
}

void Gateway::append_keyed(RequestEvents events, const KeyedNames& names, std::string_view body,
                           http::Reply reply) {
  ReceiptNote note{events.form, events.records.front().event_id, body_digest(body)};
  std::string key = receipt_key(names);
  if (auto known = replay(key, note)) return reply(std::move(*known));
  append(std::move(events.records), note, std::move(key), std::move(reply));
}

void Gateway::append(std::vector<Record> records, const ReceiptNote& note, std::string key,
                     http::Reply reply) {
  std::optional<log::Receipt> receipt;
  if (!key.empty()) receipt = {key, encode(note)};
  auto done = [this, note, key = std::move(key), began = clock_.monotonic(),
               reply = std::move(reply)](const Result<std::vector<log::Appended>>& places) {
    bool came_twice = !places && places.error().code == Code::conflict;
    if (auto known = came_twice ? replay(key, note) : std::nullopt) return reply(std::move(*known));
    if (!places) {
      metrics_.failed(places.error().code);
      return reply(append_failure(places.error(), options_.retry_after_s));
    }
    metrics_.durable_after(clock_.monotonic() - began);
    metrics_.written.add(static_cast<double>(places->size()));
    reply(created(note.form, note.first_event_id, ranges_of(*places)));
  };
  log_.append(std::move(records), std::move(receipt), std::move(done));
}

std::optional<http::Response> Gateway::replay(const std::string& key, const ReceiptNote& note) {
  auto found = log_.find_receipt(key);
  if (!found || !*found) return std::nullopt;  // a log that cannot be read takes no batch either
  auto before = decode_receipt_note((*found)->note);
  if (!before) return append_failure(before.error(), options_.retry_after_s);
  if (*before != note) {
    metrics_.rejected("key_reused");
    return key_reused();
  }
  metrics_.replayed.add();
  http::Response answer = created(note.form, note.first_event_id, (*found)->ranges);
  answer.headers.add("Idempotent-Replay", "true");
  return answer;
}

}  // namespace tillrace::gateway
