// ?partial=true: a body of any length, what is told of each record, and how it is taken up again.
#include "gateway/partial_upload.h"

#include <optional>
#include <thread>

#include "gateway/gateway_for_tests.h"
#include "http/loopback_for_tests.h"

namespace tillrace::gateway {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string events(int count, int from = 0) {
  std::string lines;
  for (int i = from; i < from + count; ++i) lines += event(std::to_string(i)) + "\n";
  return lines;
}

class PartialUploadTest : public GatewayTest {
 protected:
  PartialUploadTest() { query_ = "?partial=true"; }

  http::Response upload(const std::string& lines, std::string_view key = "") {
    http::Headers headers{{"Content-Type", "application/x-ndjson"}};
    if (!key.empty()) headers.add("Idempotency-Key", key);
    return post(lines, std::move(headers));
  }
};

std::string end_line(int records, int refused, bool complete = true) {
  return fmt::format(R"({{"records":{},"accepted":{},"refused":{},"complete":{}}})"
                     "\n",
                     records, records - refused, refused, complete);
}

TEST_F(PartialUploadTest, GoodRecordsAreStoredAndBadOnesAreNamed) {
  start();
  auto answer = upload(event("1") + "\n" + event("") + "\n\n{\n" + event("2"));
  EXPECT_EQ(answer.status, 207);
  EXPECT_EQ(answer.content_type, "application/x-ndjson");
  EXPECT_THAT(answer.body, StartsWith(R"({"first_index":0,"last_index":0,"status":201,)"));
  EXPECT_THAT(answer.body, HasSubstr(R"({"index":1,"status":422,"errors":[{"field":"InvoiceNo")"));
  EXPECT_THAT(answer.body, HasSubstr(R"({"index":2,"status":422)"));
  EXPECT_THAT(answer.body, HasSubstr(R"({"first_index":3,"last_index":3,"status":201,)"));
  EXPECT_THAT(answer.body, EndsWith(end_line(4, 2)));
  EXPECT_EQ(records_in_log(), 2);
  EXPECT_EQ(world_.metric("tillrace_gateway_refused_records_total"), 2);
}

TEST_F(PartialUploadTest, ABodyFarBeyondABatchIsTakenChunkByChunk) {
  options_.limits.max_batch_bytes = 10'000;
  options_.limits.max_batch_records = 10;
  start();
  constexpr int kRecords = 50'000;  // about 6 MB
  auto answer = upload(events(kRecords));
  EXPECT_EQ(answer.status, 207);
  EXPECT_THAT(answer.body, EndsWith(end_line(kRecords, 0)));
  EXPECT_EQ(records_in_log(), kRecords);
  EXPECT_GE(world_.metric("tillrace_gateway_durable_seconds_count"), 5);
}

TEST_F(PartialUploadTest, ARecordBeyondItsLimitIsRefusedAndTheNextTaken) {
  start();
  std::string long_line = "{\"InvoiceNo\":\"" + std::string(5 << 20, 'x') + "\"}";
  auto answer = upload(event("1") + "\n" + long_line + "\n" + event("2") + "\n");
  EXPECT_THAT(answer.body,
              HasSubstr(R"({"index":1,"status":422,"errors":[{"field":"","rule":"a sm)"));
  EXPECT_THAT(answer.body, EndsWith(end_line(3, 1)));
  EXPECT_EQ(records_in_log(), 2);
}

TEST_F(PartialUploadTest, TheSameUploadUnderAKeyIsReplayedAndStoredOnce) {
  log_options_.partitions = 3;
  start();
  std::string body = events(9'000) + "{\n" + events(9'000, 9'000);
  auto first = upload(body, "k");
  auto again = upload(body, "k");
  EXPECT_EQ(records_in_log(), 18'000);
  EXPECT_THAT(first.body, Not(HasSubstr("replay")));
  std::string unmarked = again.body;
  for (std::size_t at; (at = unmarked.find("\"replay\":true,")) != std::string::npos;)
    unmarked.erase(at, 14);
  EXPECT_EQ(unmarked, first.body);
  EXPECT_LT(unmarked.size(), again.body.size());
}

TEST_F(PartialUploadTest, WhatBrokeOffHalfWayIsTakenUpAgainFromItsStart) {
  start();
  std::string body = events(30'000);
  {
    // The head, and the body up to somewhere in its second half; then the client is gone.
    auto client = http::Peer::connect(server_->port());
    client.send(
        fmt::format("POST /v1/transactions?partial=true HTTP/1.1\r\nHost: t\r\n"
                    "Content-Type: application/x-ndjson\r\nIdempotency-Key: k\r\n"
                    "Content-Length: {}\r\n\r\n",
                    body.size()));
    client.send(body.substr(0, body.size() * 3 / 5));
    for (int i = 0; i < 1'000 && records_in_log() == 0; ++i)
      world_.clock.sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_GT(records_in_log(), 0);
  auto answer = upload(body, "k");
  EXPECT_THAT(answer.body, EndsWith(end_line(30'000, 0)));
  EXPECT_THAT(answer.body, HasSubstr("\"replay\":true"));
  EXPECT_EQ(records_in_log(), 30'000);
}

TEST_F(PartialUploadTest, TheRestIsTakenUpFromAnIndex) {
  start();
  query_ = "?partial=true&first_index=100";
  auto answer = upload(events(5, 100), "k");
  EXPECT_THAT(answer.body, StartsWith(R"({"first_index":100,"last_index":104,"status":201,)"));
  EXPECT_EQ(log::read_all(*log_, {0})[0].record.event_id, keyed_event_id("", "k", 100));
}

TEST_F(PartialUploadTest, AnotherBodyUnderTheKeyIsRefused) {
  start();
  ASSERT_EQ(upload(events(3), "k").status, 207);
  auto other = upload(events(3, 50), "k");
  EXPECT_EQ(other.status, 422);
  EXPECT_THAT(other.body, HasSubstr("idempotency-key-reused"));
  EXPECT_EQ(records_in_log(), 3);
}

TEST_F(PartialUploadTest, AnotherSecondHalfUnderTheKeyStopsTheUploadThere) {
  start();
  ASSERT_EQ(upload(events(20'000), "k").status, 207);
  auto other = upload(events(15'000) + events(5'000, 90'000), "k");
  EXPECT_EQ(other.status, 207);
  EXPECT_THAT(other.body, HasSubstr(R"("type":"/problems/idempotency-key-reused")"));
  EXPECT_THAT(other.body, HasSubstr(R"({"next_index":)"));
  EXPECT_THAT(other.body, HasSubstr(R"("complete":false})"));
  EXPECT_EQ(records_in_log(), 20'000);
}

TEST_F(PartialUploadTest, ABodyWithoutRecordsIsNoUpload) {
  start();
  for (const char* body : {"", "\n\n  \n"}) {
    auto answer = upload(body);
    EXPECT_THAT(answer.body,
                testing::AnyOf(HasSubstr("there are no records"), HasSubstr(R"("records":0)")));
  }
  EXPECT_EQ(records_in_log(), 0);
}

TEST_F(PartialUploadTest, OtherTypesAndUnknownParametersAreRefusedBeforeTheBody) {
  start();
  EXPECT_EQ(post("[]", {{"Content-Type", "application/json"}}).status, 415);
  query_ = "?partial=maybe";
  EXPECT_EQ(upload(events(1)).status, 400);
  query_ = "?patrial=true";
  auto answer = upload(events(1));
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("did you mean 'partial'?"));
}

TEST_F(PartialUploadTest, ALogThatFailsBeforeTheFirstRecordIsAPlainProblem) {
  start();
  log_->stop();
  auto answer = upload(events(3));
  EXPECT_THAT(answer.body, HasSubstr("/problems/unavailable"));
  EXPECT_EQ(records_in_log(), 0);
}

TEST_F(PartialUploadTest, AnIntakeThatClosesHalfWayStopsTheUploadWithItsNextIndex) {
  intake_options_.hold_log_max_bytes = 1'000;
  start();
  auto client = http::Peer::connect(server_->port());
  std::string body = events(20'000);
  client.send(
      fmt::format("POST /v1/transactions?partial=true HTTP/1.1\r\nHost: t\r\n"
                  "Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
                  body.size()));
  client.send(body.substr(0, body.size() / 2));
  for (int i = 0; i < 1'000 && records_in_log() == 0; ++i)
    world_.clock.sleep_for(std::chrono::milliseconds(10));
  backlog_bytes_ = 1'000;
  client.send(body.substr(body.size() / 2));
  std::string answer = client.read_to_end();
  std::int64_t records = records_in_log();
  EXPECT_LT(records, 20'000);
  EXPECT_THAT(answer, HasSubstr(fmt::format(R"({{"next_index":{},"retry_after_s":5,)", records)));
  EXPECT_THAT(answer, HasSubstr("/problems/log-full"));
}

TEST_F(PartialUploadTest, AClientBeyondItsShareIsToldWhatWasStoredAndWhereToGoOn) {
  options_.client_limits.events_per_second = 10;
  start();
  constexpr int kRecords = 20'000;
  auto answer = upload(events(kRecords));
  EXPECT_EQ(answer.status, 207);
  std::int64_t stored = records_in_log();
  EXPECT_GT(stored, 0);
  EXPECT_LT(stored, kRecords);
  EXPECT_THAT(answer.body, HasSubstr(fmt::format(R"({{"next_index":{},)", stored)));
  EXPECT_THAT(answer.body, HasSubstr("/problems/rate-limited"));
  EXPECT_THAT(answer.body, HasSubstr(fmt::format(R"("accepted":{},)", stored)));
}

// However small its client's share, an upload gets ahead by a chunk.
TEST_F(PartialUploadTest, AShareBelowAChunkStillGetsOneThrough) {
  options_.client_limits.bytes_per_second = 1'000;
  start();
  EXPECT_THAT(upload(events(20'000)).body, HasSubstr(R"({"first_index":0,)"));
  EXPECT_GT(records_in_log(), 0);
}

TEST_F(PartialUploadTest, ManyBadRecordsAreToldWithoutKeepingWhatIsWrongWithEach) {
  start();
  std::string bad;
  for (int i = 0; i < 100'000; ++i) bad += "{}\n";
  auto answer = upload(bad);
  EXPECT_THAT(answer.body, EndsWith(end_line(100'000, 100'000)));
  EXPECT_LT(answer.body.size(), 1'000'000u);
}

TEST_F(PartialUploadTest, AClientThatGoesWhileTheLogWritesHarmsNothing) {
  start();
  std::optional<Stall> stall(*log_);
  {
    auto client = http::Peer::connect(server_->port());
    std::string body = events(3);
    client.send(
        fmt::format("POST /v1/transactions?partial=true HTTP/1.1\r\nHost: t\r\n"
                    "Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{}",
                    body.size(), body));
    ASSERT_TRUE(comes_to_wait());
  }
  server_.reset();
  stall.reset();
  log_->stop();
  EXPECT_EQ(records_in_log(), 4);  // with the stall's own
}

}  // namespace
}  // namespace tillrace::gateway
