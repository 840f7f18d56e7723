#include "client/event_sender.h"

#include "client/answer_text.h"
#include "client/json_scan.h"

namespace tillrace::client {

Result<EventAnswer> EventSender::send(std::string_view json, const std::stop_token& stop) {
  http::Call call;
  call.method = http::Method::post;
  call.url = endpoint_;
  call.headers.add("Content-Type", "application/json");
  call.body = json;
  auto answer = client_.send(call, stop);
  if (!answer) return fail(answer.error());
  if (answer->status == 201) {
    auto id = parse_event_id(json_text(json_member(answer->body, "event_id").value_or("")));
    if (!id) return fail(Code::invalid, "the server answers 201, but names no event_id");
    return EventAnswer{*id, ""};
  }
  bool about_the_event = answer->status == 400 || answer->status == 413 || answer->status == 422;
  if (!about_the_event) return fail(Code::invalid, "{}", described(*answer));
  std::vector<Refusal> refusals = refusals_in(*answer, 1);
  return EventAnswer{{}, refusals.empty() ? described(*answer) : refusals.front().why};
}

}  // namespace tillrace::client
