#include "client/delivery.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/answer_text.h"

namespace tillrace::client {
namespace {

constexpr int kCreated = 201;

std::uint64_t bytes_of(const PostBatch& batch) {
  std::uint64_t bytes = 0;
  for (const PostRecord& record : batch) bytes += record.json.size();
  return bytes;
}

}  // namespace

void Delivery::deliver(PostBatch batch) {
  if (!pacer_.wait(batch.size(), ledger_.stopping())) return;
  std::vector<PostBatch> waiting;  // the next one last
  TryCallbacks tries{[this] { ledger_.requested(); },
                     [this](std::string_view why) { ledger_.retried(why); }};
  waiting.push_back(std::move(batch));
  while (!waiting.empty() && !ledger_.stopping().stop_requested()) {
    PostBatch now = std::move(waiting.back());
    waiting.pop_back();
    auto answer = client_.send(call_of(now), ledger_.stopping(), tries);
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
