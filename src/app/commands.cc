#include "app/commands.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace tillrace::app {
namespace {

int output_error = 0;  // errno, once stdout took something no more

}  // namespace

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
  if (is_output_lost()) return;
  bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!whole || std::fflush(stdout) != 0) output_error = errno;
}

bool is_output_lost() { return output_error != 0; }

Exit close_output(Exit exit) {
  int error = std::exchange(output_error, 0);
  if (error == 0 || error == EPIPE) return exit;
  Exit failed = report({Code::unavailable, "cannot write to standard output: " +
                                               std::generic_category().message(error)});
  return exit == Exit::ok ? failed : exit;
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
