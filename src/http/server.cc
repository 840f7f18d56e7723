#include "http/server.h"

#include <sys/resource.h>

#include <boost/asio/ip/address.hpp>
#include <vector>

#include "base/logging.h"
#include "http/cors.h"
#include "http/tls_context.h"
#include "http/worker.h"

namespace tillrace::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr unsigned kMaxThreads = 64;
constexpr int kPortAttempts = 8;

std::string to_text(const tcp::endpoint& endpoint) {
  bool v6 = endpoint.address().is_v6();
  return fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), endpoint.address().to_string(),
                     endpoint.port());
}

Status check(const ServerOptions& options) {
  if (options.threads < 1 || options.threads > kMaxThreads)
    return fail(Code::invalid, "{} threads for HTTP; 1 to {} are possible", options.threads,
                kMaxThreads);
  if (options.max_connections < 1) return fail(Code::invalid, "max_connections must be 1 or more");
  if (options.max_header_bytes < 256 || options.max_header_bytes > 1024 * 1024)
    return fail(Code::invalid, "max_header_bytes is {}; 256 to 1048576 are possible",
                options.max_header_bytes);
  if (options.max_in_flight_bytes < options.max_body_bytes)
    return fail(Code::invalid,
                "max_in_flight_bytes is {}, less than one body of max_body_bytes, {}",
                options.max_in_flight_bytes, options.max_body_bytes);
  for (const std::string& origin : options.cors_origins)
    if (Status origin_checked = check_origin(origin); !origin_checked)
      return fail(origin_checked.error(), "cors_origins");
  if (options.header_timeout_ms < 1 || options.body_timeout_ms < 1 ||
      options.write_timeout_ms < 1 || options.idle_timeout_ms < 1)
    return fail(Code::invalid, "the timeouts of HTTP must be 1 ms or more");
  if (options.min_bytes_per_second < 1)
    return fail(Code::invalid, "min_bytes_per_second must be 1 or more");
  return {};
}

tl::unexpected<Error> cannot_listen(const tcp::endpoint& endpoint, error_code error) {
  std::string where = to_text(endpoint);
  if (error == asio::error::address_in_use)
    return fail(Code::unavailable,
                "cannot listen on {}: another process does; stop it or choose another port", where);
  if (error == asio::error::access_denied)
    return fail(Code::unavailable, "cannot listen on {}: not allowed; choose a port above 1023",
                where);
  if (error.value() == EADDRNOTAVAIL)
    return fail(Code::invalid, "cannot listen on {}: it is no address of this machine", where);
  return fail(Code::unavailable, "cannot listen on {}: {}", where, error.message());
}

// Of the files that a process has open beside connections.
constexpr rlim_t kOtherFiles = 256;

void raise_open_files(std::size_t max_connections) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);  // fails never: up to the hard limit everyone may go
  if (files.rlim_max >= max_connections + kOtherFiles) return;
  logging::warning(
      "http: the hard limit of open files is {}, too few for {} connections; raise it (ulimit -Hn)",
      files.rlim_max, max_connections);
}

// SO_REUSEPORT would let a second process of the same user share the port unseen, so the port is
// first asked for without. Gives the endpoint with its port, chosen by the kernel when it was 0.
Result<tcp::endpoint> claim(const tcp::endpoint& wanted) {
  asio::io_context io;
  tcp::acceptor probe(io);
  error_code error;
  probe.open(wanted.protocol(), error);
  if (!error) probe.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) probe.bind(wanted, error);
  if (error) return cannot_listen(wanted, error);
  return probe.local_endpoint();
}

}  // namespace

struct Server::Impl {
  Impl(ServerOptions given_options, Router given_router, Metrics& metrics)
      : options(std::move(given_options)),
        router(std::move(given_router)),
        census(options.max_connections),
        budget(options.max_in_flight_bytes,
               metrics.gauge("tillrace_http_in_flight_bytes",
                             "Bytes reserved for the bodies of requests that are being read or "
                             "answered")) {}

  Status load_tls();
  Status listen(const tcp::endpoint& wanted, Metrics& metrics);

  const ServerOptions options;
  const Router router;
  std::unique_ptr<TlsContext> tls;  // none: plain HTTP
  Census census;
  ByteBudget budget;
  tcp::endpoint endpoint;
  std::vector<std::unique_ptr<Worker>> workers;
};

Status Server::Impl::load_tls() {
  const TlsOptions& files = options.tls;
  bool wanted =
      !files.certificate_file.empty() || !files.key_file.empty() || !files.client_ca_file.empty();
  if (!wanted) return {};
  auto loaded = TlsContext::load(files);
  if (!loaded) return fail(loaded.error());
  tls = std::move(*loaded);
  return {};
}

Status Server::Impl::listen(const tcp::endpoint& wanted, Metrics& metrics) {
  auto claimed = claim(wanted);
  if (!claimed) return fail(claimed.error());
  endpoint = *claimed;
  workers.clear();
  for (unsigned i = 0; i < options.threads; ++i) {
    workers.push_back(
        std::make_unique<Worker>(options, router, metrics, census, budget, tls.get()));
    Status listening = workers.back()->listen(endpoint);
    if (!listening) return fail(listening.error(), "cannot listen on " + to_text(endpoint));
  }
  return {};
}

Result<std::unique_ptr<Server>> Server::listen(ServerOptions options, Router router,
                                               Metrics& metrics) {
  Status checked = check(options);
  if (!checked) return fail(checked.error());
  error_code error;
  auto address = asio::ip::make_address(options.address, error);
  if (error)
    return fail(Code::invalid, "'{}' is no IP address such as 127.0.0.1 or ::1", options.address);
  tcp::endpoint wanted(address, options.port);
  auto impl = std::make_unique<Impl>(std::move(options), std::move(router), metrics);
  raise_open_files(impl->options.max_connections);
  Status listening = impl->load_tls();
  if (!listening) return fail(listening.error());
  listening = impl->listen(wanted, metrics);
  // Between choosing a free port and taking it another process may have come first.
  for (int i = 1; !listening && wanted.port() == 0 && i < kPortAttempts; ++i)
    listening = impl->listen(wanted, metrics);
  if (!listening) return fail(listening.error());
  for (unsigned i = 0; i < impl->workers.size(); ++i) impl->workers[i]->start(i);
  return std::make_unique<Server>(std::move(impl));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

std::uint16_t Server::port() const { return impl_->endpoint.port(); }
std::string Server::address() const { return to_text(impl_->endpoint); }

Status Server::reload_tls() {
  if (!impl_->tls) return fail(Code::invalid, "the server speaks plain HTTP, without TLS");
  return impl_->tls->reload();
}

bool Server::drain(std::chrono::milliseconds deadline) {
  for (auto& worker : impl_->workers) worker->start_drain();
  bool empty = impl_->census.wait_until_empty(deadline);
  for (auto& worker : impl_->workers) worker->stop();
  return empty;
}

}  // namespace tillrace::http
