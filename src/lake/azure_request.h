// A request to the Blob service, before it is signed and becomes one of room http.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/client.h"

namespace tillrace::lake {

// The version of the service's interface that is spoken; each version stays as it is.
inline constexpr std::string_view kServiceVersion = "2023-11-03";

struct AzureRequest {
  http::Method method = http::Method::get;
  std::string path;  // from the host on, encoded: "/container/a%20b"
  std::vector<std::pair<std::string, std::string>> query;  // not encoded
  http::Headers headers;
  std::string body;
  // Goes behind the query as it is: a SAS, whose encoding its maker has chosen.
  std::string signed_query;

  // What stands behind the host: path and query.
  std::string target() const;
};

}  // namespace tillrace::lake
