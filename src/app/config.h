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
  } http;

  struct Shop {
    std::string time_zone = "UTC";
  } shop;

  struct Log {
    std::string topic = "ingestion-topic";
    int partitions = 0;  // 0: as the topic was made, 1 for a new one
  } log;

  struct Warehouse {
    std::string url;  // empty: a private PostgreSQL in the data folder
    int port = 0;
    int shared_buffers_mb = 128;
  } warehouse;

  int shutdown_timeout_s = 30;
};

// One setting: "http.listen" in the file is listen under [http], and TILLRACE_HTTP__LISTEN in the
// environment.
struct Setting {
  std::string_view key;
  std::string_view help;
  bool secret = false;
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
