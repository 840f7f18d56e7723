#include "http/cors.h"

#include <algorithm>

namespace tillrace::http {
namespace {

constexpr std::size_t kMaxAskedBytes = 1024;  // of the fields that a preflight asks for

}  // namespace

Status check_origin(std::string_view origin) {
  std::size_t host = origin.find("://");
  bool whole = host != std::string_view::npos && host > 0 && host + 3 < origin.size() &&
               origin.find_first_of("/ ?#*", host + 3) == std::string_view::npos;
  if (whole) return {};
  return fail(Code::invalid,
              "'{}' is no origin; scheme://host or scheme://host:port is, without a path", origin);
}

const std::string* match_origin(const std::vector<std::string>& origins, const Headers& headers) {
  if (origins.empty()) return nullptr;
  auto origin = headers.find("Origin");
  if (!origin) return nullptr;
  auto found = std::find(origins.begin(), origins.end(), *origin);
  return found == origins.end() ? nullptr : &*found;
}

bool is_preflight(const Request& request) {
  return request.method == Method::options &&
         request.headers.find("Access-Control-Request-Method").has_value();
}

void allow_preflight(const Request& request, Response& response) {
  std::string methods(response.headers.find("Allow").value_or(""));
  response.headers.add("Access-Control-Allow-Methods", methods);
  auto fields = request.headers.find("Access-Control-Request-Headers");
  if (fields && fields->size() <= kMaxAskedBytes)
    response.headers.add("Access-Control-Allow-Headers", *fields);
  response.headers.add("Access-Control-Max-Age", "600");
}

}  // namespace tillrace::http
