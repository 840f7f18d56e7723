#include "client/answer_text.h"

#include <algorithm>

#include "client/digits.h"
#include "client/json_scan.h"
#include "model/event_json.h"

namespace tillrace::client {
namespace {

constexpr std::size_t kMostShownBytes = 200;

// What the server says about it: problem+json's detail, or the beginning of whatever else it sent.
std::string explanation(const http::Response& answer) {
  for (std::string_view key : {"detail", "title"})
    if (auto value = json_member(answer.body, key)) return json_text(*value);
  std::string text = answer.body.substr(0, kMostShownBytes);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
  return text;
}

// "Quantity: an integer ..., got 0" from {"field": ..., "rule": ..., "got": ...}.
std::string reason(std::string_view error) {
  auto part = [error](std::string_view key) {
    auto value = json_member(error, key);
    return value ? json_text(*value) : std::string();
  };
  std::string field = part("field");
  std::string got = part("got");
  return fmt::format("{}{}{}{}{}", field, field.empty() ? "" : ": ", part("rule"),
                     got.empty() ? "" : ", got ", got);
}

}  // namespace

std::string described(const http::Response& answer) {
  std::string said = explanation(answer);
  return fmt::format("the server answers {}{}{}", answer.status, said.empty() ? "" : ": ", said);
}

std::vector<Refusal> refusals_in(const http::Response& answer, std::size_t events) {
  std::vector<Refusal> refusals;
  auto errors = json_member(answer.body, "errors");
  auto items = split_array(errors.value_or("[]"));
  if (!items) return refusals;
  for (std::string_view item : *items) {
    auto index = whole_number(json_member(item, "index").value_or(events == 1 ? "0" : ""));
    if (!index || static_cast<std::size_t>(*index) >= events) continue;
    refusals.push_back({static_cast<std::size_t>(*index), reason(item)});
  }
  auto by_index = [](const Refusal& a, const Refusal& b) { return a.index < b.index; };
  std::stable_sort(refusals.begin(), refusals.end(), by_index);
  std::vector<Refusal> merged;
  for (Refusal& refusal : refusals) {
    if (!merged.empty() && merged.back().index == refusal.index) {
      merged.back().why += "; " + refusal.why;
    } else {
      merged.push_back(std::move(refusal));
    }
  }
  return merged;
}

}  // namespace tillrace::client
