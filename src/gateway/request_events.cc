#include "gateway/request_events.h"

#include "base/blanks.h"
#include "http/problem.h"

namespace tillrace::gateway {
namespace {

constexpr std::string_view kTypes =
    "application/json with one object or an array of objects, or application/x-ndjson with one "
    "object a line";

// A body of {},{},{} would otherwise be answered with two hundred times its size.
constexpr std::size_t kMostDetailedRecords = 1'000;

bool has_only_utf8_parameters(std::string_view parameters) {
  for (std::string_view rest = parameters; !rest.empty();) {
    std::size_t end = std::min(rest.find(';'), rest.size());
    std::string_view parameter = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    parameter = trimmed(parameter);
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

bool is_type(std::string_view content_type, std::string_view wanted) {
  std::size_t end = std::min(content_type.find(';'), content_type.size());
  std::string_view type = content_type.substr(0, end);
  type = without_trailing_blanks(type);
  return http::equal_without_case(type, wanted) &&
         has_only_utf8_parameters(content_type.substr(std::min(end + 1, content_type.size())));
}

// Nothing for a type that is not taken.
std::optional<BodyForm> form_of(std::string_view content_type, std::string_view body) {
  if (is_ndjson(content_type)) return BodyForm::lines;
  if (!is_type(content_type, "application/json")) return std::nullopt;
  return trimmed(body).starts_with('[') ? BodyForm::array : BodyForm::one;
}

Result<std::vector<std::string_view>> split(BodyForm form, std::string_view body,
                                            std::size_t most) {
  switch (form) {
    case BodyForm::array: return split_array(body, most);
    case BodyForm::lines: return split_lines(body, most);
    case BodyForm::one: break;
  }
  return std::vector<std::string_view>{trimmed(body)};
}

void write_members(JsonWriter& json, const FieldError& error) {
  json.field("field", error.field).field("rule", error.rule).field("got", error.got);
}

// Those behind the first kMostDetailedRecords have no errors: they are told by their index.
void write_errors(JsonWriter& json, const std::vector<BadRecord>& bad) {
  json.key("errors").begin_array();
  for (const BadRecord& record : bad) {
    auto index = static_cast<std::int64_t>(record.index);
    if (record.rejection.errors.empty()) json.begin_object().field("index", index).end_object();
    for (const FieldError& error : record.rejection.errors) {
      json.begin_object().field("index", index);
      write_members(json, error);
      json.end_object();
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

// Where the events' identities come from that bring none.
struct Names {
  Clock& clock;
  Random& random;
  const KeyedNames* keyed;

  EventId of(const Transaction& line, std::size_t index) const {
    if (auto own = own_event_id(line)) return *own;
    if (keyed != nullptr)
      return keyed_event_id(keyed->client, keyed->key, keyed->first_index + index);
    return fresh_event_id(clock, random);
  }
};

// All texts as records, or what is wrong with which of them.
tl::expected<RequestEvents, Refusal> read_records(BodyForm form,
                                                  const std::vector<std::string_view>& texts,
                                                  const EventLimits& limits, EventParser& parser,
                                                  const Names& names) {
  RequestEvents events{form, {}};
  events.records.reserve(texts.size());
  std::vector<BadRecord> bad;
  UtcMicros received_at = names.clock.now();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto line = parse(texts[i], limits, parser);
    if (!line) {
      bad.push_back({i, std::move(line.error())});
      if (bad.size() > kMostDetailedRecords) bad.back().rejection.errors = {};
    } else if (bad.empty()) {
      EventId id = names.of(*line, i);
      events.records.push_back(
          {std::move(line->invoice_no), std::string(texts[i]), id, received_at});
    }
  }
  if (!bad.empty()) return tl::unexpected(refuse(form, bad, texts.size()));
  return events;
}

}  // namespace

bool is_ndjson(std::string_view content_type) {
  return is_type(content_type, "application/x-ndjson");
}

void write_errors(JsonWriter& json, const Rejection& rejection) {
  json.key("errors").begin_array();
  for (const FieldError& error : rejection.errors) {
    json.begin_object();
    write_members(json, error);
    json.end_object();
  }
  json.end_array();
}

SortedLines sort_lines(std::string_view lines, const EventLimits& limits, EventParser& parser,
                       Clock& clock, Random& random, const KeyedNames* keyed) {
  Names names{clock, random, keyed};
  std::vector<std::string_view> texts = split_lines(lines);
  SortedLines sorted;
  sorted.count = texts.size();
  sorted.records.reserve(texts.size());
  UtcMicros received_at = clock.now();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto line = parse(texts[i], limits, parser);
    if (!line) {
      sorted.refused.push_back({i, std::move(line.error())});
      if (sorted.refused.size() > kMostDetailedRecords) sorted.refused.back().rejection.errors = {};
      continue;
    }
    EventId id = names.of(*line, i);
    sorted.records.push_back({std::move(line->invoice_no), std::string(texts[i]), id, received_at});
  }
  return sorted;
}

tl::expected<RequestEvents, Refusal> read_events(std::string_view content_type,
                                                 std::string_view body, const EventLimits& limits,
                                                 EventParser& parser, Clock& clock, Random& random,
                                                 const KeyedNames* keyed) {
  auto refused = [](std::string_view reason, http::Response answer) {
    return tl::unexpected(Refusal{reason, std::move(answer)});
  };
  std::optional<BodyForm> form = form_of(content_type, body);
  if (!form)
    return refused(
        "media_type",
        http::problem(415, "unsupported-media-type", "The content type is not taken",
                      fmt::format("'{}' is not taken; send {}, in UTF-8", content_type, kTypes)));
  auto texts = split(*form, body, limits.max_batch_records);
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
                                 fmt::format("more than {} records; send them in several batches",
                                             limits.max_batch_records)));
  return read_records(*form, *texts, limits, parser, {clock, random, keyed});
}

}  // namespace tillrace::gateway
