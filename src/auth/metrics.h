// What the room counts.
#pragma once
#include <string>

#include "base/metrics.h"

namespace tillrace::auth {

struct CheckCounters {
  explicit CheckCounters(Metrics& metrics)
      : accepted(one(metrics, "accepted")),
        no_credentials(one(metrics, "no_credentials")),
        bad_key(one(metrics, "bad_key")),
        bad_token(one(metrics, "bad_token")),
        forbidden(one(metrics, "forbidden")),
        rate_limited(one(metrics, "rate_limited")),
        unavailable(one(metrics, "unavailable")) {}

  Counter accepted;
  Counter no_credentials;  // none, two at once, or of a scheme that is not known
  Counter bad_key;
  Counter bad_token;
  Counter forbidden;     // known, but without the scope
  Counter rate_limited;  // a bad key or token, of an address that has sent too many
  Counter unavailable;   // the provider's keys are not there yet

 private:
  static Counter one(Metrics& metrics, const std::string& result) {
    return metrics.counter("tillrace_auth_checks_total", "Requests whose sender was checked",
                           {{"result", result}});
  }
};

}  // namespace tillrace::auth
