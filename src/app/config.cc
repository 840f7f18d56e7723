#include "app/config.h"

#include <arpa/inet.h>

#include <charconv>

#include "base/nearest.h"
#include "log/topics.h"
#include "model/invoice_date.h"

namespace tillrace::app {
namespace {

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
  return {key, help, false, set, get};
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

Status set_warehouse_url(Config& config, const std::string& text) {
  config.warehouse.url = text;
  return {};
}

std::vector<Setting> http_settings() {
  return {
      {"http.listen", "address and port, such as 127.0.0.1:8080; port 0 takes a free one", false,
       set_listen, [](const Config& config) { return config.http.listen; }},
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
          "http.max_connections", "beyond, new connections are answered 503",
          [](Config& c) -> std::int64_t& { return c.http.max_connections; }, 1, 1'000'000),
      number<int>(
          "http.header_timeout_ms", "for the head of a request",
          [](Config& c) -> int& { return c.http.header_timeout_ms; }, 100, 600'000),
      number<int>(
          "http.body_timeout_ms", "the longest pause within a body",
          [](Config& c) -> int& { return c.http.body_timeout_ms; }, 100, 600'000),
  };
}

std::vector<Setting> store_settings() {
  return {
      {"shop.time_zone", "of dates that name none, and of reports; an IANA name", false,
       set_time_zone, [](const Config& config) { return config.shop.time_zone; }},
      {"log.topic", "the topic that takes the events", false, set_topic,
       [](const Config& config) { return config.log.topic; }},
      number<int>(
          "log.partitions", "of a new topic; 0: one, or as it was made",
          [](Config& c) -> int& { return c.log.partitions; }, 0, log::kMaxPartitions),
      {"warehouse.url", "postgresql://... ; empty: a private server in the data folder", true,
       set_warehouse_url, [](const Config& config) { return config.warehouse.url; }},
      number<int>(
          "warehouse.port", "of the private server on 127.0.0.1; 0 takes a free one and keeps it",
          [](Config& c) -> int& { return c.warehouse.port; }, 0, 65535),
      number<int>(
          "warehouse.shared_buffers_mb", "memory of the private server for its tables",
          [](Config& c) -> int& { return c.warehouse.shared_buffers_mb; }, 16, 1 << 20),
  };
}

std::vector<Setting> all_settings() {
  std::vector<Setting> all = {
      {"data_dir", "the folder of log and private server", false, set_data_dir,
       [](const Config& config) { return config.data_dir.string(); }},
      {"log_level", "debug, info, warning, error or off", false, set_log_level,
       [](const Config& config) {
         return std::string(std::array{"debug", "info", "warning", "error",
                                       "off"}[static_cast<std::size_t>(config.log_level)]);
       }},
      {"log_json", "log lines as JSON", false,
       [](Config& config, const std::string& text) { return set_flag(config.log_json, text); },
       [](const Config& config) { return std::string(config.log_json ? "true" : "false"); }},
      number<int>(
          "shutdown_timeout_s", "how long a stop may take to finish what is in flight",
          [](Config& c) -> int& { return c.shutdown_timeout_s; }, 1, 3'600),
  };
  for (Setting& setting : http_settings()) all.push_back(std::move(setting));
  for (Setting& setting : store_settings()) all.push_back(std::move(setting));
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
