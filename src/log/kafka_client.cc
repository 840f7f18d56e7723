#include "log/kafka_client.h"

#include <sys/syslog.h>

#include "base/check.h"
#include "base/files.h"
#include "base/logging.h"

namespace tillrace::log {
namespace {

constexpr std::size_t kErrorBytes = 512;

// At debug level only: what matters comes back as an error of an operation, with our words around.
void write_log_line(const rd_kafka_t*, int level, const char* facility, const char* text) {
  if (level <= LOG_CRIT) return logging::error("kafka client: {}: {}", facility, text);
  logging::debug("kafka client: {}: {}", facility, text);
}

std::vector<KafkaSetting> connection_settings(const KafkaConnection& connection) {
  bool sasl = !connection.sasl_mechanism.empty();
  std::vector<KafkaSetting> settings = {
      {"bootstrap.servers", connection.brokers},
      {"client.id", "tillrace"},
      {"security.protocol", sasl ? (connection.tls ? "sasl_ssl" : "sasl_plaintext")
                                 : (connection.tls ? "ssl" : "plaintext")},
      {"socket.keepalive.enable", "true"},
      {"socket.nagle.disable", "true"},
      {"reconnect.backoff.max.ms", "1000"},
      {"enable.metrics.push", "false"}};
  auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) settings.push_back({name, value});
  };
  if (connection.tls) {
    add("ssl.ca.location", connection.ca_file);
    add("ssl.certificate.location", connection.certificate);
    add("ssl.key.location", connection.certificate_key);
  }
  add("sasl.mechanism", connection.sasl_mechanism);
  if (sasl) {
    add("sasl.username", connection.user);
    add("sasl.password", connection.password);
  }
  return settings;
}

// The library would only say that some file cannot be read.
Status check_files(const KafkaConnection& connection) {
  if (!connection.tls) return {};
  for (const std::string* file :
       {&connection.ca_file, &connection.certificate, &connection.certificate_key}) {
    if (file->empty()) continue;
    if (auto content = read_file(*file); !content)
      return fail(Code::invalid, "{}", content.error().message);
  }
  return {};
}

// "...: SASL authentication error: Authentication failed ... (after 5ms in state AUTH_REQ)"
// without the connection's inner name before it.
std::string_view told(std::string_view text) {
  std::size_t name = text.find("]: ");
  return name == text.npos ? text : text.substr(name + 3);
}

}  // namespace

Result<KafkaHandle> make_kafka_client(rd_kafka_type_t type, const KafkaConnection& connection,
                                      const std::vector<KafkaSetting>& settings, int events) {
  if (Status readable = check_files(connection); !readable)
    return fail(readable.error(), "the connection to Kafka");
  Owned<rd_kafka_conf_t, rd_kafka_conf_destroy> conf(rd_kafka_conf_new());
  char why[kErrorBytes];
  auto set = [&](const KafkaSetting& setting) {
    return rd_kafka_conf_set(conf.get(), setting.name.c_str(), setting.value.c_str(), why,
                             sizeof why) == RD_KAFKA_CONF_OK;
  };
  for (const KafkaSetting& setting : connection_settings(connection))
    if (!set(setting)) return fail(Code::invalid, "the connection to Kafka: {}", why);
  for (const KafkaSetting& setting : settings) CHECK(set(setting));
  rd_kafka_conf_set_log_cb(conf.get(), write_log_line);
  rd_kafka_conf_set_events(conf.get(), events);
  KafkaHandle made(rd_kafka_new(type, conf.get(), why, sizeof why));
  if (!made) return fail(Code::invalid, "the connection to Kafka: {}", why);
  (void)conf.release();  // the client's now
  return made;
}

std::string kafka_group(std::string_view prefix, std::string_view topic, std::string_view kind) {
  return fmt::format("{}.{}.{}", prefix, topic, kind);
}

KafkaQueue main_queue(rd_kafka_t& client) { return KafkaQueue(rd_kafka_queue_get_main(&client)); }

Code code_of(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return Code::not_found;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD: return Code::invalid;
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: return Code::conflict;
    default: return Code::unavailable;
  }
}

tl::unexpected<Error> kafka_error(rd_kafka_resp_err_t error, std::string_view doing,
                                  std::string_view detail) {
  std::string_view what = detail.empty() ? rd_kafka_err2str(error) : detail;
  return fail(code_of(error), "{}: {} ({})", doing, what, rd_kafka_err2name(error));
}

// The first that says more than that nobody answers.
void ConnectionTrouble::note(rd_kafka_event_t& event) {
  auto error = rd_kafka_event_error(&event);
  bool says_little = error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
  if (says_little && error_ != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  if (is_hopeless()) return;
  error_ = error;
  text_ = told(rd_kafka_event_error_string(&event));
}

Error ConnectionTrouble::explain(std::string_view doing) const {
  std::string hint;
  if (error_ == RD_KAFKA_RESP_ERR__AUTHENTICATION)
    hint = fmt::format("; is the password of user '{}' right, and {} what the broker offers?",
                       connection_.user, connection_.sasl_mechanism);
  if (error_ == RD_KAFKA_RESP_ERR__SSL)
    hint =
        "; the CA's file must hold who signed the broker's certificate, and the broker must "
        "speak TLS on this port";
  std::string why = error_ == RD_KAFKA_RESP_ERR_NO_ERROR
                        ? fmt::format("no answer within {} ms", timeout_ms_)
                        : text_;
  return {code_of(error_),
          fmt::format("{}: Kafka at {}: {}{}", doing, connection_.brokers, why, hint)};
}

}  // namespace tillrace::log
