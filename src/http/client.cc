#include "http/client.h"

#include <curl/curl.h>

#include <array>
#include <mutex>

#include "base/blanks.h"
#include "base/check.h"
#include "base/files.h"

namespace tillrace::http {
namespace {

constexpr long kKeptConnections = 4;

struct CurlDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(char* text) const { curl_free(text); }
};
template <class T>
using CurlPointer = std::unique_ptr<T, CurlDelete>;

void initialise_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
}

// The answer as it comes in. A limit that is passed ends the transfer from within libcurl's
// callbacks.
struct Arriving {
  const ClientOptions& options;
  Response response = {};
  std::size_t header_bytes = 0;
  bool too_large = false;
  bool is_head_whole = false;  // libcurl takes an answer that ends within its head for one
};

std::size_t on_body(char* bytes, std::size_t, std::size_t length, void* context) {
  auto& arriving = *static_cast<Arriving*>(context);
  arriving.too_large = length > arriving.options.max_response_bytes - arriving.response.body.size();
  if (arriving.too_large) return 0;
  arriving.response.body.append(bytes, length);
  return length;
}

// Asked about once a second, and whenever bytes come or go. Anything but 0 ends the call.
int on_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::stop_token*>(context)->stop_requested() ? 1 : 0;
}

std::size_t on_header(char* bytes, std::size_t, std::size_t length, void* context) {
  auto& arriving = *static_cast<Arriving*>(context);
  arriving.header_bytes += length;
  arriving.too_large = arriving.header_bytes > arriving.options.max_header_bytes;
  if (arriving.too_large) return 0;
  std::string_view line(bytes, length);
  if (trimmed(line).empty()) arriving.is_head_whole = true;
  if (line.starts_with("HTTP/")) {  // a new head, perhaps after "100 Continue"
    arriving.is_head_whole = false;
    arriving.response.headers = {};
  }
  std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || line.starts_with("HTTP/")) return length;
  arriving.response.headers.add(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  return length;
}

std::string part(CURLU* url, CURLUPart which, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  return CurlPointer<char>(text).get();
}

struct Place {
  std::string host;
  std::string port;
  std::string text() const { return host + ":" + port; }
  // This machine, or the link: clouds answer their machines at 169.254.169.254, and no proxy can.
  bool is_near() const {
    return host == "localhost" || host == "[::1]" || host.starts_with("127.") ||
           host.starts_with("169.254.");
  }
};

Result<Place> parse_place(const std::string& url) {
  CurlPointer<CURLU> parsed(curl_url());
  CHECK(parsed);
  CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
  if (code != CURLUE_OK || url.find('\0') != std::string::npos)
    return fail(Code::invalid, "'{}' is no URL such as http://127.0.0.1:8080/path: {}", url,
                code == CURLUE_OK ? "it has a NUL byte" : curl_url_strerror(code));
  std::string scheme = part(parsed.get(), CURLUPART_SCHEME, 0);
  if (scheme != "http" && scheme != "https")
    return fail(Code::invalid, "'{}' is no URL of http or https", url);
  return Place{part(parsed.get(), CURLUPART_HOST, 0),
               part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT)};
}

bool has_line_break(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

Status add_line(CurlPointer<curl_slist>& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (!longer) return fail(Code::exhausted, "out of memory for a header field");
  static_cast<void>(list.release());  // the longer list owns the shorter one
  list.reset(longer);
  return {};
}

Status add_field(CurlPointer<curl_slist>& list, const Headers::Field& field) {
  const auto& [name, value] = field;
  if (name.empty() || name.find_first_of(":; ") != std::string::npos || has_line_break(name) ||
      has_line_break(value))
    return fail(Code::invalid, "header field '{}' is malformed", name);
  // libcurl sends a field without a value only when it ends with a semicolon.
  return add_line(list, value.empty() ? name + ";" : name + ": " + value);
}

// The call's own, and of the usual ones those that it does not have.
Result<CurlPointer<curl_slist>> header_list(const Headers& own, const Headers& usual) {
  CurlPointer<curl_slist> list;
  // libcurl would wait for "100 Continue" before larger bodies, a second each with servers that
  // send none, and call every body an HTML form.
  Status added = add_line(list, "Expect:");
  if (added && own.count("Content-Type") + usual.count("Content-Type") == 0)
    added = add_line(list, "Content-Type:");
  for (const Headers::Field& field : own)
    if (added) added = add_field(list, field);
  for (const Headers::Field& field : usual)
    if (added && own.count(field.name) == 0) added = add_field(list, field);
  if (!added) return fail(added.error());
  return list;
}

Status check_readable(std::string_view option, const std::string& path) {
  if (path.empty()) return {};
  auto content = read_file(path);
  if (!content) return fail(Code::invalid, "{}: {}", option, content.error().message);
  if (content->find("-----BEGIN ") == std::string::npos)
    return fail(Code::invalid, "{} '{}' is not in PEM form", option, path);
  return {};
}

// Of a call that failed for a file of the options, before anything was sent. libcurl says little of
// what is wrong with it.
Error explain_files(const ClientOptions& options, std::string_view details) {
  Status usable = check_readable("ca_file", options.ca_file);
  if (usable) usable = check_readable("certificate_file", options.certificate_file);
  if (usable) usable = check_readable("key_file", options.key_file);
  if (!usable) return usable.error();
  return {Code::invalid, fmt::format("a file for TLS cannot be used: {}", details)};
}

std::string explain_tls(CURLcode code, std::string_view details) {
  bool other_protocol = details.find("wrong version number") != std::string_view::npos;
  if (other_protocol) return "what answers there does not speak TLS, as https needs";
  if (code == CURLE_PEER_FAILED_VERIFICATION)
    return fmt::format("the server's certificate is not accepted: {}", details);
  return fmt::format("TLS failed: {}", details);
}

// What became of the call, in words.
std::string explain(CURLcode code, const char* details, const Call& call) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: return "the name is not known";
    case CURLE_OPERATION_TIMEDOUT:
      return fmt::format("no answer within {} ms (no connection within {} ms counts too)",
                         call.total_timeout_ms, call.connect_timeout_ms);
    case CURLE_GOT_NOTHING: return "the connection was closed before an answer";
    case CURLE_PARTIAL_FILE: return "the connection was closed in the middle of the answer";
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: return "what answers there does not speak HTTP";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION: return explain_tls(code, details);
    default: break;
  }
  return *details != '\0' ? details : curl_easy_strerror(code);
}

}  // namespace

struct Client::Impl {
  explicit Impl(ClientOptions given) : options(std::move(given)), curl(curl_easy_init()) {
    CHECK(curl);
  }

  template <class Value>
  void set(CURLoption option, Value value) {
    CHECK(curl_easy_setopt(curl.get(), option, value) == CURLE_OK);
  }
  // All but what lives on the stack of send().
  void prepare(const Call& call, bool without_proxy);
  void set_method(const Call& call);
  void set_certificates();
  Response finish(Response response);

  ClientOptions options;
  CurlPointer<CURL> curl;
};

void Client::Impl::prepare(const Call& call, bool without_proxy) {
  curl_easy_reset(curl.get());  // options only: the connections stay
  set(CURLOPT_URL, call.url.c_str());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_MAXCONNECTS, kKeptConnections);
  if (without_proxy) set(CURLOPT_PROXY, "");
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(call.connect_timeout_ms));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(call.total_timeout_ms));
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_HEADERFUNCTION, &on_header);
  if (options.stop.stop_possible()) {
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &on_progress);
    set(CURLOPT_XFERINFODATA, &options.stop);
  }
  set_method(call);
  set_certificates();
}

void Client::Impl::set_certificates() {
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));  // those of the system would count too
  }
  if (options.certificate_file.empty()) return;
  set(CURLOPT_SSLCERT, options.certificate_file.c_str());
  set(CURLOPT_SSLKEY, options.key_file.c_str());
}

void Client::Impl::set_method(const Call& call) {
  bool sends_body = call.method == Method::post || call.method == Method::put;
  if (sends_body) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
    set(CURLOPT_POSTFIELDS, call.body.data());
  }
  if (call.method == Method::head) {
    set(CURLOPT_NOBODY, 1L);
  } else if (call.method != Method::get) {
    set(CURLOPT_CUSTOMREQUEST, name(call.method).data());
  }
}

Response Client::Impl::finish(Response response) {
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  response.content_type = response.headers.find("Content-Type").value_or("");
  return response;
}

Client::Client(ClientOptions options) {
  initialise_curl_once();
  impl_ = std::make_unique<Impl>(std::move(options));
}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Response> Client::send(const Call& call) {
  if (call.method == Method::other) return fail(Code::invalid, "the call's method is not known");
  if (call.connect_timeout_ms < 1 || call.total_timeout_ms < 1)
    return fail(Code::invalid, "the call's timeouts must be 1 ms or more");
  if (impl_->options.certificate_file.empty() != impl_->options.key_file.empty())
    return fail(Code::invalid, "a client's certificate_file and key_file need each other");
  auto place = parse_place(call.url);
  if (!place) return fail(place.error());
  auto headers = header_list(call.headers, impl_->options.headers);
  if (!headers) return fail(headers.error());
  Arriving arriving{impl_->options};
  std::array<char, CURL_ERROR_SIZE> details{};
  impl_->prepare(call, place->is_near());
  impl_->set(CURLOPT_ERRORBUFFER, details.data());
  impl_->set(CURLOPT_HTTPHEADER, headers->get());
  impl_->set(CURLOPT_WRITEDATA, static_cast<void*>(&arriving));
  impl_->set(CURLOPT_HEADERDATA, static_cast<void*>(&arriving));
  CURLcode code = curl_easy_perform(impl_->curl.get());
  impl_->set(CURLOPT_ERRORBUFFER, static_cast<char*>(nullptr));  // the rest is used by perform only
  if (code == CURLE_OK && !arriving.is_head_whole)
    return fail(Code::unavailable, "{}: the answer ends within its header fields", place->text());
  if (code == CURLE_OK) return impl_->finish(std::move(arriving.response));
  if (arriving.too_large)
    return fail(Code::exhausted, "{} answers with more than {} bytes (or {} of header fields)",
                place->text(), impl_->options.max_response_bytes, impl_->options.max_header_bytes);
  if (code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE)
    return fail(explain_files(impl_->options, details.data()));
  return fail(Code::unavailable, "{}: {}", place->text(), explain(code, details.data(), call));
}

}  // namespace tillrace::http
