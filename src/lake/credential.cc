#include "lake/credential.h"

#include <algorithm>
#include <utility>

#include "lake/azure_shared_key.h"
#include "lake/credential_sources.h"
#include "lake/credential_tokens.h"
#include "lake/uri.h"

namespace tillrace::lake {
namespace {

constexpr std::string_view kBearer = "Bearer ";

class KeyCredential final : public Credential {
 public:
  explicit KeyCredential(SharedKey key) : key_(std::move(key)) {}
  Status authorize(AzureRequest& request) override {
    request.headers.add("Authorization", key_.authorization(request));
    return {};
  }
  bool renew(const AzureRequest& /*refused*/) override { return false; }

 private:
  const SharedKey key_;
};

class SignatureCredential final : public Credential {
 public:
  explicit SignatureCredential(std::string token) : token_(std::move(token)) {}
  Status authorize(AzureRequest& request) override {
    request.signed_query = token_;
    return {};
  }
  bool renew(const AzureRequest& /*refused*/) override { return false; }

 private:
  const std::string token_;
};

class TokenCredential final : public Credential {
 public:
  TokenCredential(std::unique_ptr<TokenSource> source, Clock& clock)
      : tokens_(std::move(source), clock) {}
  Status authorize(AzureRequest& request) override {
    auto token = tokens_.token();
    if (!token) return fail(token.error());
    request.headers.add("Authorization", std::string(kBearer) + *token);
    return {};
  }
  bool renew(const AzureRequest& refused) override {
    std::string_view value = refused.headers.find("Authorization").value_or("");
    if (value.starts_with(kBearer)) tokens_.forget(std::string(value.substr(kBearer.size())));
    return true;
  }

 private:
  TokenCache tokens_;
};

using Opened = Result<std::unique_ptr<Credential>>;

struct Opener {
  const std::string& account;
  Clock& clock;

  Opened operator()(const AccountKey& options) const {
    auto key = SharedKey::parse(account, options.key);
    if (!key) return fail(key.error());
    return std::make_unique<KeyCredential>(std::move(*key));
  }
  Opened operator()(const SharedAccessSignature& options) const {
    std::string_view token = options.token;
    if (token.starts_with('?')) token.remove_prefix(1);
    auto allowed = [](char c) { return c > ' ' && c < 0x7f && c != '#'; };
    if (!std::all_of(token.begin(), token.end(), allowed) ||
        ("&" + std::string(token)).find("&sig=") == std::string::npos)
      return fail(Code::invalid,
                  "the shared access signature is malformed; it looks like "
                  "sv=...&sp=...&sig=..., percent-encoded");
    return std::make_unique<SignatureCredential>(std::string(token));
  }
  template <class TokenOptions>
  Opened operator()(TokenOptions options) const {
    auto source = make_token_source(std::move(options), clock);
    if (!source) return fail(source.error());
    return std::make_unique<TokenCredential>(std::move(*source), clock);
  }
};

}  // namespace

Opened open_credential(CredentialOptions options, const std::string& account,
                       const Endpoint& endpoint, Clock& clock) {
  bool sends_secret = !std::holds_alternative<AccountKey>(options);
  if (sends_secret && !endpoint.is_tls && !endpoint.is_here)
    return fail(Code::invalid,
                "the endpoint must be https: only an account key is not sent along in plain");
  return std::visit(Opener{account, clock}, std::move(options));
}

}  // namespace tillrace::lake
