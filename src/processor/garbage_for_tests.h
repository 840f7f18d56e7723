// Records that are no events, of many kinds, with what has to be said about each. Included by
// *_test.cc alone; tests/scenario/garbage.json holds the same kinds for the real program.
#pragma once
#include <string>
#include <vector>

#include "processor/processor_for_tests.h"
#include "warehouse/batch_writer.h"

namespace tillrace::processor {

struct Garbage {
  std::string what;
  std::string value;
  warehouse::RejectedKind kind;
  std::string field;
  std::string reason;  // a part of it
};

// event_json() with one member in place of another, such as {"Quantity", "1.5"}.
inline std::string changed(const std::string& field, const std::string& value) {
  std::string json = event_json("536365");
  std::size_t at = json.find("\"" + field + "\":") + field.size() + 3;
  std::size_t end = json[at] == '"' ? json.find('"', at + 1) + 1 : json.find_first_of(",}", at);
  return json.replace(at, end - at, value);
}

inline std::string without(const std::string& field) {
  std::string json = changed(field, "");
  std::size_t at = json.find("\"" + field + "\":");
  bool last = json[at + field.size() + 3] == '}';
  return json.erase(last ? at - 1 : at, field.size() + 4);
}

inline std::vector<Garbage> all_garbage() {
  using enum warehouse::RejectedKind;
  const std::string deep(100, '[');
  const std::string deep_end(100, ']');
  const std::string event = event_json("536365");
  return {
      {"empty, or a null value", "", not_json, "", "got nothing"},
      {"blanks", " \r\n\t", not_json, "", "got nothing"},
      {"not UTF-8", event.substr(0, 20) + "\xff" + event.substr(21), not_json, "",
       "not UTF-8, the first at byte 21"},
      {"UTF-16", std::string("{\0\"\0", 4), not_json, "", "a NUL at byte 2"},
      {"a NUL", event + std::string(1, '\0'), not_json, "",
       "a NUL at byte " + std::to_string(event.size() + 1)},
      {"a byte order mark", "\xef\xbb\xbf" + event, not_json, "", "without a byte order mark"},
      {"a text", "InvoiceNo=536365", not_json, "", "no JSON"},
      {"cut off", event.substr(0, event.size() - 10), not_json, "", "breaks off"},
      {"a missing comma", "{\"InvoiceNo\":\"1\" \"Quantity\":1}", not_json, "", "broken JSON"},
      {"two objects", event + event, not_json, "",
       "more behind its end, at byte " + std::to_string(event.size() + 1)},
      {"an array", "[" + event + "]", not_json, "", "got an array"},
      {"a number", "536365", not_json, "", "got a number"},
      {"a string", "\"536365\"", not_json, "", "got a string"},
      {"null", "null", not_json, "", "got null"},
      {"too deep", "{\"x\":" + deep + deep_end + "}", not_json, "", "got 101 levels"},
      {"too large", "{\"x\":\"" + std::string(EventParser::kMostBytes, 'x') + "\"}", too_large, "",
       "up to 262144 bytes, got 262152"},
      {"a missing field", without("StockCode"), field, "StockCode", "got nothing"},
      {"null where a value must be", changed("Country", "null"), field, "Country", "got nothing"},
      {"a wrong type", changed("InvoiceNo", "{\"a\":1}"), field, "InvoiceNo", "got an object"},
      {"a fraction", changed("Quantity", "1.5"), field, "Quantity", "got 1.5"},
      {"zero", changed("Quantity", "0"), field, "Quantity", "not 0, got 0"},
      {"out of range", changed("Quantity", "2147483648"), field, "Quantity", "got 2147483648"},
      {"a day that is none", changed("InvoiceDate", "\"2010-02-30T08:26\""), field, "InvoiceDate",
       "got 2010-02-30T08:26"},
      {"a text for a price", changed("UnitPrice", "\"2,55\""), field, "UnitPrice", "got 2,55"},
      {"a code too long", changed("StockCode", "\"" + std::string(21, '8') + "\""), field,
       "StockCode", "1 to 20 printable characters"},
      {"a field twice", changed("LineNo", "1,\"LineNo\":2"), field, "LineNo", "given once"},
      {"an EventId that is none", changed("LineNo", "1,\"EventId\":\"7\""), field, "EventId",
       "a UUID"},
  };
}

}  // namespace tillrace::processor
