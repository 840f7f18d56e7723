// The HTTP API's own description: /openapi.json, /docs and what lies below it, /problems.
#pragma once
#include "http/router.h"

namespace tillrace::app {

// All of it is constant and open to everybody: no key, no network beyond this server. The pages run
// no script and no style but their own (Content-Security-Policy).
void mount_api_docs(http::Router& router);

}  // namespace tillrace::app
