#include "lake/azure_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "lake/azure_list.h"
#include "lake/azure_time.h"

namespace tillrace::lake {
namespace {

using std::chrono::milliseconds;

// An answer has at most one block of a file, or a page of a list.
constexpr std::size_t kMostAnswerBytes = 64 * 1024 * 1024;
constexpr std::size_t kMostWordBytes = 80;
constexpr std::string_view kRequests = "tillrace_lake_azure_requests_total";
constexpr std::string_view kRequestsHelp = "Requests to the Blob service, each try counted";

bool is_passing(int status) {
  return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

// A word of the service for a message, if it is one.
std::string word(std::string_view text) {
  auto plain = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  if (text.size() > kMostWordBytes || !std::all_of(text.begin(), text.end(), plain)) return {};
  return std::string(text);
}

std::int64_t number_of(std::string_view text) {
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number > 0 ? number : 0;
}

}  // namespace

std::string error_code(const http::Response& answer) {
  auto field = answer.headers.find("x-ms-error-code");
  return word(field ? *field : decode_error_code(answer.body));
}

std::string describe(const http::Response& answer) {
  std::string text = fmt::format("status {}", answer.status);
  if (std::string code = error_code(answer); !code.empty()) text += " " + code;
  std::string id = word(answer.headers.find("x-ms-request-id").value_or(""));
  if (!id.empty()) text += ", x-ms-request-id " + id;
  return text;
}

milliseconds asked_pause(const http::Response& answer, UtcMicros now) {
  constexpr std::int64_t kMostSeconds = 24 * 3600;
  auto exact = number_of(answer.headers.find("x-ms-retry-after-ms").value_or(""));
  if (exact > 0) return milliseconds(std::min(exact, kMostSeconds * 1000));
  std::string_view text = answer.headers.find("Retry-After").value_or("");
  if (auto date = parse_http_date(text))
    return milliseconds(
        std::clamp<std::int64_t>((date->value - now.value) / 1000, 0, kMostSeconds * 1000));
  return std::chrono::seconds(std::min(number_of(text), kMostSeconds));
}

// What became of one try: an answer to hand on, or trouble.
struct AzureClient::Try {
  std::optional<http::Response> answer = {};
  std::string trouble = {};
  bool may_pass = true;
  bool at_once = false;
  milliseconds asked{0};
};

AzureClient::AzureClient(Endpoint endpoint, std::unique_ptr<Credential> credential,
                         AzureRetryOptions options, Clock& clock, Random& random, Metrics& metrics)
    : endpoint_(std::move(endpoint)),
      credential_(std::move(credential)),
      options_(options),
      clock_(clock),
      random_(random),
      answered_(metrics.counter(std::string(kRequests), std::string(kRequestsHelp),
                                {{"result", "answered"}})),
      retried_(metrics.counter(std::string(kRequests), std::string(kRequestsHelp),
                               {{"result", "retried"}})),
      failed_(metrics.counter(std::string(kRequests), std::string(kRequestsHelp),
                              {{"result", "failed"}})) {}

Result<http::Response> AzureClient::send(const AzureRequest& request, std::string_view doing) {
  Nanos begin = clock_.monotonic();
  Nanos deadline = begin + milliseconds(options_.total_ms);
  bool may_renew = true;
  for (int tries = 1;; ++tries) {
    Try made = try_once(request, deadline - clock_.monotonic(), may_renew);
    if (made.answer) {
      answered_.add();
      return std::move(*made.answer);
    }
    may_renew = may_renew && !made.at_once;
    Nanos pause = made.at_once ? Nanos(0) : pause_after(made, tries);
    Nanos now = clock_.monotonic();
    if (!made.may_pass || now + pause >= deadline || options_.stop.stop_requested()) {
      failed_.add();
      return fail(Code::unavailable, "{} at {}: {} ({} tries in {} ms)", doing, endpoint_.text(),
                  made.trouble, tries,
                  std::chrono::duration_cast<milliseconds>(now - begin).count());
    }
    retried_.add();
    this->pause(pause);
  }
}

void AzureClient::pause(Nanos duration) {
  constexpr Nanos kLook = milliseconds(100);  // whether to stop
  if (!options_.stop.stop_possible()) return clock_.sleep_for(duration);
  for (Nanos left = duration; left > Nanos(0) && !options_.stop.stop_requested(); left -= kLook)
    clock_.sleep_for(std::min(left, kLook));
}

AzureClient::Try AzureClient::try_once(const AzureRequest& request, Nanos left, bool may_renew) {
  AzureRequest signed_request = request;
  signed_request.headers.add("x-ms-date", http_date(clock_.now()));
  signed_request.headers.add("x-ms-version", kServiceVersion);
  Status authorized = credential_->authorize(signed_request);
  if (!authorized)
    return {.trouble = authorized.error().message,
            .may_pass = authorized.error().code == Code::unavailable};
  auto answer = exchange(signed_request, left);
  if (!answer)
    return {.trouble = answer.error().message,
            .may_pass = answer.error().code == Code::unavailable};
  if (answer->status == 401 && may_renew && credential_->renew(signed_request))
    return {.trouble = describe(*answer), .at_once = true};
  if (is_passing(answer->status))
    return {.trouble = describe(*answer), .asked = asked_pause(*answer, clock_.now())};
  return {.answer = std::move(*answer), .trouble = {}};
}

Result<http::Response> AzureClient::exchange(const AzureRequest& request, Nanos left) {
  http::Call call;
  call.method = request.method;
  call.url = endpoint_.origin + request.target();
  call.headers = request.headers;
  call.body = request.body;
  auto left_ms = std::chrono::duration_cast<milliseconds>(left).count();
  call.total_timeout_ms =
      static_cast<int>(std::clamp<std::int64_t>(left_ms, 1, std::max(options_.try_ms, 1)));
  std::optional<http::Client> client;
  {
    MutexLock lock(mutex_);
    if (!idle_.empty()) {
      client = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!client)
    client.emplace(
        http::ClientOptions{.max_response_bytes = kMostAnswerBytes, .stop = options_.stop});
  auto answer = client->send(call);
  MutexLock lock(mutex_);
  idle_.push_back(std::move(*client));
  return answer;
}

AzureClient::Nanos AzureClient::pause_after(const Try& failed, int tries) {
  std::int64_t longest = std::max(options_.longest_pause_ms, 1);
  std::int64_t pause = std::max(options_.first_pause_ms, 1);
  for (int i = 1; i < tries && pause < longest; ++i) pause *= 2;
  pause = std::min(pause, longest) * 1'000'000;
  std::uint32_t drawn = 0;
  random_.fill({reinterpret_cast<std::uint8_t*>(&drawn), sizeof drawn});
  Nanos jittered(pause / 2 + static_cast<std::int64_t>(drawn) * (pause / 2) / UINT32_MAX);
  return std::max<Nanos>(jittered, failed.asked);
}

}  // namespace tillrace::lake
