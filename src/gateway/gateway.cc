#include "gateway/gateway.h"

#include "http/problem.h"

namespace tillrace::gateway {
namespace {

struct Range {
  log::Appended first;
  Offset last;
  std::int64_t count = 0;
};

// Places are in the batch's order, so ascending within each partition.
std::vector<Range> ranges_of(const std::vector<log::Appended>& places) {
  std::map<Partition, Range> by_partition;
  for (const log::Appended& place : places) {
    auto [entry, is_new] = by_partition.try_emplace(place.partition, Range{place, place.offset, 0});
    entry->second.last = place.offset;
    ++entry->second.count;
  }
  std::vector<Range> ranges;
  for (auto& [partition, range] : by_partition) ranges.push_back(range);
  return ranges;
}

http::Response created(std::string body) { return {201, {}, "application/json", std::move(body)}; }

http::Response one_created(const EventId& id, const log::Appended& place) {
  JsonWriter json;
  json.begin_object().field("event_id", to_string(id));
  json.field("partition", std::int64_t{place.partition.value})
      .field("offset", place.offset.value)
      .end_object();
  return created(json.take());
}

http::Response batch_created(const std::vector<log::Appended>& places) {
  JsonWriter json;
  json.begin_object()
      .field("accepted", static_cast<std::int64_t>(places.size()))
      .key("partitions")
      .begin_array();
  for (const Range& range : ranges_of(places)) {
    json.begin_object().field("partition", std::int64_t{range.first.partition.value});
    json.field("first_offset", range.first.offset.value).field("last_offset", range.last.value);
    json.field("records", range.count).end_object();
  }
  json.end_array().end_object();
  return created(json.take());
}

http::Response with_retry_after(http::Response response, int seconds) {
  response.headers.add("Retry-After", std::to_string(seconds));
  return response;
}

http::Response failure(const Error& error, int retry_after_s) {
  switch (error.code) {
    case Code::exhausted:
      return with_retry_after(
          http::problem(429, "busy", "Too much is waiting to be stored", error.message),
          retry_after_s);
    case Code::invalid:
      return http::problem(413, "batch-too-large", "The batch is too large for the log",
                           error.message);
    case Code::unavailable:
    case Code::shutting_down:
      return with_retry_after(
          http::problem(503, "unavailable", "The events could not be stored now",
                        error.message + "; send them again, which is safe"),
          retry_after_s);
    default: return http::problem(500, "log-failed", "The log does not take events", error.message);
  }
}

}  // namespace

struct Gateway::Counters {
  explicit Counters(Metrics& from)
      : metrics(from),
        received(
            from.counter("tillrace_gateway_received_total", "Events in requests that were read")),
        bytes(from.counter("tillrace_gateway_received_bytes_total", "Bytes of request bodies")),
        written(from.counter("tillrace_gateway_written_total", "Events answered with 201")) {}

  void rejected(std::string_view reason) {
    metrics
        .counter("tillrace_gateway_rejected_total", "Requests refused, by reason",
                 {{"reason", std::string(reason)}})
        .add();
  }
  void failed(Code code) {
    metrics
        .counter("tillrace_gateway_failed_total", "Requests the log did not take, by code",
                 {{"code", std::string(name(code))}})
        .add();
  }

  Metrics& metrics;
  Counter received;
  Counter bytes;
  Counter written;
};

Gateway::Gateway(GatewayOptions options, log::Log& log, Clock& clock, Random& random,
                 Metrics& metrics)
    : options_(std::move(options)),
      log_(log),
      clock_(clock),
      random_(random),
      counters_(std::make_unique<Counters>(metrics)) {}

Gateway::~Gateway() = default;

void Gateway::mount(http::Router& router) {
  router.add(http::Method::post, "/v1/transactions",
             [this](http::Request&& request, http::Reply reply) {
               take(std::move(request), std::move(reply));
             },
             {options_.limits.max_batch_bytes});
}

void Gateway::take(http::Request&& request, http::Reply reply) {
  counters_->bytes.add(static_cast<double>(request.body.size()));
  auto coding = request.headers.find("Content-Encoding");
  if (coding && !http::equal_without_case(*coding, "identity")) {
    counters_->rejected("media_type");
    return reply(http::problem(
        415, "unsupported-media-type", "The content coding is not taken",
        fmt::format("Content-Encoding '{}' is not taken; send the body as it is", *coding)));
  }
  std::unique_ptr<EventParser> parser = borrow_parser();
  auto events = read_events(request.headers.find("Content-Type").value_or(""), request.body,
                            options_.limits, *parser, clock_, random_);
  give_back(std::move(parser));
  if (!events) {
    counters_->rejected(events.error().reason);
    return reply(std::move(events.error().answer));
  }
  counters_->received.add(static_cast<double>(events->records.size()));
  append(std::move(*events), std::move(reply));
}

void Gateway::append(RequestEvents events, http::Reply reply) {
  bool one = events.form == BodyForm::one;
  EventId first_id = events.records.front().event_id;
  log_.append(std::move(events.records), [this, one, first_id, reply = std::move(reply)](
                                             Result<std::vector<log::Appended>> places) {
    if (!places) {
      counters_->failed(places.error().code);
      return reply(failure(places.error(), options_.retry_after_s));
    }
    counters_->written.add(static_cast<double>(places->size()));
    reply(one ? one_created(first_id, places->front()) : batch_created(*places));
  });
}

std::unique_ptr<EventParser> Gateway::borrow_parser() {
  MutexLock lock(mutex_);
  if (idle_parsers_.empty()) return std::make_unique<EventParser>(options_.shop);
  std::unique_ptr<EventParser> parser = std::move(idle_parsers_.back());
  idle_parsers_.pop_back();
  return parser;
}

void Gateway::give_back(std::unique_ptr<EventParser> parser) {
  MutexLock lock(mutex_);
  idle_parsers_.push_back(std::move(parser));
}

}  // namespace tillrace::gateway
