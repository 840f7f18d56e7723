// Proves to the Blob service who asks.
#pragma once
#include <memory>
#include <string>

#include "base/clock.h"
#include "lake/azure_request.h"
#include "lake/credential_options.h"

namespace tillrace::lake {

struct Endpoint;

// Thread-safe.
class Credential {
 public:
  virtual ~Credential() = default;
  // Adds what proves it, last of all: a signature covers the rest of the request, which has its
  // x-ms-date. unavailable: there is no token just now; invalid: there will be none.
  virtual Status authorize(AzureRequest& request) = 0;
  // The service did not take this request's proof (401). True when another one is worth a try.
  virtual bool renew(const AzureRequest& refused) = 0;
};

// invalid, naming the option: it is malformed, or would send a secret to another machine in plain.
// `clock` outlives the credential. Asks nobody yet.
Result<std::unique_ptr<Credential>> open_credential(CredentialOptions options,
                                                    const std::string& account,
                                                    const Endpoint& endpoint, Clock& clock);

}  // namespace tillrace::lake
