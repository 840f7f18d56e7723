// Events as JSON: read strictly, written plainly.
#pragma once
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/fields.h"

namespace tillrace {

// Why a text is no event.
struct Rejection {
  bool malformed = false;  // no JSON object at all; else JSON whose fields break rules
  std::vector<FieldError> errors;
};
// "Quantity: an integer ..., not 0; got 1.5"
std::string to_string(const Rejection& rejection);

// Reads one event at a time. Every byte of the text is checked, also of fields that Tillrace does
// not know, so that what is kept as received is valid JSON. Not thread-safe; one a thread.
class EventParser {
 public:
  // Deeper nesting is refused. Events need 1 level; unknown fields may bring their own.
  static constexpr int kMostDepth = 64;
  // A longer text is no event. Left to the caller, which may find that out before it has the text.
  static constexpr std::size_t kMostBytes = 256 << 10;

  explicit EventParser(TimeZone shop);
  EventParser(EventParser&&) noexcept;
  ~EventParser();

  // `json`: one JSON object, up to 4 GB; white space around it is allowed.
  tl::expected<Transaction, Rejection> parse(std::string_view json);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

inline constexpr std::size_t kNoMost = std::numeric_limits<std::size_t>::max();

// The records of a JSON array, or the lines of an NDJSON text, as slices of `body`. They are found
// by their brackets and quotes alone: each slice still goes through EventParser. invalid when the
// text is not of that form. Stops, without looking further, at one more than `most`.
Result<std::vector<std::string_view>> split_array(std::string_view body,
                                                  std::size_t most = kNoMost);
// Empty and blank lines are passed over; CRLF is taken as LF.
std::vector<std::string_view> split_lines(std::string_view body, std::size_t most = kNoMost);

// One line of JSON without line end: the fields that are there, in order. InvoiceDate is written
// without a zone.
void append_json(std::string& out, const Transaction& line);

}  // namespace tillrace
