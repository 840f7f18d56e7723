#include "lake/azure_request.h"

namespace tillrace::lake {

std::string AzureRequest::target() const {
  std::string text = path;
  char before = '?';
  for (const auto& [name, value] : query) {
    text += before + http::percent_encode(name) + '=' + http::percent_encode(value);
    before = '&';
  }
  if (!signed_query.empty()) text += before + signed_query;
  return text;
}

}  // namespace tillrace::lake
