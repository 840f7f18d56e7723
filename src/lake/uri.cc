#include "lake/uri.h"

#include <algorithm>
#include <charconv>

#include "base/json_writer.h"
#include "http/message.h"
#include "lake/store_path.h"

namespace tillrace::lake {
namespace {

constexpr std::string_view kRootScheme = "abfss://";
constexpr std::string_view kRootForm = "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH";

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_account(std::string_view name) {
  return name.size() >= 3 && name.size() <= 24 &&
         std::all_of(name.begin(), name.end(), is_lower_or_digit);
}

// "Naming and Referencing Containers, Blobs, and Metadata" of the Blob service's documentation.
bool is_container(std::string_view name) {
  auto allowed = [](char c) { return is_lower_or_digit(c) || c == '-'; };
  return name.size() >= 3 && name.size() <= 63 && std::all_of(name.begin(), name.end(), allowed) &&
         name.front() != '-' && name.back() != '-' && name.find("--") == std::string_view::npos;
}

bool is_host_name(std::string_view host) {
  auto allowed = [](char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
  };
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), allowed) &&
         host.front() != '.' && host.find("..") == std::string_view::npos;
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// "name", "name:80", "127.0.0.1:80", "[::1]:80".
bool is_host_and_port(std::string_view text) {
  std::size_t end = text.find(']');
  bool six = text.starts_with('[') && end != std::string_view::npos;
  std::string_view host = six ? text.substr(1, end - 1) : text.substr(0, text.find(':'));
  std::string_view rest = text.substr(six ? end + 1 : host.size());
  bool good = six ? !host.empty() &&
                        host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos
                  : is_host_name(host);
  return good && (rest.empty() || (rest.starts_with(':') && is_port(rest.substr(1))));
}

bool is_here(std::string_view host) {
  return host.starts_with("127.") || host.starts_with("[::1]") || host == "localhost" ||
         host.starts_with("localhost:");
}

// What stands where others put passwords and signatures is not repeated.
std::string_view without_secrets(std::string_view uri) {
  std::size_t authority = std::min(uri.find("://"), uri.size() - 1) + 1;
  return uri.substr(0, std::min(uri.find_first_of("?#"), uri.find(':', authority)));
}

tl::unexpected<Error> no_root(std::string_view uri, std::string_view why) {
  return fail(Code::invalid, "{} is no root of a lake such as {}: {}",
              json_quoted(without_secrets(uri)), kRootForm, why);
}

tl::unexpected<Error> no_endpoint(std::string_view why) {
  return fail(Code::invalid,
              "the endpoint is no URL such as http://127.0.0.1:10000/devstoreaccount1: {}", why);
}

}  // namespace

bool is_azure_root(std::string_view text) { return text.find("://") != std::string_view::npos; }

Result<AzureRoot> parse_azure_root(std::string_view uri) {
  if (!uri.starts_with(kRootScheme)) return no_root(uri, "it does not begin with abfss://");
  std::string_view rest = uri.substr(kRootScheme.size());
  std::string_view authority = rest.substr(0, rest.find('/'));
  std::string_view path = rest.substr(authority.size());
  std::size_t at = authority.find('@');
  std::size_t dfs = authority.find(".dfs.");
  if (at == std::string_view::npos || dfs == std::string_view::npos || dfs < at)
    return no_root(uri, "it does not name container, account and .dfs.");
  AzureRoot root;
  root.container = authority.substr(0, at);
  root.account = authority.substr(at + 1, dfs - at - 1);
  root.suffix = authority.substr(dfs + std::string_view(".dfs.").size());
  if (!is_container(root.container))
    return no_root(uri, "a container has 3 to 63 of a-z, 0-9 and single dashes within");
  if (!is_account(root.account)) return no_root(uri, "an account has 3 to 24 of a-z and 0-9");
  if (!is_host_name(root.suffix) || !is_host_name(root.account + ".blob." + root.suffix))
    return no_root(uri, "what follows .dfs. is no host's name");
  if (path.find_first_of("%?#") != std::string_view::npos)
    return no_root(uri, "its path holds %, ? or #");
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (Status valid = check_path(path); !path.empty() && !valid)
    return no_root(uri, valid.error().message);
  root.path = path;
  return root;
}

Result<Endpoint> parse_endpoint(std::string_view url) {
  Endpoint endpoint;
  endpoint.is_tls = url.starts_with("https://");
  if (!endpoint.is_tls && !url.starts_with("http://"))
    return no_endpoint("it does not begin with https:// or http://");
  std::string_view host = url.substr(url.find("//") + 2);
  host = host.substr(0, host.find_first_of("/?#"));
  std::string_view path = url.substr(url.find("//") + 2 + host.size());
  if (host.find('@') != std::string_view::npos) return no_endpoint("it holds a user or password");
  if (!is_host_and_port(host)) return no_endpoint("its host or port is malformed");
  if (path.find_first_of("%?#") != std::string_view::npos)
    return no_endpoint("its path holds %, ? or #");
  if (path.ends_with('/')) path.remove_suffix(1);
  if (!path.empty() && !check_path(path.substr(1))) return no_endpoint("its path is malformed");
  endpoint.origin = url.substr(0, url.find("//") + 2 + host.size());
  endpoint.path = encode_path(path);
  endpoint.is_here = is_here(host);
  return endpoint;
}

Endpoint blob_endpoint(const AzureRoot& root) {
  return {fmt::format("https://{}.blob.{}", root.account, root.suffix), "", true, false};
}

std::string encode_path(std::string_view path) {
  std::string encoded;
  for (std::size_t at = 0; at <= path.size();) {
    std::string_view part = path.substr(at, path.find('/', at) - at);
    encoded += http::percent_encode(part);
    at += part.size() + 1;
    if (at <= path.size()) encoded += '/';
  }
  return encoded;
}

}  // namespace tillrace::lake
