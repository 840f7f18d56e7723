#include "auth/authenticator.h"

#include "auth/answers.h"
#include "auth/api_key.h"
#include "auth/key_table.h"
#include "auth/metrics.h"
#include "auth/token_cache.h"
#include "base/logging.h"

namespace tillrace::auth {
namespace {

constexpr std::string_view kScheme = "Bearer";
constexpr std::string_view kHowTo =
    "send 'Authorization: Bearer' with an API key or a token, or 'X-API-Key' with a key";

// nullopt when it is of another scheme. Scheme names compare without case (RFC 9110, 11.1).
std::optional<std::string_view> bearer(std::string_view authorization) {
  if (authorization.size() <= kScheme.size() || authorization[kScheme.size()] != ' ' ||
      !http::equal_without_case(authorization.substr(0, kScheme.size()), kScheme))
    return std::nullopt;
  authorization.remove_prefix(kScheme.size());
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  return authorization;
}

Status check_options(const AuthOptions& options) {
  if (options.mode == AuthOptions::Mode::off) return {};
  bool all = !options.jwks.empty() && !options.issuer.empty() && !options.audience.empty();
  bool none = options.jwks.empty() && options.issuer.empty() && options.audience.empty();
  if (!all && !none)
    return fail(Code::invalid,
                "tokens need all three: where the provider's keys are (jwks), the issuer and the "
                "audience; give all of them or none");
  return {};
}

}  // namespace

struct Authenticator::Impl {
  Impl(AuthOptions given, Clock& the_clock, Metrics& metrics)
      : options(std::move(given)),
        clock(the_clock),
        counters(metrics),
        failures(options.failures, clock),
        rules{options.issuer, options.audience, options.scopes_from_roles} {}

  std::optional<http::Response> check_key(std::string_view text, http::Request& head, Scope needed);
  std::optional<http::Response> check_token(std::string_view text, http::Request& head,
                                            Scope needed);
  Result<Token> verify(std::string_view text);
  std::optional<http::Response> admit(std::string client, const Scopes& scopes, http::Request& head,
                                      Scope needed);
  http::Response refuse(const http::Request& head, std::string_view why, Counter& counter);

  const AuthOptions options;
  Clock& clock;
  CheckCounters counters;
  FailureLimit failures;
  TokenRules rules;
  TokenCache cache;
  std::unique_ptr<KeyTable> keys;
  std::unique_ptr<KeySource> source;  // nullptr: no tokens are taken
};

Result<std::unique_ptr<Authenticator>> Authenticator::open(AuthOptions options, Clock& clock,
                                                           Metrics& metrics) {
  if (Status checked = check_options(options); !checked) return fail(checked.error());
  auto impl = std::make_unique<Impl>(std::move(options), clock, metrics);
  if (impl->options.mode == AuthOptions::Mode::off)
    return std::make_unique<Authenticator>(std::move(impl));
  auto keys = KeyTable::open(impl->options.keys_file, clock);
  if (!keys) return fail(keys.error());
  impl->keys = std::move(*keys);
  if (!impl->options.jwks.empty()) {
    KeySourceOptions of = impl->options.key_source;
    of.location = impl->options.jwks;
    auto source = KeySource::open(std::move(of), clock, metrics);
    if (!source) return fail(source.error(), "the keys of tokens");
    impl->source = std::move(*source);
  }
  if (impl->keys->size() == 0 && impl->source == nullptr)
    logging::warning("there is no API key yet, so nobody may ask: `tillrace keys create NAME`");
  return std::make_unique<Authenticator>(std::move(impl));
}

Authenticator::Authenticator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Authenticator::~Authenticator() = default;

std::optional<http::Response> Authenticator::check(http::Request& head, Scope needed) {
  Impl& impl = *impl_;
  if (impl.options.mode == AuthOptions::Mode::off) return std::nullopt;
  std::size_t credentials = head.headers.count("Authorization") + head.headers.count("X-API-Key");
  if (credentials != 1) {
    impl.counters.no_credentials.add();
    return credentials == 0 ? no_credentials(kHowTo) : several_credentials();
  }
  if (auto key = head.headers.find("X-API-Key")) return impl.check_key(*key, head, needed);
  auto credential = bearer(*head.headers.find("Authorization"));
  if (!credential) {
    impl.counters.no_credentials.add();
    return no_credentials(kHowTo);
  }
  return credential->starts_with(kKeyPrefix) ? impl.check_key(*credential, head, needed)
                                             : impl.check_token(*credential, head, needed);
}

std::optional<http::Response> Authenticator::Impl::check_key(std::string_view text,
                                                             http::Request& head, Scope needed) {
  auto grant = keys->check(text);
  if (!grant) return refuse(head, grant.error().message, counters.bad_key);
  return admit(std::move(grant->client), grant->scopes, head, needed);
}

std::optional<http::Response> Authenticator::Impl::check_token(std::string_view text,
                                                               http::Request& head, Scope needed) {
  if (source == nullptr)
    return refuse(head, "only API keys are taken here, which begin with tr_", counters.bad_token);
  auto token = verify(text);
  if (token) return admit("jwt:" + token->subject, token->scopes, head, needed);
  if (token.error().code != Code::unavailable)
    return refuse(head, "the token is refused: " + token.error().message, counters.bad_token);
  counters.unavailable.add();
  return provider_unavailable(token.error().message);
}

// unavailable when that cannot be said before the provider's keys have been fetched.
Result<Token> Authenticator::Impl::verify(std::string_view text) {
  if (text.size() > kMostTokenBytes)
    return fail(Code::invalid, "it has more than {} bytes", kMostTokenBytes);
  KeySource::Current current = source->current();
  if (current.keys == nullptr)
    return fail(Code::unavailable,
                "the identity provider's keys could not be fetched yet; try again");
  UtcMicros now = clock.now();
  Sha256 hash = sha256(text);
  if (auto known = cache.find(hash, current.generation, now)) return std::move(*known);
  auto token = verify_token(text, *current.keys, rules, now);
  if (token) cache.put(hash, current.generation, *token, now);
  if (token || token.error().code != Code::not_found || !source->ask_for_newer()) return token;
  return fail(Code::unavailable,
              "the token's key is not known here; the identity provider is being asked for newer "
              "ones; try again");
}

std::optional<http::Response> Authenticator::Impl::admit(std::string client, const Scopes& scopes,
                                                         http::Request& head, Scope needed) {
  if (!scopes.allow(needed)) {
    counters.forbidden.add();
    return missing_scope(needed);
  }
  counters.accepted.add();
  head.client = std::move(client);
  return std::nullopt;
}

http::Response Authenticator::Impl::refuse(const http::Request& head, std::string_view why,
                                           Counter& counter) {
  auto too_many = failures.count(head.remote_address);
  if (!too_many) {
    counter.add();
    return bad_credentials(why);
  }
  counters.rate_limited.add();
  if (too_many->just_now)
    logging::warning("{} has sent {} bad credentials within {} s; the last: {}",
                     head.remote_address, options.failures.most_failures + 1,
                     options.failures.window_s, why);
  return too_many_failures(too_many->retry_after_s);
}

}  // namespace tillrace::auth
