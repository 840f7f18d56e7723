#include "http/router.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/nearest.h"
#include "http/problem.h"

namespace tillrace::http {
namespace {

constexpr std::size_t kMaxNearest = 3;
// A longer path is no slip of the pen, and measuring it would be work for whoever sends it.
constexpr std::size_t kMaxComparedBytes = 128;

template <class Methods>
std::string allow(const Methods& methods) {
  std::set<std::string_view> names = {name(Method::options)};
  for (const auto& [method, route] : methods) {
    names.insert(name(method));
    if (method == Method::get) names.insert(name(Method::head));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

Response options_answer(std::string allowed) {
  Response response;
  response.status = 204;
  response.headers.add("Allow", allowed);
  return response;
}

}  // namespace

void Router::add(Method method, std::string path, Handler handler, RouteOptions options) {
  CHECK(method != Method::other && path.starts_with('/') && handler && options.part_bytes > 0);
  Route route{std::move(handler), std::move(options)};
  bool added = paths_[std::move(path)].try_emplace(method, std::move(route)).second;
  CHECK(added);
}

tl::expected<const Router::Route*, Response> Router::match(Method method,
                                                           std::string_view path) const {
  if (method == Method::options && path == "*") {
    Methods all;
    for (const auto& [each, methods] : paths_) all.insert(methods.begin(), methods.end());
    return tl::unexpected(options_answer(allow(all)));
  }
  auto known = paths_.find(path);
  if (known == paths_.end()) return tl::unexpected(unknown_path(path));
  const Methods& methods = known->second;
  auto route = methods.find(method);
  if (route == methods.end() && method == Method::head) route = methods.find(Method::get);
  if (route == methods.end()) return tl::unexpected(without_route(method, path, methods));
  return &route->second;
}

Response Router::without_route(Method method, std::string_view path, const Methods& methods) const {
  std::string allowed = allow(methods);
  if (method == Method::options) return options_answer(std::move(allowed));
  auto detail =
      fmt::format("{} is not possible on {}; allowed are {}", name(method), path, allowed);
  Response response = problem(405, "method-not-allowed", "The path has no such method", detail);
  response.headers.add("Allow", allowed);
  return response;
}

Response Router::unknown_path(std::string_view path) const {
  std::vector<std::pair<std::size_t, std::string_view>> ranked;
  if (path.size() <= kMaxComparedBytes) {
    for (const auto& [known, methods] : paths_) {
      std::size_t near = std::max<std::size_t>(2, known.size() / 3);
      std::size_t apart = std::max(path.size(), known.size()) - std::min(path.size(), known.size());
      if (apart > near) continue;  // no need to compare
      std::size_t steps = edit_distance(path, known);
      if (steps <= near) ranked.emplace_back(steps, known);
    }
  }
  std::sort(ranked.begin(), ranked.end());
  if (ranked.size() > kMaxNearest) ranked.resize(kMaxNearest);
  std::vector<std::string_view> nearest;
  for (const auto& [steps, known] : ranked) nearest.push_back(known);
  std::string detail = fmt::format("there is nothing at {}", path.substr(0, kMaxComparedBytes));
  if (!nearest.empty()) detail += fmt::format("; did you mean {}?", fmt::join(nearest, ", "));
  return problem(404, "no-such-path", "There is no such path", detail, [&](JsonWriter& json) {
    json.key("nearest").begin_array();
    for (std::string_view known : nearest) json.string(known);
    json.end_array();
  });
}

}  // namespace tillrace::http
