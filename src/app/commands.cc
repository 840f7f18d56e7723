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

void print_summary(const Context& context, const Table& table) {
  bool for_people = context.format == Format::table;
  if (for_people && context.quiet) return;
  std::string text = print(table, {context.format, true, {}});
  for_people ? print_err(text) : print_out(text);
}

std::string search_path() {
  const char* path =
      std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return path == nullptr ? "" : path;
}

http::ClientOptions http_client_options(const Config& config) {
  http::ClientOptions options;
  if (!config.client.key.empty())
    options.headers.add("Authorization", "Bearer " + config.client.key);
  options.ca_file = config.client.ca_file;
  options.certificate_file = config.client.certificate;
  options.key_file = config.client.certificate_key;
  return options;
}

http::ClientOptions own_server_options(const Config& config) {
  http::ClientOptions options = http_client_options(config);
  if (options.ca_file.empty()) options.ca_file = config.http.tls_certificate;
  return options;
}

}  // namespace tillrace::app
