#include "log/kafka_producer.h"

#include <gtest/gtest.h>

#include <future>

#include "log/kafka_for_tests.h"

namespace tillrace::log {
namespace {

// By TLS, so that no client can be made while the CA's file is away.
class KafkaProducerTest : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_KAFKA();
    options_.connection.brokers = SharedBroker::get().listener("tls");
    options_.connection.tls = true;
    options_.connection.ca_file = ca_file_;
    options_.topic = make_topic(SharedBroker::get().connection());
    options_.delivery_timeout_ms = 10'000;
    show_ca();
    auto opened = KafkaProducer::open(options_, 1'000'000, [this](SettledBatches batches) {
      for (auto& batch : batches) outcome_.set_value(batch->failure());
    });
    ASSERT_TRUE(opened) << opened.error().message;
    producer_ = std::move(*opened);
  }
  void show_ca() { std::filesystem::copy_file(SharedBroker::get().folder() / "ca.pem", ca_file_); }
  void hide_ca() { std::filesystem::remove(ca_file_); }

  std::optional<Error> outcome_of_sending(const std::string& value) {
    outcome_ = {};
    auto batch = std::make_unique<KafkaBatch>();
    batch->records.push_back(record("k", value));
    batch->places.push_back({{0}, {}});
    producer_->send(std::move(batch));
    return outcome_.get_future().get();
  }
  bool can_send() {
    for (int tries = 0; tries < 100; ++tries, pause_ms(100))
      if (!outcome_of_sending("again")) return true;
    return false;
  }
  bool fails_within_s(int seconds) {
    for (int tries = 0; tries < seconds * 10; ++tries, pause_ms(100))
      if (auto error = outcome_of_sending("now")) return error->code == Code::unavailable;
    return false;
  }

  ScratchFolder folder_;
  const std::string ca_file_ = folder_.path() / "ca.pem";
  KafkaLogOptions options_;
  std::promise<std::optional<Error>> outcome_;
  std::unique_ptr<KafkaProducer> producer_;
};

TEST_F(KafkaProducerTest, AClientThatLostItsPromiseIsMadeAnew) {
  ASSERT_FALSE(outcome_of_sending("before"));
  producer_->lose_idempotence();
  EXPECT_TRUE(can_send());
}

TEST_F(KafkaProducerTest, WhileNoClientCanBeMadeSendingFailsAndItIsTriedAgain) {
  ASSERT_FALSE(outcome_of_sending("before"));
  hide_ca();
  producer_->lose_idempotence();
  ASSERT_TRUE(fails_within_s(5));
  pause_ms(1'500);  // some tries
  auto failed = outcome_of_sending("while");
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::unavailable);
  show_ca();
  EXPECT_TRUE(can_send());
}

TEST_F(KafkaProducerTest, EndsWhileNoClientCanBeMade) {
  hide_ca();
  producer_->lose_idempotence();
  ASSERT_TRUE(fails_within_s(5));
  pause_ms(200);  // now there is none
  producer_.reset();
}

}  // namespace
}  // namespace tillrace::log
