#include "http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tillrace::http {
namespace {

using testing::HasSubstr;
using testing::Not;

void ignore(Request&&, Reply) {}

Router sample() {
  Router router;
  router.add(Method::get, "/v1/things", ignore);
  router.add(Method::post, "/v1/things", ignore, {.max_body_bytes = 8});
  router.add(Method::post, "/v1/transactions", ignore);
  router.add(Method::get, "/healthz", ignore);
  return router;
}

TEST(Router, TellsMethodsOfAPathApart) {
  Router router = sample();
  EXPECT_EQ(router.match(Method::post, "/v1/things").value()->options.max_body_bytes, 8u);
  EXPECT_EQ(router.match(Method::get, "/v1/things").value()->options.max_body_bytes, std::nullopt);
  EXPECT_EQ(router.match(Method::head, "/v1/things").value(),
            router.match(Method::get, "/v1/things").value());
}

TEST(Router, AnUnknownPathIsToldTheNearest) {
  auto missed = sample().match(Method::post, "/v1/transaction");
  ASSERT_FALSE(missed);
  EXPECT_EQ(missed.error().status, 404);
  EXPECT_THAT(missed.error().body, HasSubstr("\"nearest\":[\"/v1/transactions\""));
}

TEST(Router, APathUnlikeAllOthersIsToldNone) {
  auto missed = sample().match(Method::get, "/wp-login.php?really-something-else");
  ASSERT_FALSE(missed);
  EXPECT_THAT(missed.error().body, HasSubstr("\"nearest\":[]"));
  EXPECT_THAT(missed.error().body, Not(HasSubstr("did you mean")));
}

TEST(Router, AHugePathIsNotEchoedWhole) {
  auto missed = sample().match(Method::get, "/" + std::string(100'000, 'x'));
  ASSERT_FALSE(missed);
  EXPECT_LT(missed.error().body.size(), 1000u);
}

TEST(Router, AWrongMethodIsToldTheRightOnes) {
  auto missed = sample().match(Method::get, "/v1/transactions");
  ASSERT_FALSE(missed);
  EXPECT_EQ(missed.error().status, 405);
  EXPECT_EQ(missed.error().headers.find("Allow"), "OPTIONS, POST");
  EXPECT_EQ(sample().match(Method::head, "/v1/transactions").error().status, 405);
}

TEST(Router, OptionsNamesTheMethodsOfAPathAndOfTheWholeServer) {
  auto path = sample().match(Method::options, "/healthz");
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().status, 204);
  EXPECT_EQ(path.error().headers.find("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(sample().match(Method::options, "*").error().headers.find("Allow"),
            "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(sample().match(Method::options, "/none").error().status, 404);
}

TEST(Router, TheSameRouteTwiceIsABug) {
  Router router = sample();
  EXPECT_DEATH(router.add(Method::get, "/healthz", ignore), "CHECK");
}

}  // namespace
}  // namespace tillrace::http
