// Writes JSON (RFC 8259) into a string. It puts commas and colons where they belong; what it cannot
// check (a key without a value, a missing end) is the caller's bug and is CHECKed at take().
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tillrace {

// `text` as a JSON string with its quotes. Bytes that are no valid UTF-8 become U+FFFD, so the
// output is always JSON.
std::string json_quoted(std::string_view text);
void append_json_quoted(std::string& out, std::string_view text);

// Not thread-safe.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& number(double value);  // the shortest text that reads back the same; finite
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  // `json` is already JSON, such as a decimal that must not pass through a double.
  JsonWriter& raw(std::string_view json);

  // key() and value in one.
  JsonWriter& field(std::string_view name, std::string_view value) {
    return key(name).string(value);
  }
  JsonWriter& field(std::string_view name, const char* value) { return key(name).string(value); }
  JsonWriter& field(std::string_view name, std::int64_t value) { return key(name).number(value); }
  JsonWriter& field(std::string_view name, bool value) { return key(name).boolean(value); }

  // The finished document; the writer is empty again.
  std::string take();

 private:
  void before_value();

  std::string out_;
  std::vector<bool> has_items_;  // one per open object or array
  bool after_key_ = false;
};

}  // namespace tillrace
