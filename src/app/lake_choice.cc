#include "app/lake_choice.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "app/log_choice.h"
#include "base/files.h"
#include "lake/azure_store.h"
#include "lake/folder_store.h"

namespace tillrace::app {
namespace {

namespace fs = std::filesystem;

using Credential = Result<lake::CredentialOptions>;

constexpr const char* kTempPrefix = "tillrace-";

struct Needed {
  const char* setting;
  const std::string& value;
};

Status check_given(const std::string& credential, std::initializer_list<Needed> all) {
  for (const Needed& needed : all)
    if (needed.value.empty())
      return fail(Code::invalid, "lake.credential = \"{}\" wants {}, which is empty", credential,
                  needed.setting);
  return {};
}

Credential service_principal(const Config::Lake& lake) {
  Status given = check_given(lake.credential, {{"lake.tenant_id", lake.tenant_id},
                                               {"lake.client_id", lake.client_id},
                                               {"lake.client_secret", lake.client_secret}});
  if (!given) return fail(given.error());
  lake::ServicePrincipal options{lake.tenant_id, lake.client_id, lake.client_secret};
  if (!lake.authority.empty()) options.authority = lake.authority;
  return options;
}

Credential managed_identity(const Config::Lake& lake) {
  lake::ManagedIdentity options;
  options.client_id = lake.client_id;
  if (!lake.identity_endpoint.empty()) options.endpoint = lake.identity_endpoint;
  options.identity_header = lake.identity_header;
  return options;
}

Credential workload_identity(const Config::Lake& lake) {
  Status given = check_given(lake.credential, {{"lake.tenant_id", lake.tenant_id},
                                               {"lake.client_id", lake.client_id},
                                               {"lake.token_file", lake.token_file}});
  if (!given) return fail(given.error());
  lake::WorkloadIdentity options{lake.tenant_id, lake.client_id, lake.token_file};
  if (!lake.authority.empty()) options.authority = lake.authority;
  return options;
}

// Containers may share a data folder, and have processes of the same number.
std::string spool_name(const std::string& part, Random& random) {
  std::array<std::uint8_t, 4> bytes{};
  random.fill(bytes);
  return fmt::format("{}-{}-{:02x}", part, ::getpid(), fmt::join(bytes, ""));
}

// The process of `part-PID-XXXXXXXX`.
std::optional<pid_t> process_of(std::string_view spool_name) {
  constexpr std::size_t kSuffix = 9;
  if (spool_name.size() <= kSuffix) return std::nullopt;
  std::string_view suffix = spool_name.substr(spool_name.size() - kSuffix);
  if (suffix[0] != '-' || suffix.find_first_not_of("0123456789abcdef", 1) != suffix.npos)
    return std::nullopt;
  spool_name.remove_suffix(kSuffix);
  pid_t pid = 0;
  const char* end = spool_name.data() + spool_name.size();
  auto [at, error] = std::from_chars(spool_name.data() + spool_name.rfind('-') + 1, end, pid);
  return error == std::errc{} && at == end && pid > 0 ? std::optional(pid) : std::nullopt;
}

// Folders of processes that were killed, whose names begin with `prefix`. A process of another
// container may look dead from here, so only what nobody has touched for a day goes.
void remove_dead_spools(const fs::path& folder, std::string_view prefix) {
  std::error_code ignored;
  auto old = fs::file_time_type::clock::now() - std::chrono::hours(24);
  std::vector<fs::path> dead;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    std::string name = entry.path().filename().string();
    auto pid = name.starts_with(prefix) ? process_of(name) : std::nullopt;
    bool is_dead = pid && ::kill(*pid, 0) != 0 && errno == ESRCH;
    if (is_dead && entry.last_write_time(ignored) < old) dead.push_back(entry.path());
  }
  for (const auto& path : dead) fs::remove_all(path, ignored);
}

// What a command's engine may spill: the server's log, on the same disk, keeps its reserve.
std::optional<std::uint64_t> spill_limit(const Config& config, const fs::path& spool) {
  auto free = free_bytes(spool);
  if (!free) return std::nullopt;
  std::uint64_t reserve = static_cast<std::uint64_t>(config.http.min_free_disk_mb) << 20;
  return *free - std::min(*free, reserve);
}

}  // namespace

bool writes_lake(const Config& config) {
  return config.lake.enabled && !(uses_kafka(config) && config.lake.root.empty());
}

bool is_lake_on_azure(const Config& config) { return lake::is_azure_root(config.lake.root); }

std::string lake_root(const Config& config) {
  if (is_lake_on_azure(config)) return config.lake.root;
  fs::path folder = config.lake.root;
  if (folder.empty()) folder = config.data_dir / "lake";
  return fs::absolute(folder).lexically_normal().string();
}

Credential lake_credential(const Config& config) {
  const Config::Lake& lake = config.lake;
  if (lake.credential == "account_key") {
    Status given = check_given(lake.credential, {{"lake.account_key", lake.account_key}});
    return given ? Credential(lake::AccountKey{lake.account_key}) : fail(given.error());
  }
  if (lake.credential == "sas") {
    Status given = check_given(lake.credential, {{"lake.sas", lake.sas}});
    return given ? Credential(lake::SharedAccessSignature{lake.sas}) : fail(given.error());
  }
  if (lake.credential == "service_principal") return service_principal(lake);
  if (lake.credential == "managed_identity") return managed_identity(lake);
  if (lake.credential == "workload_identity") return workload_identity(lake);
  return fail(Code::invalid,
              "lake.root is on Azure, and lake.credential does not say how to prove who asks: "
              "account_key, sas, service_principal, managed_identity or workload_identity");
}

Result<std::unique_ptr<lake::Store>> open_lake_store(const Config& config, Clock& clock,
                                                     Random& random, Metrics& metrics,
                                                     std::stop_token stop) {
  if (!is_lake_on_azure(config)) {
    auto opened = lake::FolderStore::open(lake_root(config), clock, random);
    if (!opened) return fail(opened.error(), "lake.root");
    return std::move(*opened);
  }
  auto credential = lake_credential(config);
  if (!credential) return fail(credential.error());
  lake::AzureOptions options;
  options.root = config.lake.root;
  options.endpoint = config.lake.endpoint;
  options.credential = std::move(*credential);
  options.retry.stop = std::move(stop);
  auto opened = lake::AzureStore::open(std::move(options), clock, random, metrics);
  if (!opened) return fail(opened.error(), "the lake's settings");
  return std::move(*opened);
}

Result<fs::path> make_lake_spool(const Config& config, const std::string& part, Random& random) {
  std::string name = spool_name(part, random);
  std::error_code absent;
  if (fs::is_directory(config.data_dir, absent)) {
    fs::path spool = config.data_dir / "lake-spool" / name;
    if (make_private_folder(spool)) return spool;
  }
  fs::path spool = fs::temp_directory_path() / (kTempPrefix + name);
  if (auto made = make_private_folder(spool); !made) return fail(made.error());
  return spool;
}

fs::path lake_cache_folder(const Config& config) {
  if (!config.lake.cache_dir.empty()) return config.lake.cache_dir;
  std::error_code absent;
  if (fs::is_directory(config.data_dir, absent)) return config.data_dir / "lake-cache";
  // NOLINTBEGIN(concurrency-mt-unsafe): nobody changes the environment
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  // NOLINTEND(concurrency-mt-unsafe)
  if (cache != nullptr && *cache == '/') return fs::path(cache) / "tillrace/lake";
  if (home != nullptr && *home == '/') return fs::path(home) / ".cache/tillrace/lake";
  return fs::temp_directory_path() / "tillrace-lake-cache";
}

lake::DuckOptions lake_engine(const Config& config, const fs::path& spool) {
  lake::DuckOptions options;
  options.memory_limit_mb = static_cast<std::uint64_t>(config.lake.memory_mb);
  options.temp_folder = spool / "duckdb";
  return options;
}

Result<std::unique_ptr<OpenLake>> OpenLake::open(const Config& config, const std::string& part,
                                                 Clock& clock, Random& random, Metrics& metrics,
                                                 std::stop_token stop, unsigned threads) {
  auto store = open_lake_store(config, clock, random, metrics, std::move(stop));
  if (!store) return fail(store.error());
  remove_dead_spools(config.data_dir / "lake-spool", "");
  remove_dead_spools(fs::temp_directory_path(), kTempPrefix);
  auto spool = make_lake_spool(config, part, random);
  if (!spool) return fail(spool.error());
  lake::DuckOptions options = lake_engine(config, *spool);
  options.threads = threads;
  options.most_temp_bytes = spill_limit(config, *spool);
  auto duck = lake::Duck::open(options);
  auto session =
      duck ? lake::DuckSession::open(*duck) : Result<lake::DuckSession>(fail(duck.error()));
  if (!session) {
    std::error_code ignored;
    fs::remove_all(*spool, ignored);
    return fail(session.error());
  }
  return std::make_unique<OpenLake>(std::move(*store), std::move(*duck), std::move(*session),
                                    std::move(*spool), clock, random);
}

OpenLake::OpenLake(std::unique_ptr<lake::Store> store, lake::Duck duck, lake::DuckSession session,
                   fs::path spool, Clock& clock, Random& random)
    : store_(std::move(store)),
      duck_(std::move(duck)),
      session_(std::move(session)),
      spool_(std::move(spool)),
      clock_(clock),
      random_(random) {}

OpenLake::~OpenLake() {
  std::error_code ignored;
  fs::remove_all(spool_, ignored);
}

}  // namespace tillrace::app
