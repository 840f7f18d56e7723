// Idempotency-Key: the same request finds its first answer, at once, at the same time, and after a
// crash.
#include <optional>
#include <thread>

#include "gateway/gateway_for_tests.h"

namespace tillrace::gateway {
namespace {

using testing::HasSubstr;

http::Headers under(std::string_view key) { return {{"Idempotency-Key", std::string(key)}}; }

http::Headers lines_under(std::string_view key) {
  return {{"Content-Type", "application/x-ndjson"}, {"Idempotency-Key", std::string(key)}};
}

class ReplayTest : public GatewayTest {
 protected:
  void restart() {
    server_.reset();
    log_->stop();
    gateway_.reset();
    log_.reset();
    start();
  }
};

TEST_F(ReplayTest, TheSameRequestGetsItsFirstAnswerAndIsStoredOnce) {
  start();
  auto first = post(event("1"), under("k"));
  auto again = post(event("1"), under("k"));
  EXPECT_EQ(first.status, 201);
  EXPECT_FALSE(first.headers.find("Idempotent-Replay"));
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.headers.find("Idempotent-Replay"), "true");
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(records_in_log(), 1);
  EXPECT_EQ(world_.metric("tillrace_gateway_replayed_total"), 1);
  EXPECT_EQ(world_.metric(kWritten), 1);
}

TEST_F(ReplayTest, ABatchOverPartitionsIsAnsweredAsBefore) {
  log_options_.partitions = 4;
  start();
  std::string lines;
  for (int i = 0; i < 40; ++i) lines += event(std::to_string(i)) + "\n";
  auto first = post(lines, lines_under("k"));
  ASSERT_EQ(post(lines, lines_under("another")).status, 201);  // offsets have moved on
  auto again = post(lines, lines_under("k"));
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(records_in_log(), 80);
}

TEST_F(ReplayTest, SurvivesARestart) {
  start();
  auto first = post(event("1"), under("k"));
  restart();
  auto again = post(event("1"), under("k"));
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.headers.find("Idempotent-Replay"), "true");
  EXPECT_EQ(post(event("2"), under("k")).status, 422);
  EXPECT_EQ(records_in_log(), 1);
}

TEST_F(ReplayTest, AnotherBodyUnderTheSameKeyIsRefusedAndNotStored) {
  start();
  ASSERT_EQ(post(event("1"), under("k")).status, 201);
  auto other = post(event("2"), under("k"));
  EXPECT_EQ(other.status, 422);
  EXPECT_THAT(other.body, HasSubstr("/problems/idempotency-key-reused"));
  EXPECT_EQ(records_in_log(), 1);
  EXPECT_EQ(world_.metric(rejected("key_reused")), 1);
}

TEST_F(ReplayTest, TheSameBytesAsAnotherFormAreAnotherRequest) {
  start();
  ASSERT_EQ(post(event("1"), under("k")).status, 201);
  EXPECT_EQ(post(event("1"), lines_under("k")).status, 422);
}

TEST_F(ReplayTest, ARefusedRequestLeavesItsKeyFree) {
  start();
  EXPECT_EQ(post(event(""), under("k")).status, 422);
  EXPECT_EQ(post("{", under("k")).status, 400);
  auto mended = post(event("1"), under("k"));
  EXPECT_EQ(mended.status, 201);
  EXPECT_FALSE(mended.headers.find("Idempotent-Replay"));
}

TEST_F(ReplayTest, MalformedKeysAreRefusedBeforeTheBodyIsRead) {
  start();
  for (const char* key : {"a b", "\"\"", ""}) {
    auto answer = post(event("1"), under(key));
    EXPECT_EQ(answer.status, 400) << key;
    EXPECT_THAT(answer.body, HasSubstr("/problems/invalid-idempotency-key")) << key;
  }
  EXPECT_EQ(post(event("1"), under(std::string(256, 'k'))).status, 400);
  EXPECT_EQ(records_in_log(), 0);
}

TEST_F(ReplayTest, EventsWithoutAnIdentityGetOneFromKeyAndIndex) {
  start();
  auto body = "[" + event("1") + "," + event("1", R"(,"LineNo":7)") + "," + event("1") + "]";
  ASSERT_EQ(post(body, under("k")).status, 201);
  auto stored = log::read_all(*log_, {0});
  ASSERT_EQ(stored.size(), 3u);
  EXPECT_EQ(stored[0].record.event_id, keyed_event_id("", "k", 0));
  EXPECT_EQ(stored[1].record.event_id, derived_event_id("1", 7));
  EXPECT_EQ(stored[2].record.event_id, keyed_event_id("", "k", 2));
}

TEST_F(ReplayTest, AnothersKeyIsAnotherKeyWhereClientsAreToldApart) {
  options_.tells_clients_apart = true;
  guard_ = [](http::Request& head) -> std::optional<http::Response> {
    head.client = std::string(head.headers.find("X-Who").value_or(""));
    return std::nullopt;
  };
  start();
  EXPECT_EQ(post(event("1"), {{"X-Who", "a"}, {"Idempotency-Key", "k"}}).status, 201);
  auto other = post(event("2"), {{"X-Who", "b"}, {"Idempotency-Key", "k"}});
  EXPECT_EQ(other.status, 201);
  EXPECT_FALSE(other.headers.find("Idempotent-Replay"));
  auto again = post(event("1"), {{"X-Who", "a"}, {"Idempotency-Key", "k"}});
  EXPECT_EQ(again.headers.find("Idempotent-Replay"), "true");
}

TEST_F(ReplayTest, OfManyAtOnceOneIsStoredAndAllGetItsAnswer) {
  constexpr int kClients = 8;
  start();
  std::optional<Stall> stall(*log_);
  std::vector<http::Response> answers(kClients);
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < kClients; ++i)
      clients.emplace_back(
          [&, i] { answers[static_cast<std::size_t>(i)] = post(event("1"), under("k")); });
    ASSERT_TRUE(comes_to_wait());
    world_.clock.sleep_for(std::chrono::milliseconds(50));
    stall.reset();
  }
  int replays = 0;
  for (const http::Response& answer : answers) {
    EXPECT_EQ(answer.status, 201);
    EXPECT_EQ(answer.body, answers.front().body);
    replays += answer.headers.find("Idempotent-Replay").has_value() ? 1 : 0;
  }
  EXPECT_EQ(replays, kClients - 1);
  EXPECT_EQ(records_in_log(), 2);  // with the stall's own
}

TEST_F(ReplayTest, OfTwoBodiesAtOnceOneIsStoredAndTheOtherRefused) {
  start();
  std::optional<Stall> stall(*log_);
  http::Response a;
  http::Response b;
  std::jthread first([&] { a = post(event("1"), under("k")); });
  std::jthread second([&] { b = post(event("2"), under("k")); });
  ASSERT_TRUE(comes_to_wait());
  world_.clock.sleep_for(std::chrono::milliseconds(50));
  stall.reset();
  first.join();
  second.join();
  EXPECT_EQ(std::min(a.status, b.status), 201);
  EXPECT_EQ(std::max(a.status, b.status), 422);
  EXPECT_EQ(records_in_log(), 2);
}

TEST_F(ReplayTest, AfterAFailedWriteTheSameRequestIsStoredOnceInAll) {
  start();
  http::Response failed_first;
  {
    FullDisk disk;
    failed_first = post(event("1"), under("k"));
  }
  EXPECT_EQ(failed_first.status, 503);
  EXPECT_EQ(post(event("1"), under("k")).status, 201);
  EXPECT_EQ(post(event("1"), under("k")).headers.find("Idempotent-Replay"), "true");
  auto stored = log::read_all(*log_, {0});
  ASSERT_EQ(stored.size(), 1u);  // the receipt that came with the first write keeps out the second
  EXPECT_EQ(stored[0].record.event_id, keyed_event_id("", "k", 0));
}

TEST_F(ReplayTest, ReceiptsAreBoundedByCount) {
  log_options_.max_receipts = 10;
  start();
  for (int i = 0; i < 30; ++i)
    ASSERT_EQ(post(event("1"), under(fmt::format("k{}", i))).status, 201);
  EXPECT_FALSE(post(event("1"), under("k0")).headers.find("Idempotent-Replay"));
  EXPECT_TRUE(post(event("1"), under("k29")).headers.find("Idempotent-Replay"));
}

}  // namespace
}  // namespace tillrace::gateway
