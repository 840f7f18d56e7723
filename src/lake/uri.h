// The texts that say where on Azure a lake lies.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace tillrace::lake {

// abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH, as Spark, Synapse and Fabric write it.
struct AzureRoot {
  std::string container;
  std::string account;
  std::string suffix;  // "core.windows.net"; other clouds have others
  std::string path;    // below the container, as in store.h; may be empty
};
// invalid, naming what is wrong. PATH may not hold '%', '?' nor '#', which readers of such texts
// take differently; a '/' at its end is dropped.
Result<AzureRoot> parse_azure_root(std::string_view uri);
// Whether it means to be one, rather than a folder.
bool is_azure_root(std::string_view text);

// Where the Blob service listens.
struct Endpoint {
  std::string origin;  // "https://shop.blob.core.windows.net", "http://127.0.0.1:10000"
  std::string path;    // before the container: "", or "/devstoreaccount1" for Azurite
  bool is_tls = false;
  bool is_here = false;  // on this machine

  std::string text() const { return origin + path; }
};
// https or http; no query, no password. invalid, naming what is wrong.
Result<Endpoint> parse_endpoint(std::string_view url);
// Of the account's Blob service, which serves accounts with a hierarchical namespace too.
Endpoint blob_endpoint(const AzureRoot& root);

// Percent-encoded, but for '/'.
std::string encode_path(std::string_view path);

}  // namespace tillrace::lake
