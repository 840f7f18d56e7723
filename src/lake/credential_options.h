// With what the lake proves to Azure who it is; filled by room app. Which members are secrets is
// said here: they go into no log line and no message.
#pragma once
#include <string>
#include <variant>

namespace tillrace::lake {

inline constexpr const char* kPublicAuthority = "https://login.microsoftonline.com";
// The Instance Metadata Service of a virtual machine; link-local, so plain http.
inline constexpr const char* kMachineIdentityEndpoint =
    "http://169.254.169.254/metadata/identity/oauth2/token";

// One of the storage account's two keys. May do everything.
struct AccountKey {
  std::string key;  // secret; base64
};

// A shared access signature, made elsewhere: "sv=...&sp=rwdl&sig=...", with or without a '?'
// before. It is not renewed.
struct SharedAccessSignature {
  std::string token;  // secret
};

// An application registered with Entra ID, known by a secret.
struct ServicePrincipal {
  std::string tenant_id;
  std::string client_id;
  std::string client_secret;  // secret
  std::string authority = kPublicAuthority;
};

// The identity that Azure gives a machine or an app.
struct ManagedIdentity {
  std::string client_id;  // of a user-assigned one; empty: the system's
  // App Service, Functions and Container Apps: their IDENTITY_ENDPOINT and IDENTITY_HEADER.
  std::string endpoint = kMachineIdentityEndpoint;
  std::string identity_header;  // secret; empty on a machine
};

// A Kubernetes service account, or another identity that Entra ID trusts, by a token in a file that
// somebody keeps fresh; the file is read at each fetch.
struct WorkloadIdentity {
  std::string tenant_id;
  std::string client_id;
  std::string token_file;  // its content is a secret
  std::string authority = kPublicAuthority;
};

using CredentialOptions = std::variant<AccountKey, SharedAccessSignature, ServicePrincipal,
                                       ManagedIdentity, WorkloadIdentity>;

}  // namespace tillrace::lake
