#include "client/post.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/thread.h"
#include "client/generate.h"
#include "client/scripted_gateway.h"

namespace tillrace::client {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(Post, SendsEveryEventOnceInBatches) {
  std::string text;
  GenerateOptions shop{.rows = 2'500};
  ASSERT_TRUE(generate(
      shop,
      [&text](std::string_view lines) {
        text += lines;
        return Status{};
      },
      [](const Progress&) {}, clock_));
  input(text);
  Gateway gateway;
  PostSummary summary = run(gateway.url());
  EXPECT_FALSE(summary.failure);
  EXPECT_EQ(summary.read, 2'500u);
  EXPECT_EQ(summary.accepted, 2'500u);
  EXPECT_EQ(summary.refused, 0u);
  EXPECT_EQ(summary.retried_requests, 0u);
  EXPECT_EQ(summary.requests, 3u);
  EXPECT_EQ(summary.bytes, text.size() - 2'500);
  EXPECT_EQ(summary.open(), 0u);
  EXPECT_EQ(gateway.stored(), 2'500u);
  EXPECT_THAT(gateway.content_types(), Each("application/x-ndjson"));
  EXPECT_FALSE(fs::exists(folder_ / "sales.refused.ndjson"));
}

TEST_F(Post, SendsEachEventByItselfInOrder) {
  input_events(20);
  options_.each = true;
  Gateway gateway;
  PostSummary summary = run(gateway.url() + "/");
  EXPECT_EQ(summary.accepted, 20u);
  EXPECT_EQ(summary.requests, 20u);
  EXPECT_EQ(statuses_, std::vector<int>(20, 201));
  Texts bodies = gateway.bodies();
  ASSERT_EQ(bodies.size(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(bodies[static_cast<std::size_t>(i)], event(i));
  EXPECT_THAT(gateway.content_types(), Each("application/json"));
}

TEST_F(Post, TellsTheStatusOfARefusedEventToo) {
  input_events(3, {1});
  options_.each = true;
  Gateway gateway([](int, const Texts& events) -> std::optional<http::Response> {
    if (events[0].find("BAD") == std::string::npos) return std::nullopt;
    return http::problem(422, "invalid-events", "Invalid", "", [](JsonWriter& json) {
      json.key("errors")
          .begin_array()
          .begin_object()
          .field("field", "StockCode")
          .field("rule", "good");
      json.end_object().end_array();
    });
  });
  EXPECT_EQ(run(gateway.url()).refused, 1u);
  EXPECT_THAT(statuses_, ElementsAre(201, 422, 201));
  EXPECT_THAT(warnings_, ElementsAre("event 2: StockCode: good"));
}

TEST_F(Post, LeavesEventsThatHaveAnIdentityAsTheyAre) {
  std::string own =
      R"({ "EventId" : "018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70", "InvoiceNo":"1","StockCode":"A",)"
      R"("Quantity":1,"InvoiceDate":"2010-12-01 08:26","UnitPrice":"2.55",)"
      R"("Country":"UK", "extra":[1] })";
  input(event(1) + "\r\n" + own + "\n");
  Gateway gateway;
  EXPECT_EQ(run(gateway.url()).accepted, 2u);
  EXPECT_THAT(gateway.bodies(), ElementsAre(event(1) + "\n" + own + "\n"));
}

TEST_F(Post, GivesAnEventIdToEventsThatHaveNone) {
  input(without_line_no(1) + "\n" + without_line_no(1) + "\n" + event(2) + "\n");
  Gateway gateway;
  EXPECT_EQ(run(gateway.url()).accepted, 3u);
  EXPECT_EQ(gateway.stored(), 3u);  // equal lines are two events
  Texts sent;
  for (const auto& [key, json] : gateway.events()) sent.push_back(json);
  EXPECT_THAT(sent,
              ElementsAre(StartsWith("{\"EventId\":\""), StartsWith("{\"EventId\":\""), event(2)));
  EXPECT_TRUE(sent[0].ends_with(without_line_no(1).substr(1)));
}

TEST_F(Post, PutsTheEventIdInThePlaceOfNull) {
  std::string text = without_line_no(1);
  input(text.substr(0, text.size() - 1) +
        R"(,"LineNo":null,"EventId": null ,"x":"\"EventId\":null"})");
  Gateway gateway;
  EXPECT_EQ(run(gateway.url()).accepted, 1u);
  std::string sent = gateway.events().begin()->second;
  EXPECT_THAT(sent, HasSubstr(R"(,"LineNo":null,"EventId": ")"));
  EXPECT_THAT(sent, HasSubstr(R"(" ,"x":"\"EventId\":null"})"));
}

TEST_F(Post, ChangesNothingTheSecondTime) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += (i % 3 == 0 ? event(i) : without_line_no(i)) + "\n";
  input(text);
  options_.batch = 7;
  Gateway gateway;
  EXPECT_EQ(run(gateway.url()).accepted, 50u);
  auto first = gateway.events();
  options_.batch = 13;
  EXPECT_EQ(run(gateway.url()).accepted, 50u);
  EXPECT_EQ(gateway.events(), first);
}

TEST_F(Post, KnowsTheOldLinesOfAFileThatHasGrown) {
  std::string text;
  for (int i = 0; i < 10; ++i) text += without_line_no(i % 2) + "\n";
  input(text);
  Gateway gateway;
  run(gateway.url());
  input(text + event(3) + "\n" + without_line_no(0) + "\n");
  EXPECT_EQ(run(gateway.url()).accepted, 12u);
  EXPECT_EQ(gateway.stored(), 12u);
}

TEST_F(Post, TellsFilesOfDifferentContentApart) {
  input(without_line_no(1) + "\n" + without_line_no(2) + "\n");
  Gateway gateway;
  run(gateway.url());
  input(event(9) + "\n" + without_line_no(2) + "\n");  // the same second line, behind another first
  run(gateway.url());
  EXPECT_EQ(gateway.stored(), 4u);
}

TEST_F(Post, TakesOutWhatTheServerRefusesAndSendsTheRest) {
  input_events(30, {3, 17, 29});
  options_.concurrency = 1;
  options_.batch = 10;
  Gateway gateway([](int, const Texts& events) -> std::optional<http::Response> {
    std::vector<std::size_t> bad;
    for (std::size_t i = 0; i < events.size(); ++i)
      if (events[i].find("BAD") != std::string::npos) bad.push_back(i);
    if (bad.empty()) return std::nullopt;
    return refusal(bad);
  });
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.accepted, 27u);
  EXPECT_EQ(summary.refused, 3u);
  EXPECT_EQ(summary.requests, 6u);
  EXPECT_EQ(summary.retried_requests, 0u);
  EXPECT_EQ(gateway.stored(), 27u);
  EXPECT_EQ(summary.refused_path, folder_ / "sales.refused.ndjson");
  EXPECT_EQ(refused(), event(3, "BAD") + "\n" + event(17, "BAD") + "\n" + event(29, "BAD") + "\n");
  EXPECT_THAT(warnings_, ElementsAre("event 4: StockCode: no \"BAD\" ones, got BAD",
                                     "event 18: StockCode: no \"BAD\" ones, got BAD",
                                     "event 30: StockCode: no \"BAD\" ones, got BAD"));
}

TEST_F(Post, FindsRefusedEventsThatTheAnswerDoesNotName) {
  input_events(64, {40});
  Gateway gateway([](int, const Texts& events) -> std::optional<http::Response> {
    for (const std::string& text : events)
      if (text.find("BAD") != std::string::npos) return answer(422);
    return std::nullopt;
  });
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.accepted, 63u);
  EXPECT_EQ(summary.refused, 1u);
  EXPECT_EQ(refused(), event(40, "BAD") + "\n");
  EXPECT_THAT(warnings_, ElementsAre("event 41: the server answers 422: as the script says"));
}

TEST_F(Post, NamesTwentyRefusalsAndCountsTheRest) {
  input_events(30);
  Gateway gateway([](int, const Texts& events) -> std::optional<http::Response> {
    std::vector<std::size_t> all(events.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    return refusal(all);
  });
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.refused, 30u);
  EXPECT_FALSE(summary.failure);
  EXPECT_EQ(warnings_.size(), 21u);
}

TEST_F(Post, IgnoresIndicesThatCannotBe) {
  input_events(2);
  Gateway gateway([](int number, const Texts&) -> std::optional<http::Response> {
    if (number == 1) return refusal({0, 7, 0});
    return std::nullopt;
  });
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.accepted, 1u);
  EXPECT_EQ(summary.refused, 1u);
}

TEST_F(Post, HalvesABatchThatIsTooLarge) {
  input_events(100);
  Gateway gateway([](int, const Texts& events) -> std::optional<http::Response> {
    if (events.size() > 30) return answer(413);
    return std::nullopt;
  });
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.accepted, 100u);
  EXPECT_EQ(summary.refused, 0u);
  EXPECT_EQ(gateway.stored(), 100u);
  EXPECT_EQ(summary.requests, 1u + 2u + 4u);
}

TEST_F(Post, RefusesALineThatIsNoJsonObjectWithoutSendingIt) {
  input(event(1) + "\nnot json\n\n[1]\n" + event(2) + "\n{\"InvoiceNo\":\n");
  Gateway gateway;
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.read, 5u);
  EXPECT_EQ(summary.accepted, 2u);
  EXPECT_EQ(summary.refused, 3u);
  EXPECT_EQ(gateway.stored(), 2u);
  EXPECT_EQ(refused(), "not json\n[1]\n{\"InvoiceNo\":\n");
  EXPECT_THAT(warnings_, ElementsAre(StartsWith("event 2: one JSON object"),
                                     StartsWith("event 4: one JSON object"),
                                     StartsWith("event 6: one JSON object")));
}

TEST_F(Post, LeavesItToTheServerToJudgeFields) {
  std::string odd = R"({"InvoiceNo":"1","Quantity":0})";
  input(odd + "\n");
  Gateway gateway([](int, const Texts&) { return refusal({0}); });
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.refused, 1u);
  EXPECT_EQ(gateway.requests(), 1);
  EXPECT_THAT(refused(), AllOf(StartsWith("{\"EventId\":\""), HasSubstr(odd.substr(1))));
}

TEST_F(Post, RefusesALineBeyondTheLimit) {
  options_.max_batch_bytes = 2'000;
  std::string text = event(1);
  std::string longer =
      text.substr(0, text.size() - 1) + ",\"x\":\"" + std::string(3'000, 'x') + "\"}";
  input(longer + "\n" + event(2) + "\n" + longer);
  Gateway gateway;
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.refused, 2u);
  EXPECT_EQ(summary.accepted, 1u);
  EXPECT_THAT(warnings_.front(), HasSubstr("event 1: an event of up to 2000 bytes"));
}

TEST_F(Post, KeepsBatchesWithinTheirBytes) {
  options_.max_batch_bytes = 2'000;
  input_events(100);
  Gateway gateway;
  EXPECT_EQ(run(gateway.url()).accepted, 100u);
  for (const std::string& body : gateway.bodies()) EXPECT_LE(body.size(), 2'000u);
  EXPECT_LE(gateway.requests(), 10);
}

TEST_F(Post, SendsTheItemsOfAJsonArray) {
  input("\n [" + event(1) + ",\n " + without_line_no(2) + " ,\n\"no object\"]\n");
  Gateway gateway;
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.accepted, 2u);
  EXPECT_EQ(summary.refused, 1u);
  auto first = gateway.events();
  EXPECT_EQ(run(gateway.url()).accepted, 2u);
  EXPECT_EQ(gateway.events(), first);
}

TEST_F(Post, FailsOnABrokenArrayBeforeItSendsAnything) {
  input("[" + event(1) + ",");
  Gateway gateway;
  PostSummary summary = run(gateway.url());
  ASSERT_TRUE(summary.failure);
  EXPECT_THAT(summary.failure->message, HasSubstr("a JSON array of objects"));
  EXPECT_EQ(gateway.requests(), 0);
}

TEST_F(Post, KeepsToItsRate) {
  input_events(1'000);
  options_.rate_per_s = 100;
  options_.concurrency = 1;
  Gateway gateway;
  EXPECT_EQ(run(gateway.url()).accepted, 1'000u);
  EXPECT_NEAR(waited_s(), 10.0, 0.5);
  EXPECT_GE(gateway.requests(), 200);  // in small steps, not all at once
}

TEST_F(Post, SendsWhatAPipeHasBeforeTheBatchIsFull) {
  options_.input = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(options_.input.c_str(), 0600), 0);
  Gateway gateway;
  bool arrived = false;
  auto writer = named_thread("writer", [&](const std::stop_token&) {
    std::ofstream pipe(options_.input);
    pipe << event(1) << "\n" << event(2) << "\n" << std::flush;
    SystemClock real;
    for (int i = 0; i < 500 && !arrived; ++i) {
      real.sleep_for(std::chrono::milliseconds(10));
      arrived = gateway.stored() == 2;
    }
    pipe << event(3);
  });
  EXPECT_EQ(run(gateway.url()).accepted, 3u);
  EXPECT_TRUE(arrived);
}

TEST_F(Post, ReadsStandardInputWithIdentitiesOfThatRun) {
  Gateway gateway;
  int kept = ::dup(STDIN_FILENO);
  for (int i = 0; i < 2; ++i) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    std::string text = without_line_no(1) + "\n" + event(2) + "\n";
    ASSERT_EQ(::write(pipe[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(pipe[1]);
    ::dup2(pipe[0], STDIN_FILENO);
    ::close(pipe[0]);
    options_.input = "-";
    EXPECT_EQ(run(gateway.url()).accepted, 2u);
  }
  ::dup2(kept, STDIN_FILENO);
  ::close(kept);
  EXPECT_EQ(gateway.stored(), 3u);  // the event with a LineNo is one, the other was posted twice
}

TEST_F(Post, SaysWhatBecameOfAnEarlierRunsRefusals) {
  std::ofstream(folder_ / "sales.refused.ndjson") << "of before\n";
  input("no json\n");
  Gateway gateway;
  run(gateway.url());
  EXPECT_EQ(refused(), "no json\n");
  EXPECT_THAT(warnings_.back(), HasSubstr("of an earlier run is replaced"));
  input_events(1);
  run(gateway.url());
  EXPECT_EQ(refused(), "(no such file)");
}

TEST_F(Post, KeepsAnEarlierRunsRefusalsWhenItDidNotFinish) {
  std::ofstream(folder_ / "sales.refused.ndjson") << "of before\n";
  input_events(1);
  Gateway gateway([](int, const Texts&) { return answer(401); });
  run(gateway.url());
  EXPECT_EQ(refused(), "of before\n");
}

TEST_F(Post, AnEmptyFileIsNoFailure) {
  Gateway gateway;
  for (std::string_view text : {"", "\n\n \r\n", "\xef\xbb\xbf", "[]", " [ ] "}) {
    input(text);
    PostSummary summary = run(gateway.url());
    EXPECT_FALSE(summary.failure) << text;
    EXPECT_EQ(summary.read, 0u);
  }
  EXPECT_EQ(gateway.requests(), 0);
}

TEST_F(Post, RefusesOptionsItCannotFollow) {
  input_events(1);
  auto code = [this](auto change) {
    PostOptions options = options_;
    options.url = "http://127.0.0.1:1";
    change(options);
    auto summary = post(options, callbacks_, clock_, random_);
    return summary ? std::optional<Code>() : summary.error().code;
  };
  EXPECT_EQ(code([](PostOptions& o) { o.concurrency = 0; }), Code::invalid);
  EXPECT_EQ(code([](PostOptions& o) { o.concurrency = 1'000; }), Code::invalid);
  EXPECT_EQ(code([](PostOptions& o) { o.batch = 0; }), Code::invalid);
  EXPECT_EQ(code([](PostOptions& o) { o.max_batch_bytes = 10; }), Code::invalid);
  EXPECT_EQ(code([](PostOptions& o) { o.retry_for_s = -1; }), Code::invalid);
  EXPECT_EQ(code([](PostOptions& o) { o.first_backoff_ms = 0; }), Code::invalid);
  EXPECT_EQ(code([](PostOptions& o) { o.url = "localhost:8080"; }), Code::invalid);
  EXPECT_EQ(code([](PostOptions& o) { o.input = "/nowhere/at/all"; }), Code::not_found);
}

TEST(Endpoint, IsTheGatewaysWhereTheUrlNamesNone) {
  for (const char* url : {"http://h:1", "http://h:1/"})
    EXPECT_EQ(endpoint_of(url).value(), "http://h:1/v1/transactions");
  EXPECT_EQ(endpoint_of("https://shop.example").value(), "https://shop.example/v1/transactions");
  for (const char* url :
       {"http://h/api", "http://h/v1/transactions", "http://h?x=1", "https://h/?partial=true"})
    EXPECT_EQ(endpoint_of(url).value(), url);
  for (const char* url :
       {"", "h", "localhost:8080", "ftp://h", "http://", "http:///v1", "/v1/transactions"})
    EXPECT_FALSE(endpoint_of(url)) << url;
}

}  // namespace
}  // namespace tillrace::client
