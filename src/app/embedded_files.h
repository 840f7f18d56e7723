// What is served as it lies in src/app/api/, carried in the program: the OpenAPI document and the
// page that shows it. cmake/EmbedFiles.cmake makes the definition.
#pragma once
#include <span>
#include <string_view>

namespace tillrace::app {

struct EmbeddedFile {
  std::string_view name;  // relative to src/app/api: "openapi.json", "docs/app.js"
  std::string_view text;
};
std::span<const EmbeddedFile> embedded_files();

}  // namespace tillrace::app
