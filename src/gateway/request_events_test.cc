#include "gateway/request_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "base/utf8.h"

namespace tillrace::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kLines = "application/x-ndjson";
constexpr UtcMicros kNow{1'645'557'742'000'000};
constexpr std::string_view kGivenId = "018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70";

// An event as text; `more` stands in front of its closing brace.
std::string event(std::string_view invoice_no = "536365", std::string_view more = "") {
  return fmt::format(R"({{"InvoiceNo":"{}","StockCode":"85123A","Quantity":6,)"
                     R"("InvoiceDate":"2010-12-01 08:26","UnitPrice":2.55,"Country":"EIRE"{}}})",
                     invoice_no, more);
}

std::string array_of(const std::vector<std::string>& records) {
  return fmt::format("[{}]", fmt::join(records, ","));
}

class RequestEventsTest : public testing::Test {
 protected:
  tl::expected<RequestEvents, Refusal> read(std::string_view type, std::string_view body) {
    return read_events(type, body, limits_, parser_, clock_, random_);
  }
  // The records of a body that is taken.
  std::vector<Record> taken(std::string_view type, std::string_view body) {
    auto events = read(type, body);
    EXPECT_TRUE(events) << events.error().answer.body;
    return events ? std::move(events->records) : std::vector<Record>();
  }
  // The problem's body; "taken" when there is none.
  std::string refused(std::string_view type, std::string_view body, int status,
                      std::string_view reason) {
    auto events = read(type, body);
    EXPECT_FALSE(events) << body.substr(0, 200);
    if (events) return "taken";
    EXPECT_EQ(events.error().answer.status, status) << events.error().answer.body;
    EXPECT_EQ(events.error().reason, reason);
    EXPECT_EQ(events.error().answer.content_type, "application/problem+json");
    return events.error().answer.body;
  }

  EventLimits limits_;
  EventParser parser_{TimeZone{}};
  FakeClock clock_{kNow};
  SeededRandom random_{1};
};

std::vector<std::string> values(const std::vector<Record>& records) {
  std::vector<std::string> texts;
  for (const Record& record : records) texts.push_back(record.value);
  return texts;
}

TEST_F(RequestEventsTest, ReadsOneObjectAnArrayAndLines) {
  const std::string a = event("1"), b = event("2");
  EXPECT_THAT(values(taken(kJson, a)), ElementsAre(a));
  EXPECT_THAT(values(taken(kJson, array_of({a, b}))), ElementsAre(a, b));
  EXPECT_THAT(values(taken(kLines, a + "\n" + b + "\n")), ElementsAre(a, b));
  EXPECT_EQ(read(kJson, a)->form, BodyForm::one);
  EXPECT_EQ(read(kJson, array_of({a}))->form, BodyForm::array);
  EXPECT_EQ(read(kLines, a)->form, BodyForm::lines);
}

TEST_F(RequestEventsTest, ARecordIsKeptAsReceivedWithoutTheBlanksAroundIt) {
  const std::string odd = "{ \"Extra\" :\t[1.50, \"\\u00e9\"],\r\n" + event("7").substr(1);
  EXPECT_THAT(values(taken(kJson, " \r\n\t" + odd + "\n\n")), ElementsAre(odd));
  EXPECT_THAT(values(taken(kJson, "\n[ " + odd + " ,\t" + odd + "\r\n]\n")), ElementsAre(odd, odd));
  const std::string line = event("8", R"(,  "Extra" : 1.50 )");
  EXPECT_THAT(values(taken(kLines, "\n  " + line + " \r\n\r\n" + line)), ElementsAre(line, line));
}

TEST_F(RequestEventsTest, ARecordsKeyIsItsInvoiceAndItsTimeTheRequests) {
  for (const Record& record : taken(kJson, array_of({event("C7"), event("C7")}))) {
    EXPECT_EQ(record.key, "C7");
    EXPECT_EQ(record.received_at, kNow);
  }
}

TEST_F(RequestEventsTest, TakesTheContentTypesInAnyCaseAndWithParameters) {
  for (std::string_view type :
       {"application/json", "APPLICATION/JSON", "Application/Json;charset=utf-8",
        "application/json; charset=UTF-8", "application/json ;charset=\"utf-8\"",
        "application/json; charset=utf-8 ; version=1", "application/json;version=1;charset=utf-8",
        "application/json;", "application/json; ;", "application/json; CHARSET=Utf-8"})
    EXPECT_TRUE(read(type, event())) << type;
  for (std::string_view type :
       {"application/x-ndjson", "Application/X-NDJSON", "application/x-ndjson; charset=utf-8"})
    EXPECT_EQ(taken(type, event() + "\n" + event()).size(), 2u) << type;
}

TEST_F(RequestEventsTest, RefusesOtherContentTypesAndSaysWhichAreTaken) {
  for (std::string_view type :
       {"", "text/plain", "application/xml", "application", "application/jsonx", "application/jso",
        "x-application/json", "application/json, application/json", "application/vnd.api+json",
        "application/x-www-form-urlencoded", "application/json; charset=latin1",
        "application/json; charset=utf-16", "application/json; charset=", ";charset=utf-8",
        "application/x-ndjson; charset=iso-8859-1", "multipart/form-data; boundary=x"}) {
    std::string problem = refused(type, event(), 415, "media_type");
    EXPECT_THAT(problem, HasSubstr("application/x-ndjson with one object a line")) << type;
    EXPECT_THAT(problem, HasSubstr("/problems/unsupported-media-type")) << type;
  }
}

TEST_F(RequestEventsTest, ABodyWithoutRecordsIsMalformed) {
  for (std::string_view body : {"", " ", "\r\n\t ", "[]", " [ \n ] "})
    EXPECT_THAT(refused(kJson, body, 400, "malformed"), HasSubstr("send at least one")) << body;
  for (std::string_view body : {"", "\n", "\r\n \r\n"})
    EXPECT_THAT(refused(kLines, body, 400, "malformed"), HasSubstr("send at least one")) << body;
}

TEST_F(RequestEventsTest, ABodyThatIsNoJsonIsMalformedAsAWhole) {
  const std::string good = event();
  for (const std::string& body : std::vector<std::string>{
           "x", "{", "null", "7", R"("text")", good + good, good + "\n" + good, "[" + good,
           "[" + good + ",]", "[" + good + "]]", "[" + good + "] x", "[" + good + " " + good + "]",
           "[" + good + ",{]", "[1]", "[[" + good + "]]", std::string(3, '\0'),
           good.substr(0, good.size() - 1), "{\"a\":\"\xff\"}"})
    EXPECT_THAT(refused(kJson, body, 400, "malformed"), HasSubstr("/problems/malformed-body"))
        << body;
}

TEST_F(RequestEventsTest, AByteOrderMarkInFrontIsRefusedAndNamed) {
  const std::string marked = "\xef\xbb\xbf" + event();
  EXPECT_THAT(refused(kJson, marked, 400, "malformed"), HasSubstr("byte order mark"));
  EXPECT_THAT(refused(kJson, "\xef\xbb\xbf[" + event() + "]", 400, "malformed"),
              HasSubstr("byte order mark"));
  EXPECT_THAT(refused(kLines, marked, 422, "invalid"), HasSubstr("byte order mark"));
}

// Each line stands for itself: the others' places are known all the same.
TEST_F(RequestEventsTest, AMalformedLineIsABadRecord) {
  std::string problem =
      refused(kLines, event() + "\n\n{oops\n" + event() + "\n[" + event() + "]", 422, "invalid");
  EXPECT_THAT(problem, HasSubstr("2 of 4 records are wrong"));
  EXPECT_THAT(problem, HasSubstr(R"("errors":[{"index":1,"field":"",)"));
  EXPECT_THAT(problem, HasSubstr(R"({"index":3,"field":"",)"));
  EXPECT_THAT(problem, Not(HasSubstr(R"("index":2)")));
}

TEST_F(RequestEventsTest, EveryBadFieldOfEveryBadRecordIsToldWithItsRule) {
  std::string problem = refused(
      kJson,
      array_of({event(), event("5 6", R"(,"LineNo":0)"), event(), event("7", R"(,"EventId":7)")}),
      422, "invalid");
  EXPECT_THAT(problem, HasSubstr("/problems/invalid-events"));
  EXPECT_THAT(problem, HasSubstr("2 of 4 records are wrong, the first: record 1: InvoiceNo"));
  EXPECT_THAT(problem, HasSubstr("nothing was stored"));
  EXPECT_THAT(
      problem,
      HasSubstr(R"("errors":[{"index":1,"field":"InvoiceNo",)"
                R"("rule":"1 to 20 of A-Z, a-z, 0-9 and -","got":"5 6"},)"
                R"({"index":1,"field":"LineNo",)"
                R"("rule":"an integer from 1 to 2147483647, or absent","got":"0"},)"
                R"({"index":3,"field":"EventId",)"
                R"("rule":"a UUID such as 018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70, or absent",)"
                R"("got":"7"}])"));
}

TEST_F(RequestEventsTest, ASingleBadEventIsToldWithoutCounting) {
  std::string problem = refused(kJson, event("", R"(,"Quantity":1)"), 422, "invalid");
  EXPECT_THAT(problem, HasSubstr(R"("detail":"InvoiceNo: )"));
  EXPECT_THAT(problem, HasSubstr("Quantity: given once, got it twice; nothing was stored"));
  EXPECT_THAT(problem, HasSubstr(R"({"index":0,"field":"Quantity")"));
}

TEST_F(RequestEventsTest, ALongValueIsToldShortened) {
  std::string problem = refused(kJson, event(std::string(2'000, 'x') + "\xc3\xa9"), 422, "invalid");
  EXPECT_THAT(problem, HasSubstr(R"("got":")" + std::string(60, 'x') + R"(...")"));
  EXPECT_LT(problem.size(), 1'000u);
}

TEST_F(RequestEventsTest, AThousandBadRecordsAreToldInFullAndTheOthersByIndex) {
  std::string problem =
      refused(kJson, array_of(std::vector<std::string>(1'002, "{}")), 422, "invalid");
  EXPECT_THAT(problem, HasSubstr(R"({"index":999,"field":"Country",)"));
  EXPECT_THAT(problem, HasSubstr(R"(,{"index":1000},{"index":1001}])"));
  EXPECT_THAT(problem, HasSubstr("1002 of 1002 records are wrong"));
}

// What is refused must not cost many times the memory of what was sent.
TEST_F(RequestEventsTest, TheAnswerToManyTinyBadRecordsStaysSmall) {
  limits_.max_batch_records = 1'000'000;
  std::string body = array_of(std::vector<std::string>(50'000, "{}"));
  std::string problem = refused(kJson, body, 422, "invalid");
  EXPECT_LT(problem.size(), (1 << 20) + 6 * body.size());
}

TEST_F(RequestEventsTest, TakesAsManyRecordsAsTheLimitAndNotOneMore) {
  limits_.max_batch_records = 3;
  std::vector<std::string> records(3, event());
  EXPECT_EQ(taken(kJson, array_of(records)).size(), 3u);
  EXPECT_EQ(taken(kLines, fmt::format("{}\n\n", fmt::join(records, "\n"))).size(), 3u);
  records.push_back(event());
  std::string problem = refused(kJson, array_of(records), 413, "too_many");
  EXPECT_THAT(problem, HasSubstr("more than 3 records"));
  refused(kLines, fmt::format("{}", fmt::join(records, "\n")), 413, "too_many");
}

TEST_F(RequestEventsTest, TakesARecordOfExactlyTheLimitAndNotOneByteMore) {
  const std::string exact = event("1", R"(,"Extra":"xxxx")");
  const std::string larger = event("1", R"(,"Extra":"xxxxx")");
  limits_.max_record_bytes = exact.size();
  EXPECT_TRUE(read(kJson, "  " + exact + "\n"));
  EXPECT_TRUE(read(kLines, exact + "\r\n"));
  std::string wanted = fmt::format(R"("rule":"a smaller record","got":"{} bytes; the limit is {}")",
                                   larger.size(), exact.size());
  EXPECT_THAT(refused(kJson, larger, 422, "invalid"), HasSubstr(wanted));
  EXPECT_THAT(refused(kJson, array_of({exact, larger}), 422, "invalid"),
              HasSubstr(R"({"index":1,"field":"",)" + wanted));
}

TEST_F(RequestEventsTest, TheEventIdThatWasGivenIsKept) {
  auto given = fmt::format(R"(,"LineNo":3,"EventId":"{}")", kGivenId);
  EXPECT_EQ(to_string(taken(kJson, event("1", given)).front().event_id), kGivenId);
}

TEST_F(RequestEventsTest, ALineNumberGivesTheDerivedIdEachTime) {
  for (std::string_view more : {R"(,"LineNo":3)", R"(,"EventId":null,"LineNo":3)"})
    EXPECT_EQ(taken(kJson, event("536365", more)).front().event_id, derived_event_id("536365", 3));
}

TEST_F(RequestEventsTest, WithoutEitherEachEventIsNewAndOfThisMoment) {
  auto records = taken(kJson, array_of({event(), event(), event("536365", R"(,"LineNo":null)")}));
  std::set<EventId> ids;
  for (const Record& record : records) {
    ids.insert(record.event_id);
    EXPECT_EQ(to_string(record.event_id).substr(0, 15), "017f22e2-79b0-7");
  }
  EXPECT_EQ(ids.size(), 3u);
}

TEST_F(RequestEventsTest, AParserIsAsGoodAsNewAfterARefusal) {
  refused(kJson, "[{\"a\":[", 400, "malformed");
  EXPECT_TRUE(read(kJson, event()));
}

std::string piece() {
  static const std::vector<std::string> pieces = {event(),
                                                  event("C1", R"(,"LineNo":2)"),
                                                  event("1", R"(,"Quantity":0)"),
                                                  "{}",
                                                  "[",
                                                  "]",
                                                  ",",
                                                  "\n",
                                                  "\r\n",
                                                  " ",
                                                  "{",
                                                  "}",
                                                  "\"",
                                                  "\\",
                                                  ":",
                                                  "null",
                                                  "1e400",
                                                  "\"InvoiceNo\"",
                                                  "\xef\xbb\xbf",
                                                  "\xff",
                                                  std::string(1, '\0'),
                                                  "[[",
                                                  "]]"};
  return *rc::gen::elementOf(pieces);
}

TEST_F(RequestEventsTest, WhateverComesIsRecordsOrAProblem) {
  EXPECT_TRUE(rc::check([this] {
    std::string body;
    for (int left = *rc::gen::inRange(0, 9); left > 0; --left) body += piece();
    auto type = *rc::gen::element(kJson, kLines, std::string_view("text/json"));
    auto events = read(type, body);
    if (!events) {
      const http::Response& answer = events.error().answer;
      RC_ASSERT(answer.status >= 400 && answer.status < 500);
      RC_ASSERT(answer.content_type == "application/problem+json");
      RC_ASSERT(is_utf8(answer.body) && answer.body.find('\n') == std::string::npos);
      return;
    }
    RC_ASSERT(!events->records.empty());
    for (const Record& record : events->records) {
      auto line = parser_.parse(record.value);
      RC_ASSERT(line.has_value());
      RC_ASSERT(line->invoice_no == record.key);
      RC_ASSERT(body.find(record.value) != std::string::npos);
    }
  }));
}

}  // namespace
}  // namespace tillrace::gateway
