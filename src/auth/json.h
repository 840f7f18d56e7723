// Reading JSON with simdjson, for this room's .cc files only. The whole document is checked when it
// is parsed; a member that stands there twice is refused, because two readers may take different
// ones (RFC 8259, section 4).
#pragma once
#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tillrace::auth {

// Owns a document; elements borrow from it.
class JsonDocument {
 public:
  // invalid when `text` is not one JSON object.
  Result<simdjson::dom::object> parse_object(std::string_view text);

 private:
  simdjson::dom::parser parser_;
};

// invalid when it stands there twice.
Result<std::optional<simdjson::dom::element>> find_member(simdjson::dom::object object,
                                                          std::string_view name);
// The string called `name`; invalid when it is something else, or there twice.
Result<std::optional<std::string_view>> find_string(simdjson::dom::object object,
                                                    std::string_view name);

}  // namespace tillrace::auth
