#include "lake/azure_shared_key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/check.h"
#include "lake/azure_base64.h"

namespace tillrace::lake {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string lower(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lowered;
}

// "\n" behind it, as behind each standard field.
std::string line_of(const AzureRequest& request, std::string_view field) {
  return std::string(request.headers.find(field).value_or("")) + "\n";
}

std::string canonical_headers(const AzureRequest& request) {
  Pairs fields;
  for (const auto& [name, value] : request.headers)
    if (std::string lowered = lower(name); lowered.starts_with("x-ms-"))
      fields.emplace_back(lowered, value);
  std::sort(fields.begin(), fields.end());
  std::string text;
  for (const auto& [name, value] : fields) text += name + ":" + value + "\n";
  return text;
}

std::string canonical_resource(const AzureRequest& request, std::string_view account) {
  std::string text = fmt::format("/{}{}", account, request.path);
  Pairs parameters;
  for (const auto& [name, value] : request.query) parameters.emplace_back(lower(name), value);
  std::sort(parameters.begin(), parameters.end());
  for (const auto& [name, value] : parameters) text += "\n" + name + ":" + value;
  return text;
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned length = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), value.data(),
             &length));
  return {reinterpret_cast<const char*>(value.data()), length};
}

}  // namespace

std::string string_to_sign(const AzureRequest& request, std::string_view account) {
  std::string text = std::string(http::name(request.method)) + "\n";
  text += line_of(request, "Content-Encoding");
  text += line_of(request, "Content-Language");
  text += request.body.empty() ? "\n" : std::to_string(request.body.size()) + "\n";
  text += line_of(request, "Content-MD5");
  text += line_of(request, "Content-Type");
  text += "\n";  // Date: x-ms-date goes before
  text += line_of(request, "If-Modified-Since");
  text += line_of(request, "If-Match");
  text += line_of(request, "If-None-Match");
  text += line_of(request, "If-Unmodified-Since");
  text += line_of(request, "Range");
  return text + canonical_headers(request) + canonical_resource(request, account);
}

Result<SharedKey> SharedKey::parse(std::string account, std::string_view key) {
  auto decoded = base64_decode(key);
  if (!decoded || decoded->empty())
    return fail(Code::invalid, "the account key is not base64, as the portal shows keys");
  return SharedKey(std::move(account), std::move(*decoded));
}

std::string SharedKey::authorization(const AzureRequest& request) const {
  std::string signature = hmac_sha256(key_, string_to_sign(request, account_));
  return fmt::format("SharedKey {}:{}", account_, base64_encode(signature));
}

}  // namespace tillrace::lake
