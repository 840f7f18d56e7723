#include "http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "http/problem.h"
#include "http/response_head.h"

namespace tillrace::http {
namespace {

using testing::HasSubstr;

TEST(Headers, AreFoundWithoutRegardToCase) {
  Headers headers{{"Content-Type", "text/csv"}, {"X", "1"}, {"x", "2"}};
  EXPECT_EQ(headers.find("content-TYPE"), "text/csv");
  EXPECT_EQ(headers.find("X"), "1");
  EXPECT_EQ(headers.count("x"), 2u);
  EXPECT_EQ(headers.find("Content-Typ"), std::nullopt);
}

TEST(PercentEncoding, DecodingGivesBackWhatWasEncoded) {
  EXPECT_TRUE(rc::check([](const std::string& any) {
    RC_ASSERT(percent_decode(percent_encode(any)).value() == any);
  }));
}

TEST(PercentEncoding, MalformedTextIsRefusedWithItsPlace) {
  for (std::string_view bad : {"%", "ab%4", "%g0", "%0g", "%%41"})
    EXPECT_FALSE(percent_decode(bad)) << bad;
  EXPECT_THAT(percent_decode("ab%4").error().message, HasSubstr("byte 3"));
}

TEST(Query, DecodesNamesAndValues) {
  auto query = Query::parse("from=2011-01-01&name=caf%C3%A9+noir%26co&flag&=x&&a=b=c");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->find("from"), "2011-01-01");
  EXPECT_EQ(query->find("name"), "caf\xc3\xa9 noir&co");
  EXPECT_EQ(query->find("flag"), "");
  EXPECT_EQ(query->find("a"), "b=c");
  EXPECT_EQ(query->find("none"), std::nullopt);
}

TEST(Query, AMalformedParameterIsRefusedAndNamed) {
  auto value = Query::parse("ok=1&n=%");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, Code::invalid);
  EXPECT_THAT(value.error().message, HasSubstr("'n'"));
  EXPECT_FALSE(Query::parse("%x=1"));
}

TEST(Problem, IsJsonWithAStableTypeAndFurtherMembers) {
  auto response = problem(422, "bad-record", "A record is wrong", "Quantity is 0",
                          [](JsonWriter& json) { json.field("index", std::int64_t{7}); });
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(response.body,
            R"({"type":"/problems/bad-record","title":"A record is wrong","status":422,)"
            R"("detail":"Quantity is 0","index":7})");
}

TEST(HttpDate, IsWrittenAsTheStandardWritesIt) {
  EXPECT_EQ(http_date(UtcMicros{784111777'000000}), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(ResponseHead, UnknownStatusesStillHaveAReason) {
  std::string head;
  append_head(head, {599, {}, "", ""}, {"now"});
  EXPECT_THAT(head, testing::StartsWith("HTTP/1.1 599 Other\r\n"));
}

}  // namespace
}  // namespace tillrace::http
