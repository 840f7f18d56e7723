// The event parser and both splitters on any bytes. simdjson's DOM parser, which checks a whole
// text at once, is the second opinion on what is JSON.
#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "model/event_json.h"

namespace {

using tillrace::EventParser;
using tillrace::Rejection;
using tillrace::Transaction;

EventParser& parser() {
  static EventParser instance{tillrace::TimeZone{}};
  return instance;
}

simdjson::error_code second_opinion(std::string_view text, bool& is_object) {
  static simdjson::dom::parser dom;
  simdjson::dom::element root;
  simdjson::error_code error = dom.parse(simdjson::padded_string(text)).get(root);
  is_object = error == simdjson::SUCCESS && root.is_object();
  return error;
}

// The DOM has no room for numbers like 1e400 or 2^70, which are JSON all the same.
bool is_number_out_of_range(simdjson::error_code error) { return error == simdjson::NUMBER_ERROR; }

int deepest_nesting(std::string_view json) {
  int depth = 0;
  int deepest = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    if (json[at] == '\\') {
      ++at;
    } else if (json[at] == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      if (json[at] == '{' || json[at] == '[') deepest = std::max(deepest, ++depth);
      if (json[at] == '}' || json[at] == ']') --depth;
    }
  }
  return deepest;
}

void check_accepted(std::string_view text, const Transaction& line) {
  bool is_object = false;
  simdjson::error_code error = second_opinion(text, is_object);
  CHECK(is_object || is_number_out_of_range(error));
  auto again = parser().parse(text);
  CHECK(again && *again == line);
  std::string written;
  append_json(written, line);
  CHECK(written.find('\n') == std::string::npos);
  auto read_back = parser().parse(written);
  CHECK(read_back && *read_back == line);
}

void check_refused(std::string_view text, const Rejection& rejection) {
  CHECK(!rejection.errors.empty());
  for (const tillrace::FieldError& error : rejection.errors) {
    CHECK(error.field.empty() == rejection.malformed);
    CHECK(!error.rule.empty());
    CHECK(tillrace::is_utf8(error.got));
  }
  bool is_object = false;
  simdjson::error_code error = second_opinion(text, is_object);
  if (rejection.malformed) {
    bool marked = text.starts_with("\xef\xbb\xbf");  // newer versions of simdjson pass over it
    CHECK(!is_object || marked || deepest_nesting(text) > EventParser::kMostDepth);
  } else {
    CHECK(is_object || is_number_out_of_range(error));
  }
}

void check_event(std::string_view text) {
  auto line = parser().parse(text);
  line ? check_accepted(text, *line) : check_refused(text, line.error());
}

// A slice of the body, behind the one before.
void check_slices(std::string_view body, const std::vector<std::string_view>& slices) {
  const char* end = body.data();
  for (std::string_view slice : slices) {
    CHECK(!slice.empty() && slice.data() >= end);
    end = slice.data() + slice.size();
    CHECK(end <= body.data() + body.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_event(text);
  auto lines = tillrace::split_lines(text);
  check_slices(text, lines);
  for (std::string_view line : lines) {
    CHECK(line.find('\n') == std::string_view::npos);
    check_event(line);
  }
  auto records = tillrace::split_array(text);
  bool all_accepted = records.has_value();
  if (records) {
    check_slices(text, *records);
    for (std::string_view record : *records) all_accepted = parser().parse(record) && all_accepted;
  }
  bool is_object = false;
  if (all_accepted) {
    simdjson::error_code error = second_opinion(text, is_object);
    CHECK(error == simdjson::SUCCESS || is_number_out_of_range(error));
  }
  return 0;
}
