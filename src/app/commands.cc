#include "app/commands.h"

#include <cstdio>
#include <cstdlib>

namespace tillrace::app {

Exit exit_of(const Error& error) {
  switch (error.code) {
    case Code::invalid: return Exit::usage;
    case Code::not_found:
    case Code::conflict: return Exit::not_so;
    case Code::exhausted:
    case Code::unavailable:
    case Code::shutting_down: return Exit::dependency;
    case Code::corrupt: return Exit::internal;
  }
  return Exit::internal;
}

Exit report(const Error& error) {
  print_err("tillrace: " + error.message + "\n");
  return exit_of(error);
}

void print_out(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void print_err(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

std::string search_path() {
  const char* path =
      std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return path == nullptr ? "" : path;
}

}  // namespace tillrace::app
