#include "auth/key_source.h"

#include "base/files.h"
#include "base/logging.h"
#include "base/thread.h"
#include "http/client.h"

namespace tillrace::auth {
namespace {

constexpr std::string_view kFetches = "tillrace_auth_jwks_fetches_total";
constexpr std::string_view kFetchesHelp = "Fetches of the identity provider's keys";

bool is_url(const std::string& location) {
  return location.starts_with("http://") || location.starts_with("https://");
}

// What stands between "//" and the path.
std::string_view authority_of(std::string_view url) {
  url.remove_prefix(std::min(url.find("//") + 2, url.size()));
  return url.substr(0, url.find_first_of("/?#"));
}

Status check_url(const std::string& url) {
  std::string_view authority = authority_of(url);
  if (authority.find('@') != std::string_view::npos)
    return fail(Code::invalid, "the address of the provider's keys may not hold a password");
  bool here = authority.starts_with("127.") || authority.starts_with("localhost") ||
              authority.starts_with("[::1]");
  if (url.starts_with("http://") && !here)
    logging::warning(
        "the keys of tokens come by plain http from {}: whoever stands between can "
        "put in keys of their own; use https",
        authority);
  return {};
}

Result<std::string> fetch_url(const std::string& url, int timeout_ms) {
  http::ClientOptions options;
  options.max_response_bytes = kMostKeySetBytes;
  http::Client client(options);  // once in minutes: no connection is kept
  http::Call call;
  call.url = url;
  call.headers.add("Accept", "application/jwk-set+json, application/json");
  call.total_timeout_ms = timeout_ms;
  auto answer = client.send(call);
  if (!answer) return fail(answer.error());
  if (answer->status != 200)
    return fail(Code::unavailable, "it answers with status {}, not 200{}", answer->status,
                answer->status / 100 == 3 ? "; give the address it redirects to" : "");
  return std::move(answer->body);
}

}  // namespace

Result<std::unique_ptr<KeySource>> KeySource::open(KeySourceOptions options, Clock& clock,
                                                   Metrics& metrics) {
  auto source = std::make_unique<KeySource>(std::move(options), clock, metrics);
  if (is_url(source->options_.location)) {
    if (Status url = check_url(source->options_.location); !url) return fail(url.error());
  } else {
    Status fetched = source->fetch();
    if (!fetched) return fail(fetched.error(), source->options_.location);
    source->note(fetched);
  }
  source->thread_ = named_thread(
      "auth-jwks", [raw = source.get()](const std::stop_token& stop) { raw->run(stop); });
  return source;
}

KeySource::KeySource(KeySourceOptions options, Clock& clock, Metrics& metrics)
    : options_(std::move(options)),
      clock_(clock),
      fetched_(
          metrics.counter(std::string(kFetches), std::string(kFetchesHelp), {{"result", "ok"}})),
      failed_(metrics.counter(std::string(kFetches), std::string(kFetchesHelp),
                              {{"result", "failed"}})) {}

KeySource::~KeySource() {
  MutexLock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

KeySource::Current KeySource::current() const {
  MutexLock lock(mutex_);
  return current_;
}

bool KeySource::ask_for_newer() {
  MutexLock lock(mutex_);
  if (wanted_ || last_failed_) return true;
  if (clock_.monotonic() < last_fetch_ + std::chrono::milliseconds(options_.least_pause_ms))
    return false;
  wanted_ = true;
  changed_.notify_all();
  return true;
}

void KeySource::run(const std::stop_token& /*stop*/) {
  while (true) {
    {
      MutexLock lock(mutex_);
      while (!stopping_ && !wanted_ && clock_.monotonic() < next_fetch_) {
        Nanos rest = next_fetch_ - clock_.monotonic();
        lock.wait_until(changed_, std::chrono::steady_clock::now() + rest);
      }
      if (stopping_) return;
      wanted_ = true;
    }
    note(fetch());
  }
}

Result<std::string> KeySource::read() {
  return is_url(options_.location) ? fetch_url(options_.location, options_.timeout_ms)
                                   : read_file(options_.location);
}

Status KeySource::fetch() {
  auto text = read();
  if (!text) return fail(text.error());
  if (text_ == *text) return {};
  auto keys = KeySet::decode(*text);
  if (!keys) return fail(keys.error());
  take(std::move(*text), std::move(*keys));
  return {};
}

void KeySource::take(std::string text, KeySet keys) {
  logging::info("keys to check tokens with: {}, from {}", keys.size(), options_.location);
  for (const std::string& line : keys.notes()) logging::warning("{}", line);
  // shared: see Current.
  auto fresh = std::make_shared<const KeySet>(std::move(keys));
  text_ = std::move(text);
  MutexLock lock(mutex_);
  current_ = {std::move(fresh), current_.generation + 1};
}

void KeySource::note(const Status& fetched) {
  (fetched ? fetched_ : failed_).add();
  MutexLock lock(mutex_);
  wanted_ = false;
  last_fetch_ = clock_.monotonic();
  int pause_ms = fetched                    ? options_.refresh_ms
                 : current_.keys == nullptr ? options_.first_pause_ms
                                            : options_.least_pause_ms;
  next_fetch_ = last_fetch_ + std::chrono::milliseconds(pause_ms);
  if (!fetched && !last_failed_)
    logging::error("cannot fetch the keys of tokens from {}: {}; {}", options_.location,
                   fetched.error().message,
                   current_.keys ? "those from before stay" : "no token can be checked until then");
  last_failed_ = !fetched;
}

}  // namespace tillrace::auth
