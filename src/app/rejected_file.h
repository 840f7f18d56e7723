// Rejected records as files: for programs (export) and for an editor.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "model/record.h"
#include "warehouse/rejected.h"

namespace tillrace::app {

// A record's place among all topics.
struct RecordPlace {
  std::string topic;
  Partition partition;
  Offset offset;
  auto operator<=>(const RecordPlace&) const = default;
};
// "0:17"
std::string to_string(const RecordPlace& place);
// "0:17" of `topic`, or "topic/0:17". invalid for anything else.
Result<RecordPlace> parse_place(std::string_view text, const std::string& topic);

inline RecordPlace place_of(const warehouse::RejectedRow& row) {
  return {row.topic, row.partition, row.offset};
}

// A record's text as a file has it.
struct FileRecord {
  RecordPlace place;
  std::string value;
};

// One JSON object, without a line end. The bytes are in `value` as a string where they are UTF-8,
// else in `base64`: so parse_records() gives every byte back.
std::string export_line(const warehouse::RejectedRow& row);

// "# topic/0:17  what is wrong", and the text behind it. Bytes that are not UTF-8 are shown as
// U+FFFD.
std::string editable(const warehouse::RejectedRow& row);
// Whether `text` still has the U+FFFD of editable() in place of bytes of the record.
bool holds_stand_ins(std::string_view text, const warehouse::RejectedRow& row);

// The records of such a file, in either form, repaired or not. In an export `value` may also be the
// event itself instead of a string; in the editor's form a record without text is left out.
// invalid, naming the line, when it has neither form or names a record twice.
Result<std::vector<FileRecord>> parse_records(std::string_view text);

}  // namespace tillrace::app
