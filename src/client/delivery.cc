#include "client/delivery.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "client/json_scan.h"
#include "model/event_json.h"

namespace tillrace::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr int kCreated = 201;
constexpr std::size_t kMostShownBytes = 200;

// Every event has an identity, so what may have been stored can be sent again.
bool is_passing(int status) {
  constexpr std::array<int, 6> kPassing = {408, 429, 500, 502, 503, 504};
  return std::find(kPassing.begin(), kPassing.end(), status) != kPassing.end();
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// What the server says about it: problem+json's detail, or the beginning of whatever else it sent.
std::string explanation(const http::Response& answer) {
  for (std::string_view key : {"detail", "title"})
    if (auto value = json_member(answer.body, key)) return json_text(*value);
  std::string text = answer.body.substr(0, kMostShownBytes);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
  return text;
}

std::string described(const http::Response& answer) {
  std::string said = explanation(answer);
  return fmt::format("the server answers {}{}{}", answer.status, said.empty() ? "" : ": ", said);
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

std::uint64_t bytes_of(const PostBatch& batch) {
  std::uint64_t bytes = 0;
  for (const PostRecord& record : batch) bytes += record.json.size();
  return bytes;
}

}  // namespace

void Delivery::deliver(PostBatch batch) {
  if (!pacer_.wait(batch.size(), ledger_.stopping())) return;
  std::vector<PostBatch> waiting;  // the next one last
  waiting.push_back(std::move(batch));
  while (!waiting.empty() && !ledger_.stopping().stop_requested()) {
    PostBatch now = std::move(waiting.back());
    waiting.pop_back();
    auto answer = send(call_of(now));
    if (answer) {
      settle(std::move(now), *answer, waiting);
    } else if (answer.error().code != Code::shutting_down) {
      ledger_.failed(answer.error());
    }
  }
}

http::Call Delivery::call_of(const PostBatch& batch) const {
  http::Call call;
  call.method = http::Method::post;
  call.url = endpoint_;
  call.connect_timeout_ms = options_.connect_timeout_ms;
  call.total_timeout_ms = options_.request_timeout_ms;
  call.headers.add("Content-Type", options_.each ? "application/json" : "application/x-ndjson");
  call.body.reserve(static_cast<std::size_t>(bytes_of(batch)) + batch.size());
  for (const PostRecord& record : batch)
    call.body.append(record.json).append(options_.each ? "" : "\n");
  return call;
}

// Tries until there is an answer that will not change by itself. shutting_down: stopped between two
// tries.
Result<http::Response> Delivery::send(const http::Call& call) {
  std::optional<nanoseconds> give_up_at;
  for (int tries = 1;; ++tries) {
    ledger_.requested();
    auto answer = client_.send(call);
    if (!answer && answer.error().code != Code::unavailable) return fail(answer.error());
    if (answer && !is_passing(answer->status)) return answer;
    std::string why = answer ? described(*answer) : answer.error().message;
    if (!give_up_at) give_up_at = clock_.monotonic() + seconds(options_.retry_for_s);
    if (clock_.monotonic() >= *give_up_at)
      return fail(Code::unavailable, "gave up after {} tries in {} s: {}", tries,
                  options_.retry_for_s, why);
    if (ledger_.stopping().stop_requested()) return fail(Code::shutting_down, "stopped");
    ledger_.retried(why);
    if (!wait_before_retry(answer ? &*answer : nullptr, tries, *give_up_at))
      return fail(Code::shutting_down, "stopped");
  }
}

bool Delivery::wait_before_retry(const http::Response* answer, int tries, nanoseconds give_up_at) {
  std::int64_t backoff_ms = std::min<std::int64_t>(
      options_.most_backoff_ms, std::int64_t{options_.first_backoff_ms} << std::min(tries - 1, 20));
  std::array<std::uint8_t, 2> noise{};
  random_.fill(noise);
  std::int64_t part = noise[0] * 256 + noise[1];  // of 65536
  nanoseconds wait = milliseconds(backoff_ms - backoff_ms * part / 65536 / 2);
  auto told = answer ? answer->headers.find("Retry-After") : std::nullopt;
  // A date would be legal too; no gateway of this kind sends one, and the back-off is right anyway.
  if (auto told_s = told ? whole_number(*told) : std::nullopt)
    wait = std::max(wait, nanoseconds(seconds(std::min<std::int64_t>(*told_s, 86'400))));
  wait = std::min(wait, give_up_at - clock_.monotonic());
  return sleep_unless_stopped(clock_, wait, ledger_.stopping());
}

void Delivery::settle(PostBatch batch, const http::Response& answer,
                      std::vector<PostBatch>& waiting) {
  if (answer.status == kCreated) {
    ledger_.answered(answer.status);
    return ledger_.accepted(batch.size(), bytes_of(batch));
  }
  bool judged = answer.status == 422 || answer.status == 400;
  std::vector<Refusal> refusals =
      judged ? refusals_in(answer, batch.size()) : std::vector<Refusal>();
  if (!refusals.empty()) {
    ledger_.answered(answer.status);
    PostBatch rest = without(std::move(batch), refusals);
    if (!rest.empty()) waiting.push_back(std::move(rest));
  } else if (answer.status == 422 || answer.status == 413) {
    halve_or_refuse(std::move(batch), answer, waiting);
  } else {
    ledger_.answered(answer.status);
    std::string_view hint =
        answer.status < 400 ? "; 201 was expected, is the URL that of a gateway?" : "";
    ledger_.failed({Code::invalid, described(answer) + std::string(hint)});
  }
}

// The records that the answer names, each once, in order.
std::vector<Delivery::Refusal> Delivery::refusals_in(const http::Response& answer,
                                                     std::size_t events) {
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

PostBatch Delivery::without(PostBatch batch, const std::vector<Refusal>& refusals) {
  PostBatch rest;
  auto refusal = refusals.begin();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (refusal != refusals.end() && refusal->index == i) {
      ledger_.refused(batch[i], refusal->why);
      ++refusal;
    } else {
      rest.push_back(std::move(batch[i]));
    }
  }
  return rest;
}

// The server does not say which event is to blame, or finds the whole too large: smaller requests
// will tell.
void Delivery::halve_or_refuse(PostBatch batch, const http::Response& answer,
                               std::vector<PostBatch>& waiting) {
  if (batch.size() == 1) {
    ledger_.answered(answer.status);
    return ledger_.refused(batch.front(), described(answer));
  }
  auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
  PostBatch second(std::make_move_iterator(middle), std::make_move_iterator(batch.end()));
  batch.erase(middle, batch.end());
  waiting.push_back(std::move(second));
  waiting.push_back(std::move(batch));
}

}  // namespace tillrace::client
