#include "client/identity.h"

#include "client/json_scan.h"

namespace tillrace::client {
namespace {

constexpr std::string_view kEventId = "EventId";
constexpr std::string_view kLineNo = "LineNo";

bool is_standard(const std::filesystem::path& path) { return path.empty() || path == "-"; }

bool has_value(std::string_view json, std::string_view key) {
  auto value = json_member(json, key);
  return value && *value != "null";
}

}  // namespace

bool brings_identity(std::string_view json) {
  return has_value(json, kLineNo) || has_value(json, kEventId);
}

std::string with_event_id(std::string_view json, const EventId& id) {
  std::string value = "\"" + to_string(id) + "\"";
  if (auto given = json_member(json, kEventId)) {
    auto at = static_cast<std::size_t>(given->data() - json.data());
    return std::string(json).replace(at, given->size(), value);
  }
  std::string_view rest = json.substr(1);
  bool empty = rest[rest.find_first_not_of(" \t\r\n")] == '}';
  return fmt::format("{{\"{}\":{}{}{}", kEventId, value, empty ? "" : ",", rest);
}

Identities::Identities(std::filesystem::path path, std::size_t max_record_bytes, Random& random)
    : path_(std::move(path)), max_record_bytes_(max_record_bytes), parser_(TimeZone{}) {
  std::error_code ignored;
  counting_ = is_standard(path_) || !std::filesystem::is_regular_file(path_, ignored);
  if (is_standard(path_)) random.fill(content_.bytes);
}

Result<std::string> Identities::prepare(const EventText& event) {
  if (event.overlong) {
    pass(event);
    return fail(Code::invalid, "an event of up to {} bytes", max_record_bytes_);
  }
  auto line = parser_.parse(event.json);
  if (!line && line.error().malformed) {
    pass(event);
    return fail(Code::invalid, "{}", to_string(line.error()));
  }
  bool known = line ? line->line_no || line->event_id : brings_identity(event.json);
  if (!known) return with_identity(event);
  pass(event);
  return std::string(event.json);
}

Result<std::string> Identities::with_identity(const EventText& event) {
  if (Status caught_up = catch_up(event); !caught_up) return fail(caught_up.error());
  pass(event);
  return with_event_id(event.json, file_event_id(to_string(content_), event.place));
}

// Most files have LineNo in every line; they are not hashed at all. Others are read again up to the
// first line that needs it.
Status Identities::catch_up(const EventText& event) {
  if (counting_) return {};
  counting_ = true;
  auto again = EventReader::open(path_, max_record_bytes_);
  if (!again) return fail(again.error());
  EventText earlier;
  while (true) {
    auto found = again->next(earlier);
    if (!found) return fail(found.error());
    if (*found == EventReader::Found::nothing_yet) continue;
    if (*found == EventReader::Found::end)
      return fail(Code::conflict, "{} has become shorter while it was read", path_.string());
    if (earlier.place == event.place) return {};
    pass(earlier);
  }
}

void Identities::pass(const EventText& event) {
  if (counting_) content_ = name_based(content_, event.json);
}

}  // namespace tillrace::client
