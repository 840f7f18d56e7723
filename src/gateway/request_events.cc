#include "gateway/request_events.h"

#include "http/problem.h"

namespace tillrace::gateway {
namespace {

constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kTypes =
    "application/json with one object or an array of objects, or application/x-ndjson with one "
    "object a line";

// A body of {},{},{} would otherwise be answered with two hundred times its size.
constexpr std::size_t kMostDetailedRecords = 1'000;

struct BadRecord {
  std::size_t index = 0;
  Rejection rejection;  // without errors behind the first kMostDetailedRecords
};

bool has_only_utf8_parameters(std::string_view parameters) {
  for (std::string_view rest = parameters; !rest.empty();) {
    std::size_t end = std::min(rest.find(';'), rest.size());
    std::string_view parameter = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    parameter.remove_prefix(std::min(parameter.find_first_not_of(kBlank), parameter.size()));
    parameter = parameter.substr(0, parameter.find_last_not_of(kBlank) + 1);
    std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos ||
        !http::equal_without_case(parameter.substr(0, equals), "charset"))
      continue;
    std::string_view charset = parameter.substr(equals + 1);
    if (!http::equal_without_case(charset, "utf-8") &&
        !http::equal_without_case(charset, "\"utf-8\""))
      return false;
  }
  return true;
}

// Nothing for a type that is not taken.
std::optional<BodyForm> form_of(std::string_view content_type, std::string_view body) {
  std::size_t end = std::min(content_type.find(';'), content_type.size());
  std::string_view type = content_type.substr(0, end);
  type = type.substr(0, type.find_last_not_of(kBlank) + 1);
  if (!has_only_utf8_parameters(content_type.substr(std::min(end + 1, content_type.size()))))
    return std::nullopt;
  if (http::equal_without_case(type, "application/x-ndjson")) return BodyForm::lines;
  if (!http::equal_without_case(type, "application/json")) return std::nullopt;
  std::size_t first = body.find_first_not_of(kBlank);
  bool array = first != std::string_view::npos && body[first] == '[';
  return array ? BodyForm::array : BodyForm::one;
}

Result<std::vector<std::string_view>> split(BodyForm form, std::string_view body) {
  switch (form) {
    case BodyForm::array: return split_array(body);
    case BodyForm::lines: return split_lines(body);
    case BodyForm::one: break;
  }
  std::size_t first = std::min(body.find_first_not_of(kBlank), body.size());
  std::string_view record = body.substr(first, body.find_last_not_of(kBlank) + 1 - first);
  return std::vector<std::string_view>{record};
}

void write_errors(JsonWriter& json, const std::vector<BadRecord>& bad) {
  json.key("errors").begin_array();
  for (const BadRecord& record : bad) {
    auto index = static_cast<std::int64_t>(record.index);
    if (record.rejection.errors.empty()) json.begin_object().field("index", index).end_object();
    for (const FieldError& error : record.rejection.errors) {
      json.begin_object().field("index", index);
      json.field("field", error.field)
          .field("rule", error.rule)
          .field("got", error.got)
          .end_object();
    }
  }
  json.end_array();
}

// A body that is no JSON is malformed as a whole; of lines each stands for itself.
Refusal refuse(BodyForm form, const std::vector<BadRecord>& bad, std::size_t records) {
  bool malformed = std::any_of(bad.begin(), bad.end(),
                               [](const BadRecord& record) { return record.rejection.malformed; });
  auto members = [&bad](JsonWriter& json) { write_errors(json, bad); };
  std::string first =
      fmt::format("record {}: {}", bad.front().index, to_string(bad.front().rejection));
  std::string detail =
      records == 1 ? fmt::format("{}; nothing was stored", to_string(bad.front().rejection))
                   : fmt::format("{} of {} records are wrong, the first: {}; nothing was stored",
                                 bad.size(), records, first);
  if (malformed && form != BodyForm::lines)
    return {"malformed",
            http::problem(400, "malformed-body", "The body is not JSON", detail, members)};
  return {"invalid", http::problem(422, "invalid-events", "Events break the rules of their fields",
                                   detail, members)};
}

tl::expected<Transaction, Rejection> parse(std::string_view text, const EventLimits& limits,
                                           EventParser& parser) {
  if (text.size() <= limits.max_record_bytes) return parser.parse(text);
  std::string got = fmt::format("{} bytes; the limit is {}", text.size(), limits.max_record_bytes);
  return tl::unexpected(Rejection{false, {{"", "a smaller record", std::move(got)}}});
}

EventId identity(const Transaction& line, Clock& clock, Random& random) {
  if (line.event_id) return *line.event_id;
  if (line.line_no) return derived_event_id(line.invoice_no, *line.line_no);
  return fresh_event_id(clock, random);
}

// All texts as records, or what is wrong with which of them.
tl::expected<RequestEvents, Refusal> read_records(BodyForm form,
                                                  const std::vector<std::string_view>& texts,
                                                  const EventLimits& limits, EventParser& parser,
                                                  Clock& clock, Random& random) {
  RequestEvents events{form, {}};
  events.records.reserve(texts.size());
  std::vector<BadRecord> bad;
  UtcMicros received_at = clock.now();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto line = parse(texts[i], limits, parser);
    if (!line) {
      bad.push_back({i, std::move(line.error())});
      if (bad.size() > kMostDetailedRecords) bad.back().rejection.errors = {};
    } else if (bad.empty()) {
      EventId id = identity(*line, clock, random);
      events.records.push_back(
          {std::move(line->invoice_no), std::string(texts[i]), id, received_at});
    }
  }
  if (!bad.empty()) return tl::unexpected(refuse(form, bad, texts.size()));
  return events;
}

}  // namespace

tl::expected<RequestEvents, Refusal> read_events(std::string_view content_type,
                                                 std::string_view body, const EventLimits& limits,
                                                 EventParser& parser, Clock& clock,
                                                 Random& random) {
  auto refused = [](std::string_view reason, http::Response answer) {
    return tl::unexpected(Refusal{reason, std::move(answer)});
  };
  std::optional<BodyForm> form = form_of(content_type, body);
  if (!form)
    return refused(
        "media_type",
        http::problem(415, "unsupported-media-type", "The content type is not taken",
                      fmt::format("'{}' is not taken; send {}, in UTF-8", content_type, kTypes)));
  auto texts = split(*form, body);
  if (!texts)
    return refused("malformed", http::problem(400, "malformed-body", "The body is not JSON",
                                              texts.error().message));
  if (texts->empty() || texts->front().empty())
    return refused("malformed",
                   http::problem(400, "malformed-body", "The body is not JSON",
                                 "there are no records in the body; send at least one"));
  if (texts->size() > limits.max_batch_records)
    return refused("too_many",
                   http::problem(413, "too-many-records", "The batch holds too many records",
                                 fmt::format("{} records; at most {} are taken at once",
                                             texts->size(), limits.max_batch_records)));
  return read_records(*form, *texts, limits, parser, clock, random);
}

}  // namespace tillrace::gateway
