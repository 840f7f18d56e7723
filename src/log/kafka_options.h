// How Kafka's brokers are reached.
#pragma once
#include <string>
#include <string_view>

namespace tillrace::log {

// Credentials go to nobody before the broker has shown a certificate that `ca_file` vouches for,
// where `tls` is on.
struct KafkaConnection {
  std::string brokers;  // "host:port,...": the first that answers tells of the others
  bool tls = false;
  std::string ca_file;      // PEM file of whom to trust; empty: as the system does
  std::string certificate;  // PEM files of one's own, for brokers that want them
  std::string certificate_key;
  std::string sasl_mechanism;  // empty: none; PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
  std::string user;
  std::string password;
  int timeout_ms = 10'000;  // for one request, and until the first broker answers
};

// The consumer group in which the readers of `topic` for one kind of sink share its partitions.
std::string kafka_group(std::string_view prefix, std::string_view topic, std::string_view kind);

}  // namespace tillrace::log
