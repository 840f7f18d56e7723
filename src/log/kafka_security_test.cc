// Who may talk to whom: TLS and SASL, good and bad.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/kafka_for_tests.h"

namespace tillrace::log {
namespace {

using testing::HasSubstr;

class KafkaSecurity : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_KAFKA();
    topic_ = make_topic(SharedBroker::get().connection());
  }
  KafkaConnection to(const std::string& listener) const {
    KafkaConnection connection;
    connection.brokers = SharedBroker::get().listener(listener);
    connection.timeout_ms = 3'000;
    connection.tls = listener.find("tls") != std::string::npos;
    if (connection.tls) connection.ca_file = SharedBroker::get().folder() / "ca.pem";
    return connection;
  }
  KafkaConnection as_user(const std::string& listener, const std::string& mechanism) const {
    KafkaConnection connection = to(listener);
    connection.sasl_mechanism = mechanism;
    connection.user = kKafkaUser;
    connection.password = kKafkaPassword;
    return connection;
  }
  Error refusal(const KafkaConnection& connection) {
    auto opened = open_kafka_log(kafka_options(connection, topic_), world_.clock, world_.metrics);
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  }

  std::string topic_;
  World world_;
};

TEST_F(KafkaSecurity, AppendsAndReadsByEveryWayThatTheBrokerOffers) {
  std::vector<KafkaConnection> ways = {to("tls")};
  for (const char* listener : {"sasl", "sasl_tls"})
    for (const char* mechanism : {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
      ways.push_back(as_user(listener, mechanism));
  std::int64_t stored = 0;
  for (const KafkaConnection& way : ways) {
    auto log = open_kafka(kafka_options(way, topic_), world_);
    ASSERT_TRUE(log) << way.brokers << ' ' << way.sasl_mechanism;
    ASSERT_TRUE(log->append_and_wait({record("k", "v")}));
    EXPECT_EQ(log->read({0}, {stored++}, {})->records.size(), 1u);
  }
}

TEST_F(KafkaSecurity, SaysThatAPasswordIsWrongAndDoesNotShowIt) {
  for (const char* mechanism : {"PLAIN", "SCRAM-SHA-256"}) {
    KafkaConnection connection = as_user("sasl_tls", mechanism);
    connection.password = "not-this-one";
    Error error = refusal(connection);
    EXPECT_EQ(error.code, Code::invalid) << error.message;
    EXPECT_THAT(error.message, HasSubstr("password of user 'tillrace'"));
    EXPECT_THAT(error.message, testing::Not(HasSubstr("not-this-one")));
  }
}

TEST_F(KafkaSecurity, EveryQuestionSaysThatAPasswordIsWrong) {
  KafkaConnection connection = as_user("sasl", "PLAIN");
  connection.user = "nobody";
  EXPECT_THAT(list_kafka_topics(connection).error().message, HasSubstr("user 'nobody'"));
  EXPECT_EQ(create_kafka_topic(connection, {topic_, 1, 0, {}}).error().code, Code::invalid);
  EXPECT_EQ(describe_kafka_topic(connection, topic_).error().code, Code::invalid);
}

TEST_F(KafkaSecurity, TrustsNoCertificateButOfTheCaThatItWasGiven) {
  KafkaConnection connection = to("tls");
  connection.ca_file = "";  // as the system does
  Error error = refusal(connection);
  EXPECT_EQ(error.code, Code::invalid) << error.message;
  EXPECT_THAT(error.message, HasSubstr("certificate"));
}

TEST_F(KafkaSecurity, SaysThatTheCasFileCannotBeRead) {
  KafkaConnection connection = to("tls");
  connection.ca_file = "no-such-file.pem";
  Error error = refusal(connection);
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_THAT(error.message, HasSubstr("no-such-file.pem"));
}

TEST_F(KafkaSecurity, SpeaksTlsWithNobodyWhoDoesNot) {
  KafkaConnection connection = to("tls");
  connection.brokers = SharedBroker::get().listener("plain");
  EXPECT_THAT(refusal(connection).message, HasSubstr("Disconnect"));
}

TEST_F(KafkaSecurity, GivesUpOnABrokerThatWantsWhatItWasNotTold) {
  for (const char* listener : {"tls", "sasl"}) {
    KafkaConnection connection;
    connection.brokers = SharedBroker::get().listener(listener);
    connection.timeout_ms = 1'500;
    Error error = refusal(connection);
    EXPECT_THAT(error.message, HasSubstr(connection.brokers));
  }
}

TEST_F(KafkaSecurity, AMechanismThatIsNoneIsRefusedBeforeAnythingIsSent) {
  Error error = refusal(as_user("sasl", "MAGIC"));
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_THAT(error.message, HasSubstr("MAGIC"));
}

}  // namespace
}  // namespace tillrace::log
