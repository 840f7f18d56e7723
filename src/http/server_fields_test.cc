// What every answer carries, and every request leaves in the log: ids, security fields, CORS.
#include "http/cors.h"
#include "http/request_id.h"
#include "http/request_log.h"
#include "http/server_for_tests.h"

namespace tillrace::http {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

class ServerFieldsTest : public ServerTest {
 protected:
  void add_routes(Router& router) override {
    router.add(Method::get, "/id",
               [](Request&& request, Reply reply) { reply(text(200, request.request_id)); });
    router.add(Method::get, "/cached", [](Request&&, Reply reply) {
      reply({200, {{"cache-control", "max-age=60"}}, "text/plain", ""});
    });
    router.add(Method::post, "/admitted", [](Request&&, Reply reply) { reply(text(422, "no")); },
               {.admit = [](Request& head) -> std::optional<Response> {
                 head.client = "till 7";
                 return std::nullopt;
               }});
  }
  std::string get(std::string_view path, std::string_view fields = "") {
    return exchange(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", path, fields));
  }
  // The answer's id, after making sure that the handler saw the same.
  std::string id_of(std::string_view fields) {
    auto answer = get("/id", fields);
    auto id = answer.substr(answer.find("\r\n\r\n") + 4);
    EXPECT_THAT(answer, HasSubstr("\r\nX-Request-Id: " + id + "\r\n"));
    return id;
  }
  void start_with_origin(std::string origin) {
    ServerOptions options;
    options.cors_origins = {"https://other.example", std::move(origin)};
    start(options);
  }
};

TEST_F(ServerFieldsTest, AnIdIsFreshUnlessTheClientGivesOne) {
  start();
  auto first = id_of("");
  auto second = id_of("");
  EXPECT_EQ(first.size(), 32u);
  EXPECT_NE(first, second);
  EXPECT_EQ(id_of("X-Request-Id: till-7_a.b\r\n"), "till-7_a.b");
  EXPECT_EQ(id_of(fmt::format("X-Request-Id: {}\r\n", std::string(64, 'x'))), std::string(64, 'x'));
}

TEST_F(ServerFieldsTest, AnIdThatIsNotSaneIsReplaced) {
  start();
  for (std::string_view bad : {"", "a b", "a=b", "\"a\"", "a;b", "\xc3\xa9"})
    EXPECT_NE(id_of(fmt::format("X-Request-Id: {}\r\n", bad)), bad);
  EXPECT_EQ(id_of(fmt::format("X-Request-Id: {}\r\n", std::string(65, 'x'))).size(), 32u);
}

TEST_F(ServerFieldsTest, ATraceGivesTheIdBeforeAnyOtherDoes) {
  start();
  auto parent = fmt::format("traceparent: 00-{}-00f067aa0ba902b7-01\r\n", kTrace);
  EXPECT_EQ(id_of("X-Request-Id: other\r\n" + parent), kTrace);
  EXPECT_EQ(id_of("X-Request-Id: other\r\ntraceparent: 00-nonsense\r\n"), "other");
}

TEST(TraceId, IsTakenOnlyFromAWholeTraceparent) {
  auto of = [](std::string_view version, std::string_view rest) -> std::optional<std::string> {
    auto parent = fmt::format("{}-{}{}", version, kTrace, rest);
    auto id = trace_id(parent);
    return id ? std::optional<std::string>(*id) : std::nullopt;
  };
  EXPECT_EQ(of("00", "-00f067aa0ba902b7-01"), kTrace);
  EXPECT_EQ(of("cc", "-00f067aa0ba902b7-01-what-comes-later"), kTrace);
  EXPECT_FALSE(of("00", "-00f067aa0ba902b7-01-more"));
  EXPECT_FALSE(of("cc", "-00f067aa0ba902b7-01x"));
  EXPECT_FALSE(of("ff", "-00f067aa0ba902b7-01"));
  EXPECT_FALSE(of("0G", "-00f067aa0ba902b7-01"));
  EXPECT_FALSE(of("00", "-0000000000000000-01"));
  EXPECT_FALSE(of("00", "-00F067AA0BA902B7-01"));
  EXPECT_FALSE(of("00", "-00f067aa0ba902b7-0"));
  EXPECT_FALSE(of("00", ""));
  EXPECT_FALSE(trace_id("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
}

TEST_F(ServerFieldsTest, EveryAnswerHasAnIdAndTheSecurityFields) {
  start();
  for (auto& answer : {get("/hello"), get("/none"), get("/nothing"), exchange("nonsense\r\n\r\n"),
                       exchange("OPTIONS /hello HTTP/1.1\r\nHost: x\r\n\r\n")}) {
    EXPECT_THAT(answer, HasSubstr("\r\nX-Request-Id: "));
    EXPECT_THAT(answer, HasSubstr("\r\nX-Content-Type-Options: nosniff\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nReferrer-Policy: no-referrer\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nX-Frame-Options: DENY\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nCache-Control: no-store\r\n"));
    EXPECT_THAT(answer, Not(HasSubstr("Strict-Transport-Security"))) << "this is not TLS";
  }
}

TEST_F(ServerFieldsTest, AHandlersCacheControlStands) {
  start();
  auto answer = get("/cached");
  EXPECT_THAT(answer, HasSubstr("\r\ncache-control: max-age=60\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("no-store")));
}

TEST_F(ServerFieldsTest, CorsIsOffUnlessConfigured) {
  start();
  auto answer = get("/hello", "Origin: https://shop.example\r\n");
  EXPECT_THAT(answer, HasStatus(200));
  EXPECT_THAT(answer, Not(HasSubstr("Access-Control")));
  EXPECT_THAT(answer, Not(HasSubstr("Vary")));
}

TEST_F(ServerFieldsTest, AConfiguredOriginMayReadAnswersAndRefusals) {
  start_with_origin("https://shop.example");
  for (auto path : {"/hello", "/none"}) {
    auto answer = get(path, "Origin: https://shop.example\r\n");
    EXPECT_THAT(answer, HasSubstr("\r\nAccess-Control-Allow-Origin: https://shop.example\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nVary: Origin\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nAccess-Control-Expose-Headers: X-Request-Id, Retry-After, "
                                  "Idempotent-Replay\r\n"));
    EXPECT_THAT(answer, Not(HasSubstr("Allow-Credentials")));
  }
}

TEST_F(ServerFieldsTest, OriginsAreComparedByteForByte) {
  start_with_origin("https://shop.example");
  for (auto origin : {"http://shop.example", "https://shop.example:443", "https://SHOP.example",
                      "https://shop.example.evil", "https://a.shop.example", "null", ""}) {
    auto answer = get("/hello", fmt::format("Origin: {}\r\n", origin));
    EXPECT_THAT(answer, Not(HasSubstr("Access-Control"))) << origin;
    EXPECT_THAT(answer, HasSubstr("\r\nVary: Origin\r\n")) << "caches must keep them apart";
  }
}

TEST_F(ServerFieldsTest, APreflightIsAnsweredForAKnownOriginAndPathOnly) {
  start_with_origin("https://shop.example");
  auto preflight = [this](std::string_view path, std::string_view origin) {
    return exchange(
        fmt::format("OPTIONS {} HTTP/1.1\r\nHost: x\r\nOrigin: {}\r\n"
                    "Access-Control-Request-Method: POST\r\n"
                    "Access-Control-Request-Headers: content-type,idempotency-key\r\n\r\n",
                    path, origin));
  };
  auto answer = preflight("/echo", "https://shop.example");
  EXPECT_THAT(answer, HasStatus(204));
  EXPECT_THAT(answer, HasSubstr("\r\nAccess-Control-Allow-Origin: https://shop.example\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nAccess-Control-Allow-Methods: OPTIONS, POST\r\n"));
  EXPECT_THAT(answer,
              HasSubstr("\r\nAccess-Control-Allow-Headers: content-type,idempotency-key\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nAccess-Control-Max-Age: 600\r\n"));
  EXPECT_THAT(preflight("/echo", "https://evil.example"), Not(HasSubstr("Access-Control")));
  EXPECT_THAT(preflight("/none", "https://shop.example"), Not(HasSubstr("Allow-Methods")));
}

TEST_F(ServerFieldsTest, OriginsThatNoBrowserSendsAreRefusedAtTheStart) {
  for (auto bad : {"*", "", "shop.example", "https://", "https://shop.example/",
                   "https://*.example", "https://a.example https://b.example"}) {
    ServerOptions options;
    options.cors_origins = {bad};
    auto server = Server::listen(options, Router(), metrics_);
    ASSERT_FALSE(server) << bad;
    EXPECT_THAT(server.error().message, HasSubstr("cors_origins"));
  }
}

// ---- the log

TEST_F(ServerFieldsTest, ARefusalIsALineWithoutAnythingSecret) {
  start();
  testing::internal::CaptureStderr();
  auto answer = exchange(
      "POST /admitted?token=secret1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret2\r\n"
      "X-Request-Id: r-1\r\nContent-Length: 7\r\n\r\nsecret3");
  EXPECT_TRUE(server_->drain(std::chrono::seconds(5)));
  auto line = testing::internal::GetCapturedStderr();
  EXPECT_THAT(answer, HasStatus(422));
  EXPECT_THAT(line, HasSubstr(" info http: answered request_id=r-1 method=POST path=/admitted "
                              "status=422 duration_ms="));
  EXPECT_THAT(line, HasSubstr(" bytes=7 client=till%207\n"));
  EXPECT_THAT(line, Not(HasSubstr("secret")));
}

RequestFacts facts_of(std::string path) {
  Request request;
  request.path = std::move(path);
  RequestFacts facts;
  facts.id = "id";
  facts.note(request, {});
  return facts;
}

TEST(RequestLog, APathIsEscapedAndCut) {
  EXPECT_EQ(loggable("/a b\n\"=\\%\xc3\xa9"), "/a%20b%0A%22%3D%5C%25%C3%A9");
  EXPECT_EQ(loggable("/" + std::string(200, 'p')).size(), 128u);
  EXPECT_EQ(loggable("/" + std::string(200, ' ')).size(), 127u) << "no half of an escape";
}

TEST(RequestLog, WritesTwentyRefusalsASecondAndCountsTheRest) {
  using Outcome = RequestLog::Outcome;
  RequestLog log;
  auto facts = facts_of("/a");
  auto second = std::chrono::nanoseconds(std::chrono::seconds(1));
  testing::internal::CaptureStderr();
  for (int i = 0; i < 120; ++i) log.write(Outcome::answered, facts, 429, 0, 5 * second);
  log.write(Outcome::answered, facts, 503, 0, 5 * second);
  log.write(Outcome::answered, facts, 201, 0, 5 * second);
  log.tick(6 * second - std::chrono::nanoseconds(1));
  log.tick(6 * second);
  log.tick(7 * second);
  log.write(Outcome::broken_off, facts, 207, 0, 7 * second);
  auto lines = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 22) << lines;
  EXPECT_THAT(lines, HasSubstr(" warning http: further refusals without a line requests=101\n"));
  EXPECT_THAT(lines, HasSubstr(" info http: answer broken off request_id=id"));
}

}  // namespace
}  // namespace tillrace::http
