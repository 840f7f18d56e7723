// Any text where a configuration or another program gives one: a root, an endpoint, a path, a date,
// a key, the answer of a token endpoint. The first byte chooses which.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/message.h"
#include "lake/azure_base64.h"
#include "lake/azure_time.h"
#include "lake/credential_sources.h"
#include "lake/store_path.h"
#include "lake/uri.h"

namespace {

using tillrace::Code;
using tillrace::UtcMicros;

// Accepted, and written again, it reads the same.
void check_root(std::string_view text) {
  auto root = tillrace::lake::parse_azure_root(text);
  if (!root) {
    CHECK(root.error().code == Code::invalid && !root.error().message.empty());
    return;
  }
  CHECK(root->path.empty() || tillrace::lake::check_path(root->path));
  auto again = tillrace::lake::parse_azure_root(fmt::format(
      "abfss://{}@{}.dfs.{}/{}", root->container, root->account, root->suffix, root->path));
  CHECK(again && again->container == root->container && again->account == root->account);
  CHECK(again->suffix == root->suffix && again->path == root->path);
  auto endpoint = tillrace::lake::parse_endpoint(tillrace::lake::blob_endpoint(*root).text());
  CHECK(endpoint && endpoint->is_tls);
}

void check_endpoint(std::string_view text) {
  auto endpoint = tillrace::lake::parse_endpoint(text);
  if (!endpoint) {
    CHECK(endpoint.error().code == Code::invalid);
    return;
  }
  CHECK(endpoint->origin.find_first_of("?#@ \r\n") == std::string::npos);
  CHECK(endpoint->path.empty() || endpoint->path.front() == '/');
}

void check_a_path(std::string_view text) {
  if (!tillrace::lake::check_path(text)) return;
  CHECK(("/" + std::string(text) + "/").find("/../") == std::string::npos);
  CHECK(tillrace::http::percent_decode(tillrace::lake::encode_path(text)) == std::string(text));
}

void check_date(std::string_view text) {
  auto time = tillrace::lake::parse_http_date(text);
  if (time && time->value >= 0)
    CHECK(tillrace::lake::parse_http_date(tillrace::lake::http_date(*time)) == time);
}

void check_base64(std::string_view text) {
  auto bytes = tillrace::lake::base64_decode(text);
  if (bytes) CHECK(tillrace::lake::base64_encode(*bytes).size() == text.size());
}

void check_token(std::string_view json) {
  auto token = tillrace::lake::decode_token_answer(json, UtcMicros{1'700'000'000'000'000});
  CHECK(!token || (!token->text.empty() && token->lifetime.count() > 0));
  CHECK(tillrace::lake::decode_token_error(json).find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0]) {
    case 'r': check_root(text); break;
    case 'e': check_endpoint(text); break;
    case 'p': check_a_path(text); break;
    case 'd': check_date(text); break;
    case 'b': check_base64(text); break;
    case 't': check_token(text); break;
    default: break;
  }
  return 0;
}
