// Every kind of error that an answer can name: what `/problems/<slug>` tells.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace tillrace::app {

struct ProblemKind {
  int status;
  std::string_view slug;
  std::string_view title;    // as the answers have it
  std::string_view meaning;  // a sentence
  std::string_view remedy;   // what the client should do
};

// By status. A test holds it against the program's sources and against openapi.json.
std::span<const ProblemKind> problem_kinds();

// {"type":"/problems/<slug>","status":...,"title":...,"meaning":...,"remedy":...}
std::string to_json(const ProblemKind& kind);
std::string to_json(std::span<const ProblemKind> kinds);  // an array
std::string to_page(const ProblemKind& kind);             // HTML
std::string to_page(std::span<const ProblemKind> kinds);  // HTML, a table

}  // namespace tillrace::app
