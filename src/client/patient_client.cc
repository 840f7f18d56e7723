#include "client/patient_client.h"

#include <algorithm>
#include <array>
#include <optional>

#include "client/answer_text.h"
#include "client/digits.h"
#include "client/pacer.h"

namespace tillrace::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

bool is_passing(int status) {
  constexpr std::array<int, 6> kPassing = {408, 429, 500, 502, 503, 504};
  return std::find(kPassing.begin(), kPassing.end(), status) != kPassing.end();
}

}  // namespace

Result<http::Response> PatientClient::send(const http::Call& call, const std::stop_token& stop,
                                           const TryCallbacks& callbacks) {
  std::optional<nanoseconds> give_up_at;
  for (int tries = 1;; ++tries) {
    callbacks.begins();
    auto answer = client_.send(call);
    if (!answer && answer.error().code != Code::unavailable) return fail(answer.error());
    if (answer && !is_passing(answer->status)) return answer;
    std::string why = answer ? described(*answer) : answer.error().message;
    if (!give_up_at) give_up_at = clock_.monotonic() + seconds(patience_.retry_for_s);
    if (clock_.monotonic() >= *give_up_at)
      return fail(Code::unavailable, "gave up after {} tries in {} s: {}", tries,
                  patience_.retry_for_s, why);
    if (stop.stop_requested()) return fail(Code::shutting_down, "stopped");
    callbacks.failed(why);
    if (!wait_before_retry(answer ? &*answer : nullptr, tries, *give_up_at, stop))
      return fail(Code::shutting_down, "stopped");
  }
}

bool PatientClient::wait_before_retry(const http::Response* answer, int tries,
                                      nanoseconds give_up_at, const std::stop_token& stop) {
  std::int64_t backoff_ms =
      std::min<std::int64_t>(patience_.most_backoff_ms,
                             std::int64_t{patience_.first_backoff_ms} << std::min(tries - 1, 20));
  std::array<std::uint8_t, 2> noise{};
  random_.fill(noise);
  std::int64_t part = noise[0] * 256 + noise[1];  // of 65536
  nanoseconds wait = milliseconds(backoff_ms - backoff_ms * part / 65536 / 2);
  auto told = answer ? answer->headers.find("Retry-After") : std::nullopt;
  // A date would be legal too; no gateway of this kind sends one, and the back-off is right anyway.
  if (auto told_s = told ? whole_number(*told) : std::nullopt)
    wait = std::max(wait, nanoseconds(seconds(std::min<std::int64_t>(*told_s, 86'400))));
  wait = std::min(wait, give_up_at - clock_.monotonic());
  return sleep_unless_stopped(clock_, wait, stop);
}

}  // namespace tillrace::client
