#include "gateway/upload_query.h"

#include <charconv>
#include <string>

#include "base/nearest.h"
#include "http/message.h"

namespace tillrace::gateway {
namespace {

constexpr std::uint64_t kMostFirstIndex = 1'000'000'000'000'000;

Status set_partial(UploadQuery& query, std::string_view value) {
  if (value != "true" && value != "false")
    return fail(Code::invalid, "partial is '{}'; true or false", value);
  query.is_partial = value == "true";
  return {};
}

Status set_first_index(UploadQuery& query, std::string_view value) {
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), query.first_index);
  if (error != std::errc{} || end != value.data() + value.size() ||
      query.first_index > kMostFirstIndex)
    return fail(Code::invalid, "first_index is '{}'; a whole number from 0 to {}", value,
                kMostFirstIndex);
  return {};
}

Status set(UploadQuery& query, const std::string& name, const std::string& value) {
  if (name == "partial") return set_partial(query, value);
  if (name == "first_index") return set_first_index(query, value);
  static constexpr std::string_view kKnown[] = {"partial", "first_index"};
  auto like = nearest(name, kKnown);
  return fail(Code::invalid, "there is no parameter '{}'{}", name,
              like ? fmt::format("; did you mean '{}'?", *like) : "; partial and first_index are");
}

}  // namespace

Result<UploadQuery> parse_upload_query(std::string_view query) {
  UploadQuery found;
  if (query.empty()) return found;
  auto parameters = http::Query::parse(query);
  if (!parameters) return fail(parameters.error());
  bool has_first_index = false;
  for (const auto& [name, value] : *parameters) {
    has_first_index |= name == "first_index";
    if (Status done = set(found, name, value); !done) return fail(done.error());
  }
  if (has_first_index && !found.is_partial)
    return fail(Code::invalid, "first_index goes with partial=true");
  return found;
}

}  // namespace tillrace::gateway
