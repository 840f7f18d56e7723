#include "app/rejected_file.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/base64.h"
#include "base/blanks.h"
#include "base/json_writer.h"
#include "base/utf8.h"
#include "client/json_scan.h"
#include "model/event_json.h"

namespace tillrace::app {
namespace {

constexpr std::string_view kHead = "# ";
constexpr std::string_view kStandIn = "\ufffd";

template <class Integer>
bool read_number(std::string_view text, Integer& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value >= 0;
}

std::string as_utf8(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    std::size_t length = utf8_length(bytes);
    out += length == 0 ? kStandIn : bytes.substr(0, length);
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

// A line of a record's own that looks like a head would be taken for one.
std::string no_heads(std::string_view text) {
  std::string out;
  bool at_start = true;
  for (char c : text) {
    if (at_start && c == '#') out += ' ';
    out += c;
    at_start = c == '\n';
  }
  return out;
}

void write_bytes(JsonWriter& json, std::string_view text_key, std::string_view base64_key,
                 std::string_view bytes) {
  is_utf8(bytes) ? json.field(text_key, bytes) : json.field(base64_key, base64_encode(bytes));
}

void write_or_null(JsonWriter& json, std::string_view key,
                   const std::optional<std::string>& value) {
  value ? json.field(key, *value) : json.key(key).null();
}

tl::unexpected<Error> bad_line(std::size_t line, std::string_view why) {
  return fail(Code::invalid, "line {}: {}", line, why);
}

Result<RecordPlace> place_in(std::string_view object) {
  RecordPlace place;
  auto member = [object](std::string_view key) {
    return client::json_member(object, key).value_or("");
  };
  place.topic = client::json_text(member("topic"));
  if (place.topic.empty() || !read_number(member("partition"), place.partition.value) ||
      !read_number(member("offset"), place.offset.value))
    return fail(Code::invalid, "topic, partition and offset must say which record it is");
  return place;
}

Result<std::string> value_in(std::string_view object) {
  if (auto value = client::json_member(object, "value")) return client::json_text(*value);
  auto base64 = client::json_member(object, "base64");
  if (!base64) return fail(Code::invalid, "neither value nor base64 is there");
  auto bytes = base64_decode(client::json_text(*base64));
  if (!bytes) return fail(Code::invalid, "base64 is not Base64 (RFC 4648)");
  return *bytes;
}

Result<std::vector<FileRecord>> parse_export(std::string_view text) {
  std::vector<FileRecord> records;
  EventParser parser{TimeZone()};
  std::size_t line_no = 0;
  while (!text.empty()) {
    ++line_no;
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    auto parsed = parser.parse(line);
    if (!parsed && parsed.error().malformed) return bad_line(line_no, to_string(parsed.error()));
    auto place = place_in(line);
    if (!place) return bad_line(line_no, place.error().message);
    auto value = value_in(line);
    if (!value) return bad_line(line_no, value.error().message);
    records.push_back({std::move(*place), std::move(*value)});
  }
  return records;
}

Result<std::vector<FileRecord>> parse_edited(std::string_view text) {
  std::vector<FileRecord> records;
  std::size_t line_no = 0;
  while (!text.empty()) {
    ++line_no;
    std::size_t end = std::min(text.find('\n') + 1, text.size());
    if (end == 0) end = text.size();
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    if (!line.starts_with(kHead)) {
      if (!records.empty()) records.back().value += line;
      if (records.empty() && !trimmed(line).empty())
        return bad_line(line_no, "text must stand behind a line such as '# topic/0:17'");
      continue;
    }
    std::string_view head = trimmed(line.substr(kHead.size()));
    auto place = parse_place(head.substr(0, head.find_first_of(kBlanks)), "");
    if (!place || place->topic.empty())
      return bad_line(line_no,
                      "a line that begins with '# ' must name a record, as '# topic/0:17'");
    records.push_back({std::move(*place), ""});
  }
  for (FileRecord& record : records) record.value = trimmed(record.value);
  std::erase_if(records, [](const FileRecord& record) { return record.value.empty(); });
  return records;
}

}  // namespace

std::string to_string(const RecordPlace& place) {
  return fmt::format("{}:{}", place.partition.value, place.offset.value);
}

Result<RecordPlace> parse_place(std::string_view text, const std::string& topic) {
  RecordPlace place{topic, {}, {}};
  std::string_view rest = text;
  if (std::size_t slash = rest.rfind('/'); slash != std::string_view::npos) {
    place.topic = rest.substr(0, slash);
    rest.remove_prefix(slash + 1);
  }
  std::size_t colon = std::min(rest.find(':'), rest.size());
  if (colon == rest.size() || !read_number(rest.substr(0, colon), place.partition.value) ||
      !read_number(rest.substr(colon + 1), place.offset.value))
    return fail(Code::invalid,
                "'{}' is no record; PARTITION:OFFSET was expected, as 0:17, or TOPIC/0:17", text);
  return place;
}

std::string export_line(const warehouse::RejectedRow& row) {
  JsonWriter json;
  json.begin_object().field("topic", row.topic);
  json.field("partition", std::int64_t{row.partition.value}).field("offset", row.offset.value);
  json.field("event_id", to_string(row.event_id)).field("received_at", row.received_at);
  json.field("rejected_at", row.rejected_at).field("kind", row.kind);
  write_or_null(json, "field", row.field);
  json.field("reason", row.reason);
  write_or_null(json, "resent_at", row.resent_at);
  write_or_null(json, "resent_as", row.resent_as);
  if (row.key) write_bytes(json, "key", "key_base64", *row.key);
  write_bytes(json, "value", "base64", row.value);
  return json.end_object().take();
}

std::string editable(const warehouse::RejectedRow& row) {
  std::string reason = row.reason;
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return fmt::format("{}{}/{}  {}\n{}\n\n", kHead, row.topic, to_string(place_of(row)), reason,
                     no_heads(as_utf8(row.value)));
}

bool holds_stand_ins(std::string_view text, const warehouse::RejectedRow& row) {
  return text.find(kStandIn) != text.npos && !is_utf8(row.value);
}

Result<std::vector<FileRecord>> parse_records(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  bool edited = trimmed(text).starts_with('#');
  auto records = edited ? parse_edited(text) : parse_export(text);
  if (!records) return records;
  std::set<RecordPlace> seen;
  for (const FileRecord& record : *records)
    if (!seen.insert(record.place).second)
      return fail(Code::invalid, "{}/{} is there twice", record.place.topic,
                  to_string(record.place));
  return records;
}

}  // namespace tillrace::app
