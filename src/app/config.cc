#include "app/config.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/nearest.h"
#include "http/cors.h"
#include "lake/uri.h"
#include "log/topics.h"
#include "model/invoice_date.h"

namespace tillrace::app {
namespace {

constexpr double kGigabyte = 1e9;
constexpr double kMostGigabytes = 1e6;

template <class Integer>
Result<Integer> parse_number(const std::string& text, Integer least, Integer most) {
  Integer value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
    return fail(Code::invalid, "'{}' is not a whole number from {} to {}", text, least, most);
  return value;
}

// A number that lies where `member` says.
template <class Integer, class Member>
Setting number(std::string_view key, std::string_view help, Member member, Integer least,
               Integer most) {
  auto set = [member, least, most](Config& config, const std::string& text) -> Status {
    auto value = parse_number<Integer>(text, least, most);
    if (!value) return fail(value.error());
    member(config) = *value;
    return {};
  };
  auto get = [member](const Config& config) {
    return std::to_string(member(const_cast<Config&>(config)));
  };
  return {key, help, Secret::none, set, get};
}

// Bytes, given and shown in GB (10^9), also in parts of one: 0.5.
template <class Member>
Setting gigabytes(std::string_view key, std::string_view help, Member member, double least) {
  auto set = [member, least](Config& config, const std::string& text) -> Status {
    double value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !(value >= least) ||
        value > kMostGigabytes)
      return fail(Code::invalid, "'{}' is not a number of GB from {} to {}, such as 10 or 0.5",
                  text, least, kMostGigabytes);
    member(config) = static_cast<std::uint64_t>(std::llround(value * kGigabyte));
    return {};
  };
  auto get = [member](const Config& config) {
    return fmt::format("{}", static_cast<double>(member(const_cast<Config&>(config))) / kGigabyte);
  };
  return {key, help, Secret::none, set, get};
}

// An IPv6 address may name its interface: fe80::1%eth0.
bool is_ip_address(const std::string& text, int family) {
  in6_addr parsed{};
  return ::inet_pton(family,
                     text.substr(0, family == AF_INET6 ? text.find('%') : text.npos).c_str(),
                     &parsed) == 1;
}

Status set_flag(bool& target, const std::string& text) {
  if (text != "true" && text != "false")
    return fail(Code::invalid, "'{}' is neither true nor false", text);
  target = text == "true";
  return {};
}

Status set_time_zone(Config& config, const std::string& text) {
  auto zone = TimeZone::find(text);
  if (!zone) return fail(zone.error());
  config.shop.time_zone = text;
  return {};
}

Status set_log_level(Config& config, const std::string& text) {
  auto level = logging::parse_level(text);
  if (!level) return fail(level.error());
  config.log_level = *level;
  return {};
}

Status set_listen(Config& config, const std::string& text) {
  auto address = parse_listen(text);
  if (!address) return fail(address.error());
  config.http.listen = text;
  return {};
}

Status set_topic(Config& config, const std::string& text) {
  config.log.topic = text;
  return log::check_topic_name(text);
}

Status set_data_dir(Config& config, const std::string& text) {
  if (text.empty()) return fail(Code::invalid, "it is empty; a folder's path is wanted");
  config.data_dir = text;
  return {};
}

// A text that lies where `member` says, taken as it is.
template <class Member>
Setting text(std::string_view key, std::string_view help, Secret secret, Member member) {
  auto set = [member](Config& config, const std::string& value) -> Status {
    member(config) = value;
    return {};
  };
  auto get = [member](const Config& config) { return member(const_cast<Config&>(config)); };
  return {key, help, secret, set, get};
}

template <class Member>
Setting flag(std::string_view key, std::string_view help, Member member) {
  auto set = [member](Config& config, const std::string& value) {
    return set_flag(member(config), value);
  };
  auto get = [member](const Config& config) {
    return std::string(member(const_cast<Config&>(config)) ? "true" : "false");
  };
  return {key, help, Secret::none, set, get};
}

// One of `choices`; where they begin with "", none is one too.
template <class Member>
Setting choice(std::string_view key, std::string_view help, std::vector<std::string> choices,
               Member member) {
  auto set = [member, choices](Config& config, const std::string& value) -> Status {
    if (std::find(choices.begin(), choices.end(), value) == choices.end())
      return fail(Code::invalid, "'{}' is none of: {}", value, fmt::join(choices, " "));
    member(config) = value;
    return {};
  };
  auto get = [member](const Config& config) { return member(const_cast<Config&>(config)); };
  return {key, help, Secret::none, set, get};
}

std::vector<Setting> http_settings() {
  return {
      {"http.listen", "address and port, such as 127.0.0.1:8080; port 0 takes a free one",
       Secret::none, set_listen, [](const Config& config) { return config.http.listen; }},
      number<int>(
          "http.threads", "threads that read and answer requests",
          [](Config& c) -> int& { return c.http.threads; }, 1, 64),
      number<std::int64_t>(
          "http.max_batch_bytes", "the largest body of POST /v1/transactions",
          [](Config& c) -> std::int64_t& { return c.http.max_batch_bytes; }, 1'024, 12 << 20),
      number<std::int64_t>(
          "http.max_batch_records", "the most events in one body",
          [](Config& c) -> std::int64_t& { return c.http.max_batch_records; }, 1, 1'000'000),
      number<std::int64_t>(
          "http.max_connections",
          "beyond, a new one takes the place of one that is slow or idle, or is answered 503",
          [](Config& c) -> std::int64_t& { return c.http.max_connections; }, 1, 1'000'000),
      number<int>(
          "http.header_timeout_ms", "for the head of a request",
          [](Config& c) -> int& { return c.http.header_timeout_ms; }, 100, 600'000),
      number<int>(
          "http.body_timeout_ms", "the longest pause within a body",
          [](Config& c) -> int& { return c.http.body_timeout_ms; }, 100, 600'000),
      number<int>(
          "http.max_in_flight_mb",
          "of bodies that are not answered and answers that are not read yet; beyond, 429",
          [](Config& c) -> int& { return c.http.max_in_flight_mb; }, 24, 1 << 20),
      number<int>(
          "http.min_free_disk_mb", "with less free where the log lies, 503; 0: no limit",
          [](Config& c) -> int& { return c.http.min_free_disk_mb; }, 0, 1 << 30),
      number<int>(
          "http.drain_delay_ms", "from readiness off to the last new connection, at SIGTERM",
          [](Config& c) -> int& { return c.http.drain_delay_ms; }, 0, 600'000),
  };
}

// Separated by commas.
Status set_cors_origins(Config& config, const std::string& text) {
  std::vector<std::string> origins;
  for (std::string_view rest = text; !rest.empty();) {
    std::size_t end = std::min(rest.find(','), rest.size());
    std::string_view origin = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    origin.remove_prefix(std::min(origin.find_first_not_of(' '), origin.size()));
    if (Status plain = http::check_origin(origin); !plain) return plain;
    origins.emplace_back(origin);
  }
  config.http.cors_origins = std::move(origins);
  return {};
}

std::vector<Setting> security_settings() {
  return {
      text("http.tls_certificate", "PEM file, the server's first; with it, HTTPS is spoken",
           Secret::none, [](Config& c) -> std::string& { return c.http.tls_certificate; }),
      text("http.tls_key", "PEM file of the certificate's private key", Secret::none,
           [](Config& c) -> std::string& { return c.http.tls_key; }),
      text("http.tls_client_ca", "PEM file; clients must have a certificate that it signed",
           Secret::none, [](Config& c) -> std::string& { return c.http.tls_client_ca; }),
      {"http.cors_origins", "web pages that may call from a browser, such as https://a.example.com",
       Secret::none, set_cors_origins,
       [](const Config& config) {
         return fmt::format("{}", fmt::join(config.http.cors_origins, ","));
       }},
      flag("http.insecure", "listen beyond this machine without keys or without TLS",
           [](Config& c) -> bool& { return c.http.insecure; }),
      flag("auth.required", "every request needs a key (`tillrace keys`) or a token",
           [](Config& c) -> bool& { return c.auth.required; }),
      text("auth.jwks", "file or URL of the keys that sign tokens; empty: no tokens", Secret::none,
           [](Config& c) -> std::string& { return c.auth.jwks; }),
      text("auth.issuer", "who must have issued a token", Secret::none,
           [](Config& c) -> std::string& { return c.auth.issuer; }),
      text("auth.audience", "whom a token must be for", Secret::none,
           [](Config& c) -> std::string& { return c.auth.audience; }),
      flag("auth.scopes_from_roles", "a token's roles name scopes too, as Entra ID's do",
           [](Config& c) -> bool& { return c.auth.scopes_from_roles; }),
      text("client.key", "the key that `post` and `status` show a server", Secret::whole,
           [](Config& c) -> std::string& { return c.client.key; }),
      text("client.ca_file", "PEM file of whom to trust as a server; empty: as the system does",
           Secret::none, [](Config& c) -> std::string& { return c.client.ca_file; }),
      text("client.certificate", "PEM file, for a server that wants one of its clients",
           Secret::none, [](Config& c) -> std::string& { return c.client.certificate; }),
      text("client.certificate_key", "PEM file of that certificate's private key", Secret::none,
           [](Config& c) -> std::string& { return c.client.certificate_key; }),
  };
}

std::vector<Setting> limit_settings() {
  constexpr std::int64_t kMost = 1'000'000'000'000;
  return {
      number<std::int64_t>(
          "limits.events_per_second", "of each client; 0: no limit",
          [](Config& c) -> std::int64_t& { return c.limits.events_per_second; }, 0, kMost),
      number<std::int64_t>(
          "limits.bytes_per_second", "of each client's bodies; 0: no limit",
          [](Config& c) -> std::int64_t& { return c.limits.bytes_per_second; }, 0, kMost),
      number<std::int64_t>(
          "idempotency.max_receipts", "requests whose answer can be given again",
          [](Config& c) -> std::int64_t& { return c.idempotency.max_receipts; }, 1, 100'000'000),
      number<int>(
          "idempotency.max_age_h", "hours for which it can",
          [](Config& c) -> int& { return c.idempotency.max_age_h; }, 1, 24 * 365),
  };
}

std::vector<Setting> store_settings() {
  return {
      {"shop.time_zone", "of dates that name none, and of reports; an IANA name", Secret::none,
       set_time_zone, [](const Config& config) { return config.shop.time_zone; }},
      choice("log.kind", "embedded, in the data folder, or kafka", {"embedded", "kafka"},
             [](Config& c) -> std::string& { return c.log.kind; }),
      {"log.topic", "the topic that takes the events", Secret::none, set_topic,
       [](const Config& config) { return config.log.topic; }},
      number<int>(
          "log.partitions", "of a new topic; 0: one, or as it was made",
          [](Config& c) -> int& { return c.log.partitions; }, 0, log::kMaxPartitions),
      text("warehouse.url", "postgresql://... ; empty: a private server in the data folder",
           Secret::password, [](Config& c) -> std::string& { return c.warehouse.url; }),
      number<int>(
          "warehouse.port", "of the private server on 127.0.0.1; 0 takes a free one and keeps it",
          [](Config& c) -> int& { return c.warehouse.port; }, 0, 65535),
      number<int>(
          "warehouse.shared_buffers_mb", "memory of the private server for its tables",
          [](Config& c) -> int& { return c.warehouse.shared_buffers_mb; }, 16, 1 << 20),
      number<std::int64_t>(
          "warehouse.max_refused_in_a_row",
          "events that PostgreSQL may refuse one after the other before the processor waits for a "
          "person",
          [](Config& c) -> std::int64_t& { return c.warehouse.max_refused_in_a_row; }, 1,
          1'000'000'000),
  };
}

// With log.kind = kafka.
std::vector<Setting> kafka_settings() {
  return {
      text("kafka.brokers", "HOST:PORT, or several with commas", Secret::none,
           [](Config& c) -> std::string& { return c.kafka.brokers; }),
      flag("kafka.tls", "speak TLS to the brokers", [](Config& c) -> bool& { return c.kafka.tls; }),
      text("kafka.ca_file", "PEM file of whom to trust as a broker; empty: as the system does",
           Secret::none, [](Config& c) -> std::string& { return c.kafka.ca_file; }),
      text("kafka.certificate", "PEM file, for brokers that want one of their clients",
           Secret::none, [](Config& c) -> std::string& { return c.kafka.certificate; }),
      text("kafka.certificate_key", "PEM file of that certificate's private key", Secret::none,
           [](Config& c) -> std::string& { return c.kafka.certificate_key; }),
      choice("kafka.sasl_mechanism", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty: no user",
             {"", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"},
             [](Config& c) -> std::string& { return c.kafka.sasl_mechanism; }),
      text("kafka.user", "the user's name, with a mechanism", Secret::none,
           [](Config& c) -> std::string& { return c.kafka.user; }),
      text("kafka.password", "the user's password", Secret::whole,
           [](Config& c) -> std::string& { return c.kafka.password; }),
      text("kafka.group", "what the names of consumer groups begin with: one for each warehouse",
           Secret::none, [](Config& c) -> std::string& { return c.kafka.group; }),
      choice("kafka.compression", "of records: none, lz4, zstd, snappy or gzip",
             {"none", "lz4", "zstd", "snappy", "gzip"},
             [](Config& c) -> std::string& { return c.kafka.compression; }),
      number<int>(
          "kafka.linger_ms", "how long an event waits for others to be sent with",
          [](Config& c) -> int& { return c.kafka.linger_ms; }, 0, 1'000),
      number<int>(
          "kafka.delivery_timeout_ms", "after which an event counts as not accepted, 503",
          [](Config& c) -> int& { return c.kafka.delivery_timeout_ms; }, 1'000, 600'000),
      number<int>(
          "kafka.session_timeout_ms", "after which others read for a processor that is silent",
          [](Config& c) -> int& { return c.kafka.session_timeout_ms; }, 1'000, 600'000),
  };
}

std::vector<Setting> output_settings() {
  return {
      flag("output.enabled",
           "write what events become to a topic of their own, with log.kind = kafka",
           [](Config& c) -> bool& { return c.output.enabled; }),
      {"output.topic", "that topic", Secret::none,
       [](Config& config, const std::string& text) {
         config.output.topic = text;
         return log::check_topic_name(text);
       },
       [](const Config& config) { return config.output.topic; }},
  };
}

Status set_lake_root(Config& config, const std::string& text) {
  if (lake::is_azure_root(text)) {
    if (auto root = lake::parse_azure_root(text); !root) return fail(root.error());
  }
  config.lake.root = text;
  return {};
}

Status set_lake_endpoint(Config& config, const std::string& text) {
  if (!text.empty()) {
    if (auto endpoint = lake::parse_endpoint(text); !endpoint) return fail(endpoint.error());
  }
  config.lake.endpoint = text;
  return {};
}

std::vector<Setting> lake_settings() {
  return {
      flag("lake.enabled", "write all events to the lake too, as Delta tables",
           [](Config& c) -> bool& { return c.lake.enabled; }),
      {"lake.root",
       "a folder, or abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH; empty: lake in the data "
       "folder",
       Secret::none, set_lake_root, [](const Config& config) { return config.lake.root; }},
      {"lake.endpoint", "URL of the Blob service, where it is not the account's own", Secret::none,
       set_lake_endpoint, [](const Config& config) { return config.lake.endpoint; }},
      number<int>(
          "lake.commit_mb", "MB of events in the log that are worth a commit",
          [](Config& c) -> int& { return c.lake.commit_mb; }, 1, 4'096),
      number<int>(
          "lake.commit_interval_s", "how long fewer events wait for one",
          [](Config& c) -> int& { return c.lake.commit_interval_s; }, 1, 86'400),
      number<int>(
          "lake.memory_mb", "memory that DuckDB may use to write and read the lake",
          [](Config& c) -> int& { return c.lake.memory_mb; }, 64, 1 << 20),
      number<int>(
          "lake.target_file_mb", "MB that compaction makes a file of",
          [](Config& c) -> int& { return c.lake.target_file_mb; }, 1, 4'096),
  };
}

// Its upkeep, and what is read of it.
std::vector<Setting> lake_upkeep_settings() {
  return {
      number<int>(
          "lake.compact_interval_s", "how often small files become large ones; 0: never",
          [](Config& c) -> int& { return c.lake.compact_interval_s; }, 0, 31'536'000),
      number<int>(
          "lake.vacuum_interval_s", "how often files go that no version needs any more; 0: never",
          [](Config& c) -> int& { return c.lake.vacuum_interval_s; }, 0, 31'536'000),
      number<int>(
          "lake.vacuum_retain_h", "how long they stay for readers of older versions",
          [](Config& c) -> int& { return c.lake.vacuum_retain_h; }, 168, 876'000),
      gigabytes(
          "lake.cache_gb", "disk for files that queries fetch from Azure",
          [](Config& c) -> std::uint64_t& { return c.lake.cache_bytes; }, 0.001),
      text("lake.cache_dir",
           "where they lie; empty: lake-cache in the data folder, or your own cache folder without "
           "one",
           Secret::none, [](Config& c) -> std::string& { return c.lake.cache_dir; }),
  };
}

// Who the lake is to Azure. What a credential does not need is not looked at.
std::vector<Setting> lake_credential_settings() {
  return {
      choice(
          "lake.credential",
          "for Azure: account_key, sas, service_principal, managed_identity or "
          "workload_identity",
          {"", "account_key", "sas", "service_principal", "managed_identity", "workload_identity"},
          [](Config& c) -> std::string& { return c.lake.credential; }),
      text("lake.account_key", "one of the account's two keys, in base64", Secret::whole,
           [](Config& c) -> std::string& { return c.lake.account_key; }),
      text("lake.sas", "a shared access signature: sv=...&sig=...", Secret::whole,
           [](Config& c) -> std::string& { return c.lake.sas; }),
      text("lake.tenant_id", "of a service principal or a workload identity", Secret::none,
           [](Config& c) -> std::string& { return c.lake.tenant_id; }),
      text("lake.client_id",
           "of a service principal, a workload identity or a user-assigned managed identity",
           Secret::none, [](Config& c) -> std::string& { return c.lake.client_id; }),
      text("lake.client_secret", "of a service principal", Secret::whole,
           [](Config& c) -> std::string& { return c.lake.client_secret; }),
      text("lake.authority", "URL of the identity provider; empty: Entra ID's public one",
           Secret::none, [](Config& c) -> std::string& { return c.lake.authority; }),
      text("lake.token_file", "file of a workload identity's token", Secret::none,
           [](Config& c) -> std::string& { return c.lake.token_file; }),
      text("lake.identity_endpoint",
           "IDENTITY_ENDPOINT of a managed identity; empty: a virtual machine's", Secret::none,
           [](Config& c) -> std::string& { return c.lake.identity_endpoint; }),
      text("lake.identity_header", "IDENTITY_HEADER of a managed identity; empty on a machine",
           Secret::whole, [](Config& c) -> std::string& { return c.lake.identity_header; }),
  };
}

// What the log keeps of what all sinks have for good.
std::vector<Setting> retention_settings() {
  return {
      number<int>(
          "retention.check_interval_s", "how often the log drops what may go",
          [](Config& c) -> int& { return c.retention.check_interval_s; }, 1, 86'400),
      number<std::int64_t>(
          "retention.max_age_h", "hours the log keeps events that all sinks have; 0: no limit",
          [](Config& c) -> std::int64_t& { return c.retention.max_age_h; }, 0, 1'000'000),
      gigabytes(
          "retention.max_gb", "GB of such events the log keeps, compressed; 0: no limit",
          [](Config& c) -> std::uint64_t& { return c.retention.max_bytes; }, 0),
      number<std::int64_t>(
          "retention.safety_h", "the last hours of events always stay in the log",
          [](Config& c) -> std::int64_t& { return c.retention.safety_h; }, 0, 1'000'000),
      gigabytes(
          "retention.hold_log_max_gb",
          "GB that wait for the warehouse or the lake; beyond (looked at once a second), new "
          "events are answered 503",
          [](Config& c) -> std::uint64_t& { return c.retention.hold_log_max_bytes; }, 0.001),
  };
}

std::vector<Setting> all_settings() {
  std::vector<Setting> all = {
      {"data_dir", "the folder of log and private server", Secret::none, set_data_dir,
       [](const Config& config) { return config.data_dir.string(); }},
      {"log_level", "debug, info, warning, error or off", Secret::none, set_log_level,
       [](const Config& config) {
         return std::string(std::array{"debug", "info", "warning", "error",
                                       "off"}[static_cast<std::size_t>(config.log_level)]);
       }},
      flag("log_json", "log lines as JSON", [](Config& c) -> bool& { return c.log_json; }),
      number<int>(
          "shutdown_timeout_s", "how long a stop may take to finish what is in flight",
          [](Config& c) -> int& { return c.shutdown_timeout_s; }, 1, 3'600),
  };
  for (Setting& setting : http_settings()) all.push_back(std::move(setting));
  for (auto settings :
       {security_settings, limit_settings, store_settings, kafka_settings, output_settings,
        lake_settings, lake_upkeep_settings, lake_credential_settings, retention_settings})
    for (Setting& setting : settings()) all.push_back(std::move(setting));
  return all;
}

}  // namespace

const std::vector<Setting>& settings() {
  static const std::vector<Setting> all = all_settings();
  return all;
}

Result<const Setting*> find_setting(std::string_view key) {
  std::vector<std::string_view> known;
  for (const Setting& setting : settings()) {
    if (setting.key == key) return &setting;
    known.push_back(setting.key);
  }
  auto like = nearest(key, known);
  return fail(
      Code::invalid, "there is no setting '{}'{}", key,
      like ? fmt::format("; did you mean '{}'?", *like) : "; `tillrace config show` lists them");
}

Result<ListenAddress> parse_listen(const std::string& text) {
  std::size_t colon = text.rfind(':');
  if (colon == std::string::npos)
    return fail(Code::invalid, "'{}' is not ADDRESS:PORT, such as 127.0.0.1:8080", text);
  auto port = parse_number<std::uint16_t>(text.substr(colon + 1), 0, 65535);
  if (!port) return fail(port.error(), fmt::format("the port of '{}'", text));
  std::string address = text.substr(0, colon);
  if (address.empty() || address == "localhost") address = "127.0.0.1";
  bool bracketed = address.starts_with('[') && address.ends_with(']');
  if (bracketed) address = address.substr(1, address.size() - 2);
  if (!is_ip_address(address, bracketed ? AF_INET6 : AF_INET))
    return fail(Code::invalid,
                "'{}' is not ADDRESS:PORT with an IP address, such as 127.0.0.1:8080 or [::1]:8080",
                text);
  return ListenAddress{address, *port};
}

}  // namespace tillrace::app
