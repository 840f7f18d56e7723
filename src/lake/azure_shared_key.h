// Signing with an account's key: the scheme "Shared Key" of the Blob service, as
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key describes it for
// versions from 2015-02-21 on.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "lake/azure_request.h"

namespace tillrace::lake {

// What is signed. The request has its x-ms-date, and no signed_query.
std::string string_to_sign(const AzureRequest& request, std::string_view account);

// Thread-safe.
class SharedKey {
 public:
  // invalid when `key` is not base64; the message does not hold it.
  static Result<SharedKey> parse(std::string account, std::string_view key);

  // The value of the field Authorization: "SharedKey myaccount:SIGNATURE".
  std::string authorization(const AzureRequest& request) const;

 private:
  SharedKey(std::string account, std::string key)
      : account_(std::move(account)), key_(std::move(key)) {}

  std::string account_;
  std::string key_;
};

}  // namespace tillrace::lake
