// The lake on Azure: the Blob service's REST interface, which serves accounts with a hierarchical
// namespace (ADLS Gen2) and without one.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "lake/azure_client.h"
#include "lake/azure_list.h"
#include "lake/store.h"
#include "lake/uri.h"

namespace tillrace::lake {

struct AzureOptions {
  std::string root;      // abfss://container@account.dfs.core.windows.net/path
  std::string endpoint;  // instead of the account's own, such as Azurite's; mostly empty
  CredentialOptions credential;
  AzureRetryOptions retry = {};
  int page_files =
      5'000;  // of one answer to list(); 1 to 5,000, of which the service may give fewer
};

// Files up to kBlockBytes are one Put Blob; larger ones are blocks of that size and one Put Block
// List, so at most one block of a local file is in memory. Blocks that nobody committed are
// dropped by the service within a week. Files are read in such pieces too. They are small enough
// for a try's time (AzureRetryOptions::try_ms) on a line of half a Mbit/s.
//
// put_if_absent asks for `If-None-Match: *`, and gives the file a random name of its own in its
// metadata (tillrace_write_id). A conflict is told only when the file that is there has another:
// when the answer to the first try was lost, the second one's conflict is with ourselves.
//
// The container must exist; a missing one is unavailable, not not_found. Every request has its
// own total time (AzureRetryOptions).
class AzureStore final : public Store {
 public:
  static constexpr std::size_t kBlockBytes = std::size_t{1024} * 1024;
  static constexpr std::uint64_t kMostBlocks = 50'000;

  // Asks nobody yet: a store that is away, or refuses the credentials, shows at the first call.
  // invalid, naming the option that is malformed. The references outlive the store.
  static Result<std::unique_ptr<AzureStore>> open(AzureOptions options, Clock& clock,
                                                  Random& random, Metrics& metrics);

  Status put_if_absent(std::string_view path, std::string_view bytes) override;
  Status put(std::string_view path, std::string_view bytes) override;
  Status put_file(std::string_view path, const std::filesystem::path& local) override;
  Result<std::string> get(std::string_view path) override;
  Result<std::string> get_range(std::string_view path, std::uint64_t offset,
                                std::uint64_t length) override;
  Status list(std::string_view prefix, std::string_view start_after, const Visit& visit) override;
  using Store::list;
  Status remove(std::string_view path) override;
  Result<StoredFile> head(std::string_view path) override;
  std::optional<std::filesystem::path> local_path(std::string_view path) const override;

  AzureStore(AzureRoot root, std::string container_path, int page_files,
             std::unique_ptr<AzureClient> client, Random& random);  // for open()

 private:
  struct Blob;
  struct Content;
  struct Piece;

  Result<Blob> blob(std::string_view operation, std::string_view path) const;
  AzureRequest request(http::Method method, const Blob& blob) const;
  Status upload(const Blob& blob, const Content& content, std::string_view write_id);
  // The answer to the request that gives the file its name.
  Result<http::Response> put_whole(const Blob& blob, const Content& content,
                                   std::string_view write_id);
  Result<http::Response> put_blocks(const Blob& blob, const Content& content,
                                    std::string_view write_id);
  Status explain_conflict(const Blob& blob, const http::Response& answer,
                          std::string_view write_id);
  Result<http::Response> look_at(const Blob& blob);
  Result<Piece> get_piece(const Blob& blob, std::uint64_t offset, std::uint64_t length,
                          std::string_view etag);
  Result<ListAnswer> list_page(std::string_view prefix, std::string_view marker);

  const AzureRoot root_;
  const std::string container_path_;  // "/container", behind the endpoint's own path
  const int page_files_;
  const std::unique_ptr<AzureClient> client_;
  Random& random_;
};

}  // namespace tillrace::lake
