// Every setting of the program, with its default. Parsed here and nowhere else; rooms get their own
// plain options.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/logging.h"
#include "base/result.h"

namespace tillrace::app {

struct Config {
  std::filesystem::path data_dir = "tillrace-data";
  logging::Level log_level = logging::Level::info;
  bool log_json = false;

  struct Http {
    std::string listen = "127.0.0.1:8080";
    int threads = 2;
    std::int64_t max_batch_bytes = 8 << 20;
    std::int64_t max_batch_records = 100'000;
    std::int64_t max_connections = 4096;
    int header_timeout_ms = 10'000;
    int body_timeout_ms = 10'000;
    int max_in_flight_mb = 64;
    int min_free_disk_mb = 256;
    int drain_delay_ms = 500;
    std::string tls_certificate;  // these three: files; empty: none
    std::string tls_key;
    std::string tls_client_ca;
    std::vector<std::string> cors_origins;
    bool insecure = false;
  } http;

  struct Auth {
    bool required = false;
    std::string jwks;  // a file or a URL; empty: no tokens, keys only
    std::string issuer;
    std::string audience;
    bool scopes_from_roles = false;
  } auth;

  // Of each client; 0: none.
  struct Limits {
    std::int64_t events_per_second = 0;
    std::int64_t bytes_per_second = 0;
  } limits;

  struct Idempotency {
    std::int64_t max_receipts = 1'000'000;
    int max_age_h = 24;
  } idempotency;

  struct Client {
    std::string key;  // what `post` shows a server that asks for one
    std::string ca_file;
    std::string certificate;  // of its own, for a server that asks for one
    std::string certificate_key;
  } client;

  struct Shop {
    std::string time_zone = "UTC";
  } shop;

  struct Log {
    std::string kind = "embedded";  // or kafka
    std::string topic = "ingestion-topic";
    int partitions = 0;  // 0: as the topic was made, 1 for a new one
  } log;

  struct Kafka {
    std::string brokers = "127.0.0.1:9092";
    bool tls = false;
    std::string ca_file;
    std::string certificate;
    std::string certificate_key;
    std::string sasl_mechanism;  // empty: none
    std::string user;
    std::string password;
    std::string compression = "lz4";
    std::string group = "tillrace";
    int linger_ms = 0;
    int delivery_timeout_ms = 30'000;
    int session_timeout_ms = 10'000;
  } kafka;

  struct Output {
    bool enabled = false;
    std::string topic = "spark-output";
  } output;

  struct Warehouse {
    std::string url;  // empty: a private PostgreSQL in the data folder
    int port = 0;
    int shared_buffers_mb = 128;
    std::int64_t max_refused_in_a_row = 1'000;
  } warehouse;

  struct Lake {
    static constexpr bool kEnabledByDefault = true;  // the one place that says so
    bool enabled = kEnabledByDefault;
    std::string root;        // a folder, or abfss://...; empty: data_dir/lake
    std::string endpoint;    // instead of the account's own, such as Azurite's
    std::string credential;  // which of those below; empty: none
    std::string account_key;
    std::string sas;
    std::string tenant_id;
    std::string client_id;
    std::string client_secret;
    std::string authority;
    std::string token_file;
    std::string identity_endpoint;
    std::string identity_header;
    // A MB is 2^20 bytes.
    int commit_mb = 64;
    int commit_interval_s = 60;
    int memory_mb = 128;
    int target_file_mb = 128;
    // The keeper's; 0: never.
    int compact_interval_s = 3'600;
    int vacuum_interval_s = 86'400;
    int vacuum_retain_h = 168;
    // Files of a lake on Azure that queries have fetched; in bytes.
    std::uint64_t cache_bytes = 10'000'000'000;
    std::string cache_dir;  // empty: beside the data, or in the user's own cache
  } lake;

  // A GB is 10^9 bytes.
  struct Retention {
    int check_interval_s = 60;
    std::int64_t max_age_h = 168;  // 0: no limit
    std::uint64_t max_bytes = 0;   // 0: no limit
    std::int64_t safety_h = 24;
    std::uint64_t hold_log_max_bytes = 10'000'000'000;
  } retention;

  int shutdown_timeout_s = 30;
};

// What of a value is not shown.
enum class Secret { none, password, whole };  // password: the one in a URL or keyword=value text

// One setting: "http.listen" in the file is listen under [http], and TILLRACE_HTTP__LISTEN in the
// environment.
struct Setting {
  std::string_view key;
  std::string_view help;
  Secret secret = Secret::none;
  std::function<Status(Config&, const std::string&)> set;
  std::function<std::string(const Config&)> get;
};
const std::vector<Setting>& settings();
// invalid, with the nearest known key, when there is none.
Result<const Setting*> find_setting(std::string_view key);

// Where a value came from, for `config show`.
struct LoadedConfig {
  Config config;
  std::map<std::string, std::string>
      sources;  // key -> "file shop.toml", "TILLRACE_... in the environment", "flag"
};

struct ConfigInputs {
  std::optional<std::filesystem::path> file;
  std::filesystem::path dot_env = ".env";    // read when it is there
  std::vector<std::string> environment;      // NAME=value
  std::map<std::string, std::string> flags;  // key -> value
};

// Flags win over the environment, that over .env, that over the file. An unknown key or a bad value
// anywhere is invalid, and says where it stands and what would be right.
Result<LoadedConfig> load_config(const ConfigInputs& inputs);

// "127.0.0.1:8080", "[::1]:8080", ":8080".
struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;
};
Result<ListenAddress> parse_listen(const std::string& text);

}  // namespace tillrace::app
