#include "lake/credential_sources.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/json_writer.h"
#include "http/client.h"
#include "lake/uri.h"

namespace tillrace::lake {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMostAnswerBytes = 256 * 1024;
constexpr std::size_t kMostDescriptionBytes = 200;
constexpr std::size_t kMostFederatedBytes = 64 * 1024;
constexpr std::string_view kScope = "https://storage.azure.com/.default";
constexpr std::string_view kResource = "https://storage.azure.com/";
constexpr std::string_view kAssertionType =
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

using Form = std::vector<std::pair<std::string_view, std::string_view>>;

std::string encode_form(const Form& form) {
  std::string text;
  for (const auto& [name, value] : form)
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", name, http::percent_encode(value));
  return text;
}

std::optional<std::string_view> text_of(dom::object object, std::string_view name) {
  std::string_view text;
  if (object[name].get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

std::optional<std::int64_t> number_of(dom::object object, std::string_view name) {
  std::int64_t number = 0;
  if (object[name].get_int64().get(number) == simdjson::SUCCESS) return number;
  auto text = text_of(object, name);
  if (!text) return std::nullopt;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}

// The first line, without what would break ours.
std::string shortened(std::string_view text) {
  text = text.substr(0, std::min(text.find_first_of("\r\n"), kMostDescriptionBytes));
  std::string quoted = json_quoted(text);
  return quoted.substr(1, quoted.size() - 2);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

// A status after which the same question may be answered: IMDS says 404 and 410 while it starts.
bool may_pass(int status) {
  return status == 404 || status == 408 || status == 410 || status == 429 || status >= 500;
}

Result<AccessToken> ask(const http::Call& call, std::string_view host, std::string_view secret,
                        Clock& clock) {
  http::ClientOptions options;
  options.max_response_bytes = kMostAnswerBytes;
  http::Client client(options);  // once an hour: no connection is kept
  auto answer = client.send(call);
  if (!answer) return fail(Code::unavailable, "no token: {}", answer.error().message);
  if (answer->status == 200) {
    auto token = decode_token_answer(answer->body, clock.now());
    if (!token) return fail(token.error(), host);
    return token;
  }
  std::string told = decode_token_error(answer->body);
  if (!secret.empty() && told.find(secret) != std::string::npos) told.clear();
  return fail(may_pass(answer->status) ? Code::unavailable : Code::invalid,
              "no token: {} answers with status {}{}{}", host, answer->status,
              told.empty() ? "" : ", ", told);
}

Status check_secure(std::string_view name, const Endpoint& endpoint) {
  if (endpoint.is_tls || endpoint.is_here) return {};
  return fail(Code::invalid, "{} must be https, since a secret goes there", name);
}

Status check_given(std::string_view name, std::string_view value) {
  if (value.empty() || has_control(value))
    return fail(Code::invalid, "{} is empty, or holds a space or a control character", name);
  return {};
}

// Entra ID's token endpoint, version 2.0, for the flow of client credentials.
class EntraSource final : public TokenSource {
 public:
  EntraSource(std::string url, std::string client_id, std::string client_secret,
              std::string token_file, Clock& clock)
      : url_(std::move(url)),
        client_id_(std::move(client_id)),
        client_secret_(std::move(client_secret)),
        token_file_(std::move(token_file)),
        clock_(clock) {}

  Result<AccessToken> fetch() override {
    Form form{{"grant_type", "client_credentials"}, {"client_id", client_id_}, {"scope", kScope}};
    if (token_file_.empty()) {
      form.emplace_back("client_secret", client_secret_);
      return post(form, client_secret_);
    }
    auto assertion = federated_token();
    if (!assertion) return fail(assertion.error());
    form.emplace_back("client_assertion_type", kAssertionType);
    form.emplace_back("client_assertion", *assertion);
    return post(form, *assertion);
  }

 private:
  Result<AccessToken> post(const Form& form, std::string_view secret) {
    http::Call call;
    call.method = http::Method::post;
    call.url = url_;
    call.headers.add("Content-Type", "application/x-www-form-urlencoded");
    call.headers.add("Accept", "application/json");
    call.body = encode_form(form);
    call.total_timeout_ms = kFetchMs;
    return ask(call, url_, secret, clock_);
  }

  // Absent for a moment while it is replaced, so trying again may help.
  Result<std::string> federated_token() const {
    auto text = read_file(token_file_);
    if (!text)
      return fail(Code::unavailable, "no token: the federated token: {}", text.error().message);
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r' || text->back() == ' '))
      text->pop_back();
    if (text->empty() || text->size() > kMostFederatedBytes || has_control(*text))
      return fail(Code::unavailable, "no token: {} holds no federated token", token_file_);
    return text;
  }

  const std::string url_;
  const std::string client_id_;
  const std::string client_secret_;
  const std::string token_file_;  // instead of the secret
  Clock& clock_;
};

class ManagedSource final : public TokenSource {
 public:
  ManagedSource(ManagedIdentity options, Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  Result<AccessToken> fetch() override {
    bool on_machine = options_.identity_header.empty();
    Form form{{"api-version", on_machine ? "2018-02-01" : "2019-08-01"}, {"resource", kResource}};
    if (!options_.client_id.empty()) form.emplace_back("client_id", options_.client_id);
    http::Call call;
    call.url = options_.endpoint + "?" + encode_form(form);
    if (on_machine)
      call.headers.add("Metadata", "true");
    else
      call.headers.add("X-IDENTITY-HEADER", options_.identity_header);
    call.total_timeout_ms = kFetchMs;
    return ask(call, options_.endpoint, options_.identity_header, clock_);
  }

 private:
  const ManagedIdentity options_;
  Clock& clock_;
};

Result<std::string> token_url(const std::string& authority, const std::string& tenant_id) {
  auto endpoint = parse_endpoint(authority);
  if (!endpoint) return fail(endpoint.error(), "the authority");
  Status good = check_secure("the authority", *endpoint);
  if (good) good = check_given("tenant_id", tenant_id);
  if (!good) return fail(good.error());
  return fmt::format("{}/{}/oauth2/v2.0/token", endpoint->text(), http::percent_encode(tenant_id));
}

}  // namespace

Result<std::unique_ptr<TokenSource>> make_token_source(ServicePrincipal options, Clock& clock) {
  auto url = token_url(options.authority, options.tenant_id);
  if (!url) return fail(url.error());
  Status given = check_given("client_id", options.client_id);
  if (given) given = check_given("client_secret", options.client_secret);
  if (!given) return fail(given.error());
  return std::make_unique<EntraSource>(std::move(*url), std::move(options.client_id),
                                       std::move(options.client_secret), "", clock);
}

Result<std::unique_ptr<TokenSource>> make_token_source(WorkloadIdentity options, Clock& clock) {
  auto url = token_url(options.authority, options.tenant_id);
  if (!url) return fail(url.error());
  Status given = check_given("client_id", options.client_id);
  if (given && options.token_file.empty()) given = check_given("token_file", "");
  if (!given) return fail(given.error());
  return std::make_unique<EntraSource>(std::move(*url), std::move(options.client_id), "",
                                       std::move(options.token_file), clock);
}

Result<std::unique_ptr<TokenSource>> make_token_source(ManagedIdentity options, Clock& clock) {
  auto endpoint = parse_endpoint(options.endpoint);
  if (!endpoint) return fail(endpoint.error(), "the managed identity");
  if (has_control(options.identity_header))
    return fail(Code::invalid, "identity_header holds a space or a control character");
  return std::make_unique<ManagedSource>(std::move(options), clock);
}

Result<AccessToken> decode_token_answer(std::string_view json, UtcMicros now) {
  dom::parser parser;
  dom::object object;
  dom::element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS ||
      root.get_object().get(object) != simdjson::SUCCESS)
    return fail(Code::unavailable, "the answer for a token is no JSON object");
  auto text = text_of(object, "access_token");
  if (!text || text->empty() || has_control(*text))
    return fail(Code::unavailable, "the answer for a token holds no access_token");
  constexpr std::int64_t kMostSeconds = 7 * 24 * 3600;
  auto seconds = number_of(object, "expires_in");
  if (auto until = number_of(object, "expires_on"); !seconds && until)
    seconds = std::clamp<std::int64_t>(*until, 0, INT64_MAX / 2) - now.value / 1'000'000;
  if (!seconds || *seconds <= 0)
    return fail(Code::unavailable, "the answer for a token does not say how long it lasts");
  return AccessToken{std::string(*text), std::chrono::seconds(std::min(*seconds, kMostSeconds))};
}

std::string decode_token_error(std::string_view json) {
  dom::parser parser;
  dom::object object;
  dom::element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS ||
      root.get_object().get(object) != simdjson::SUCCESS)
    return {};
  std::string text = shortened(text_of(object, "error").value_or(""));
  std::string description = shortened(text_of(object, "error_description").value_or(""));
  return text.empty() || description.empty() ? text + description : text + ": " + description;
}

}  // namespace tillrace::lake
