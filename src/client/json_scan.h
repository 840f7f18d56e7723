// A look into small JSON texts whose shape is known, without a parser: problem+json answers, and an
// event's own members. On texts that are no JSON it finds something or nothing, but reads nothing
// outside of them.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tillrace::client {

struct JsonMember {
  std::string_view key;    // what stands between its quotes
  std::string_view value;  // as written
};

// The members of one object, at its own level.
std::vector<JsonMember> json_members(std::string_view object);
// The first member of this key.
std::optional<std::string_view> json_member(std::string_view object, std::string_view key);
// The characters of a string value; any other value as written.
std::string json_text(std::string_view value);

}  // namespace tillrace::client
