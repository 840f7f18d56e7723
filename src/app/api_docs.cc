#include "app/api_docs.h"

#include <fmt/format.h>

#include "app/embedded_files.h"
#include "app/problem_kinds.h"
#include "base/check.h"

namespace tillrace::app {
namespace {

// Nothing from elsewhere, nothing inline, requests to this server only.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view content_type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  CHECK(name.ends_with(".json"));
  return "application/json";
}

http::Response answer(std::string_view content_type, std::string body) {
  http::Response response{200, {}, std::string(content_type), std::move(body)};
  if (content_type.starts_with("text/html"))
    response.headers.add("Content-Security-Policy", kPolicy);
  return response;
}

std::string path_of(std::string_view file) {
  return file == "docs/index.html" ? "/docs" : fmt::format("/{}", file);
}

// A page for browsers, which name text/html in Accept; JSON for everybody else. `what` is a
// ProblemKind, or all of them.
template <class What>
http::Handler page_or_json(What what) {
  return [what](http::Request&& request, const http::Reply& reply) {
    bool page =
        request.headers.find("Accept").value_or("").find("text/html") != std::string_view::npos;
    http::Response response = page ? answer("text/html; charset=utf-8", to_page(what))
                                   : answer("application/json", to_json(what));
    response.headers.add("Vary", "Accept");
    reply(std::move(response));
  };
}

}  // namespace

void mount_api_docs(http::Router& router) {
  for (const EmbeddedFile& file : embedded_files())
    router.add(http::Method::get, path_of(file.name),
               [file](http::Request&&, const http::Reply& reply) {
                 reply(answer(content_type_of(file.name), std::string(file.text)));
               });
  router.add(http::Method::get, "/problems", page_or_json(problem_kinds()));
  for (const ProblemKind& kind : problem_kinds())
    router.add(http::Method::get, fmt::format("/problems/{}", kind.slug), page_or_json(kind));
}

}  // namespace tillrace::app
