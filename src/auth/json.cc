#include "auth/json.h"

namespace tillrace::auth {

namespace dom = simdjson::dom;

Result<dom::object> JsonDocument::parse_object(std::string_view text) {
  dom::element root;
  dom::object object;
  if (parser_.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS)
    return fail(Code::invalid, "it is no JSON");
  if (root.get_object().get(object) != simdjson::SUCCESS)
    return fail(Code::invalid, "it is no JSON object");
  return object;
}

Result<std::optional<dom::element>> find_member(dom::object object, std::string_view name) {
  std::optional<dom::element> found;
  for (dom::key_value_pair member : object) {
    if (member.key != name) continue;
    if (found) return fail(Code::invalid, "'{}' stands there twice", name);
    found = member.value;
  }
  return found;
}

Result<std::optional<std::string_view>> find_string(dom::object object, std::string_view name) {
  auto found = find_member(object, name);
  if (!found) return fail(found.error());
  if (!*found) return std::optional<std::string_view>();
  std::string_view text;
  if ((*found)->get_string().get(text) != simdjson::SUCCESS)
    return fail(Code::invalid, "'{}' is no string", name);
  return std::optional(text);
}

}  // namespace tillrace::auth
