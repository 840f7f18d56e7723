// One request, one answer: places, refusals, failures, and what is counted.
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "gateway/gateway_for_tests.h"

namespace tillrace::gateway {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST_F(GatewayTest, OneEventIsAnsweredWithItsPlaceAndLiesThereAsReceived) {
  start();
  const std::string body = " " + event("536365", R"(,"LineNo":2, "Extra":1.50)") + "\n";
  auto answer = post(body);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.body, fmt::format(R"({{"event_id":"{}","partition":0,"offset":0}})",
                                     to_string(derived_event_id("536365", 2))));
  auto stored = log::read_all(*log_, {0});
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].record.value, body.substr(1, body.size() - 2));
  EXPECT_EQ(stored[0].record.key, "536365");
  EXPECT_EQ(stored[0].record.event_id, derived_event_id("536365", 2));
}

TEST_F(GatewayTest, CreatedIsNotAnsweredBeforeTheLogHasIt) {
  start();
  std::atomic<int> status = 0;
  std::optional<Stall> stall(*log_);
  std::jthread client([&] { status = post(event("1")).status; });
  ASSERT_TRUE(comes_to_wait());
  world_.clock.sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(status, 0);
  EXPECT_EQ(records_in_log(), 1);  // the stall's own
  EXPECT_EQ(world_.metric(kWritten), 0);
  EXPECT_EQ(world_.metric(kReceived), 1);
  stall.reset();
  client.join();
  EXPECT_EQ(status, 201);
  EXPECT_EQ(records_in_log(), 2);
  EXPECT_EQ(world_.metric("tillrace_log_appended_records_total"), 2);
  EXPECT_EQ(world_.metric(kWritten), 1);
}

// The files as they lie there at the moment of the answer are what a kill would leave.
TEST_F(GatewayTest, WhatIsAnsweredWithCreatedIsInTheFiles) {
  start();
  ASSERT_EQ(post("[" + event("1") + "," + event("2") + "]").status, 201);
  ScratchFolder left;
  std::filesystem::copy(folder_.path(), left.path(), std::filesystem::copy_options::recursive);
  log_options_.folder = left.path();
  auto reopened = world_.open(log_options_);
  ASSERT_TRUE(reopened);
  auto stored = log::read_all(*reopened, {0});
  ASSERT_EQ(stored.size(), 2u);
  EXPECT_EQ(stored[0].record.value, event("1"));
  EXPECT_EQ(stored[1].record.value, event("2"));
}

TEST_F(GatewayTest, ABatchIsAnsweredWithEachPartitionsRange) {
  log_options_.partitions = 4;
  start();
  std::map<std::int32_t, std::int64_t> records;
  std::string lines;
  for (int i = 0; i < 40; ++i) {
    std::string invoice_no = std::to_string(536'000 + i);
    ++records[partition_of(invoice_no, 4).value];
    lines += event(invoice_no) + "\n";
  }
  ASSERT_EQ(records.size(), 4u);
  for (std::int64_t round : {0, 1}) {
    std::string ranges;
    for (auto [partition, count] : records)
      ranges += fmt::format(
          R"({}{{"partition":{},"first_offset":{},"last_offset":{},"records":{}}})",
          ranges.empty() ? "" : ",", partition, round * count, (round + 1) * count - 1, count);
    auto answer = post(lines, {{"Content-Type", "application/x-ndjson"}});
    EXPECT_EQ(answer.status, 201);
    EXPECT_EQ(answer.body, fmt::format(R"({{"accepted":40,"partitions":[{}]}})", ranges));
  }
}

TEST_F(GatewayTest, AnArrayOfOneIsABatch) {
  start();
  EXPECT_EQ(post("[" + event("1") + "]").body,
            R"({"accepted":1,"partitions":[{"partition":0,"first_offset":0,"last_offset":0,)"
            R"("records":1}]})");
}

TEST_F(GatewayTest, NothingOfABatchIsStoredWhenOneRecordIsBad) {
  start();
  auto answer = post("[" + event("1") + "," + event("") + "," + event("2") + "]");
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(answer.content_type, "application/problem+json");
  EXPECT_THAT(answer.body, HasSubstr(R"("errors":[{"index":1,"field":"InvoiceNo")"));
  EXPECT_EQ(records_in_log(), 0);
  EXPECT_EQ(world_.metric(rejected("invalid")), 1);
  EXPECT_EQ(world_.metric(kReceived), 0);
}

TEST_F(GatewayTest, EachRefusalIsCountedByItsReason) {
  options_.limits.max_batch_records = 2;
  start();
  EXPECT_EQ(post("{").status, 400);
  EXPECT_EQ(post("").status, 400);
  EXPECT_EQ(post(event("1"), {{"Content-Type", "text/plain"}}).status, 415);
  EXPECT_EQ(post("[{},{},{}]").status, 413);
  EXPECT_EQ(post("[{},{}]").status, 422);
  EXPECT_EQ(world_.metric(rejected("malformed")), 2);
  EXPECT_EQ(world_.metric(rejected("media_type")), 1);
  EXPECT_EQ(world_.metric(rejected("too_many")), 1);
  EXPECT_EQ(world_.metric(rejected("invalid")), 1);
  EXPECT_EQ(world_.metric(kBytes), 1 + 0 + static_cast<double>(event("1").size()) + 10 + 7);
  EXPECT_EQ(world_.metric(kReceived), 0);
  EXPECT_EQ(records_in_log(), 0);
}

TEST_F(GatewayTest, OtherCodingsThanItsOwnAreRefused) {
  start();
  auto answer = post(event("1"), {{"Content-Encoding", "br"}});
  EXPECT_EQ(answer.status, 415);
  EXPECT_EQ(answer.headers.find("Accept-Encoding"), "gzip, zstd");
  EXPECT_EQ(post("\x1f\x8b", {{"Content-Encoding", "gzip"}}).status, 400);
  EXPECT_EQ(post(event("1"), {{"Content-Encoding", "Identity"}}).status, 201);
  EXPECT_EQ(records_in_log(), 1);
}

TEST_F(GatewayTest, ABodyBeyondTheLimitIsRefusedAndOneAtItIsTaken) {
  options_.limits.max_batch_bytes = event("1").size();
  start();
  EXPECT_EQ(post(event("1")).status, 201);
  EXPECT_EQ(post(event("1") + " ").status, 413);
  EXPECT_EQ(records_in_log(), 1);
}

TEST_F(GatewayTest, OtherMethodsAndPathsAreToldTheRightOnes) {
  start();
  http::Client client;
  http::Call call;
  call.url = fmt::format("http://{}/v1/transactions", server_->address());
  auto answer = client.send(call);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 405);
  EXPECT_EQ(answer->headers.find("Allow"), "OPTIONS, POST");
}

TEST_F(GatewayTest, TooMuchThatWaitsIsAnsweredWithBusyUntilThereIsRoom) {
  options_.retry_after_s = 7;
  log_options_.max_waiting_bytes = 250;  // one event, not two
  log_options_.max_batch_bytes = 250;
  start();
  std::atomic<int> first_status = 0;
  std::optional<Stall> stall(*log_);
  std::jthread first([&] { first_status = post(event("1")).status; });
  ASSERT_TRUE(comes_to_wait());
  auto answer = post(event("2"));
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.find("Retry-After"), "7");
  EXPECT_THAT(answer.body, StartsWith(R"({"type":"/problems/busy")"));
  EXPECT_THAT(answer.body, HasSubstr("max_waiting_bytes, 250"));
  EXPECT_EQ(world_.metric(failed("exhausted")), 1);
  stall.reset();
  first.join();
  EXPECT_EQ(first_status, 201);
  EXPECT_EQ(post(event("2")).status, 201);
  EXPECT_EQ(records_in_log(), 3);  // with the stall's own
  EXPECT_EQ(world_.metric(kWritten), 2);
}

TEST_F(GatewayTest, ABatchBeyondTheLogsOwnLimitIsTooLarge) {
  log_options_.max_batch_bytes = 250;
  start();
  auto answer = post("[" + event("1") + "," + event("2") + "]");
  EXPECT_EQ(answer.status, 413);
  EXPECT_THAT(answer.body, StartsWith(R"({"type":"/problems/batch-too-large")"));
  EXPECT_EQ(records_in_log(), 0);
}

TEST_F(GatewayTest, ADiskThatFailsIsUnavailableAndSendingAgainIsSafe) {
  start();
  const std::string body = event("1", R"(,"LineNo":1)");
  http::Response answer;
  {
    FullDisk disk;
    answer = post(body);
    EXPECT_FALSE(log_->last_write());
  }
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.find("Retry-After"), "1");
  EXPECT_THAT(answer.body, HasSubstr("send them again, which is safe for events with an identity"));
  EXPECT_EQ(world_.metric(failed("unavailable")), 1);
  EXPECT_EQ(world_.metric(kWritten), 0);
  EXPECT_EQ(post(body).status, 201);
  EXPECT_TRUE(log_->last_write());
  for (const StoredRecord& stored : log::read_all(*log_, {0}))  // the first may be there too
    EXPECT_EQ(stored.record.event_id, derived_event_id("1", 1));
}

TEST_F(GatewayTest, AStoppedLogIsUnavailableAndTheServerStillAnswers) {
  start();
  ASSERT_EQ(post(event("1")).status, 201);
  log_->stop();
  auto answer = post(event("2"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.find("Retry-After"), "1");
  EXPECT_EQ(world_.metric(failed("shutting_down")), 1);
  EXPECT_EQ(post("{").status, 400);
  EXPECT_EQ(records_in_log(), 1);
}

TEST_F(GatewayTest, ManyClientsAtOnceGetEachEventItsOwnPlace) {
  constexpr int kClients = 16;
  constexpr int kRequests = 25;
  log_options_.partitions = 3;
  start();
  Mutex mutex;
  std::set<std::string> answers;
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < kClients; ++c)
      clients.emplace_back([&, c] {
        http::Client client;
        for (int i = 0; i < kRequests; ++i) {
          std::string invoice_no = fmt::format("{}-{}", c, i);
          auto one = post(client, event(invoice_no, R"(,"LineNo":1)"));
          auto two = post(client, "[" + event(invoice_no) + "," + event(invoice_no) + "]");
          auto bad = post(client, "[" + event(invoice_no) + ",{}]");
          EXPECT_EQ(bad.status, 422);
          EXPECT_THAT(one.body, HasSubstr(to_string(derived_event_id(invoice_no, 1))));
          EXPECT_THAT(two.body, StartsWith(R"({"accepted":2,)"));
          MutexLock lock(mutex);
          answers.insert(one.body.substr(one.body.find("partition")));
        }
      });
  }
  EXPECT_EQ(answers.size(), std::size_t{kClients * kRequests});
  EXPECT_EQ(records_in_log(), 3 * kClients * kRequests);
  EXPECT_EQ(world_.metric(kReceived), 3 * kClients * kRequests);
  EXPECT_EQ(world_.metric(kWritten), 3 * kClients * kRequests);
  EXPECT_EQ(world_.metric(rejected("invalid")), kClients * kRequests);
  std::set<EventId> ids;
  for (std::int32_t i = 0; i < 3; ++i)
    for (const StoredRecord& stored : log::read_all(*log_, {i})) ids.insert(stored.record.event_id);
  EXPECT_EQ(ids.size(), std::size_t{3 * kClients * kRequests});
}

}  // namespace
}  // namespace tillrace::gateway
