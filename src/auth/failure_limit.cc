#include "auth/failure_limit.h"

#include <arpa/inet.h>

#include <algorithm>

namespace tillrace::auth {
namespace {

// The text of the address, or the first 64 bits of one of IPv6.
std::string network_of(std::string_view remote_address) {
  std::string text(remote_address);
  constexpr std::size_t kBytes = 8;
  in6_addr address{};
  if (::inet_pton(AF_INET6, text.c_str(), &address) != 1 || IN6_IS_ADDR_V4MAPPED(&address))
    return text;
  return {reinterpret_cast<const char*>(address.s6_addr), kBytes};
}

}  // namespace

void FailureLimit::make_room(std::chrono::nanoseconds now) {
  if (windows_.size() < options_.most_addresses) return;
  std::erase_if(windows_, [&](const auto& entry) { return entry.second.ends <= now; });
  if (windows_.size() >= options_.most_addresses) windows_.clear();
}

std::optional<FailureLimit::TooMany> FailureLimit::count(std::string_view remote_address) {
  std::string network = network_of(remote_address);
  std::chrono::nanoseconds now = clock_.monotonic();
  MutexLock lock(mutex_);
  auto found = windows_.find(network);
  if (found == windows_.end()) {
    make_room(now);
    found = windows_.emplace(std::move(network), Window{}).first;
  }
  Window& window = found->second;
  if (window.ends <= now) window = {now + std::chrono::seconds(options_.window_s), 0};
  ++window.failures;
  if (window.failures <= options_.most_failures) return std::nullopt;
  auto rest = std::chrono::ceil<std::chrono::seconds>(window.ends - now).count();
  return TooMany{static_cast<int>(std::max<std::int64_t>(rest, 1)),
                 window.failures == options_.most_failures + 1};
}

std::size_t FailureLimit::size() const {
  MutexLock lock(mutex_);
  return windows_.size();
}

}  // namespace tillrace::auth
