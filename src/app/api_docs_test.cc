#include "app/api_docs.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "app/embedded_files.h"
#include "app/problem_kinds.h"

namespace tillrace::app {
namespace {

using testing::HasSubstr;
using testing::Not;

class ApiDocsTest : public testing::Test {
 protected:
  void SetUp() override { mount_api_docs(router_); }

  http::Response get(std::string path, std::string_view accept = "*/*") {
    auto route = router_.match(http::Method::get, path);
    if (!route) return route.error();
    http::Request request;
    request.path = std::move(path);
    request.headers.add("Accept", accept);
    http::Response answer;
    (*route)->handler(std::move(request), [&](http::Response response) { answer = response; });
    return answer;
  }

  http::Router router_;
};

TEST_F(ApiDocsTest, EachFileIsServedAsWhatItIs) {
  EXPECT_EQ(get("/openapi.json").content_type, "application/json");
  EXPECT_EQ(get("/docs").content_type, "text/html; charset=utf-8");
  EXPECT_EQ(get("/docs/app.js").content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(get("/docs/style.css").content_type, "text/css; charset=utf-8");
  EXPECT_EQ(get("/docs/icon.svg").content_type, "image/svg+xml");
  for (const EmbeddedFile& file : embedded_files()) EXPECT_FALSE(file.text.empty()) << file.name;
}

TEST_F(ApiDocsTest, OnlyWhatIsThereIsServed) {
  for (const char* path :
       {"/docs/", "/docs/index.html", "/docs/nothing.js", "/docs/../openapi.json", "/problems/",
        "/problems/no-such-problem", "/problems/BUSY"})
    EXPECT_EQ(get(path).status, 404) << path;
  EXPECT_EQ(router_.match(http::Method::post, "/docs").error().status, 405);
}

// No script and no style stands in a page, and none comes from elsewhere: so the policy forbids
// both.
TEST_F(ApiDocsTest, APageRunsNothingButItsOwnFiles) {
  for (const char* path : {"/docs", "/problems", "/problems/busy"}) {
    http::Response page = get(path, "text/html");
    std::string policy(page.headers.find("Content-Security-Policy").value_or(""));
    EXPECT_THAT(policy, HasSubstr("default-src 'none'; script-src 'self'")) << path;
    EXPECT_THAT(policy, Not(HasSubstr("unsafe"))) << path;
    for (const char* inline_or_foreign : {"<style", "style=", " onclick", "<script>", "//"})
      EXPECT_THAT(page.body, Not(HasSubstr(inline_or_foreign))) << path;
  }
}

TEST_F(ApiDocsTest, AProblemIsAPageForBrowsersAndJsonForOthers) {
  http::Response page = get("/problems/busy", "text/html,application/xhtml+xml;q=0.9");
  EXPECT_THAT(page.body, HasSubstr("<h1>Too much is waiting to be stored</h1>"));
  http::Response json = get("/problems/busy");
  EXPECT_EQ(json.content_type, "application/json");
  EXPECT_THAT(json.body, HasSubstr(R"({"type":"/problems/busy","status":429,"title":"Too much )"));
  for (const http::Response& answer : {page, json})
    EXPECT_EQ(answer.headers.find("Vary"), "Accept");
}

TEST_F(ApiDocsTest, EachProblemHasItsPlaceInTheListAndInTheDocument) {
  std::string list = get("/problems").body, page = get("/problems", "text/html").body;
  std::string document = get("/openapi.json").body;
  for (const ProblemKind& kind : problem_kinds()) {
    EXPECT_EQ(get(fmt::format("/problems/{}", kind.slug)).status, 200) << kind.slug;
    EXPECT_THAT(list, HasSubstr(fmt::format(R"("type":"/problems/{}")", kind.slug)));
    EXPECT_THAT(page, HasSubstr(fmt::format(R"(<a href="/problems/{}">)", kind.slug)));
    EXPECT_THAT(document, HasSubstr(fmt::format(R"("/problems/{}")", kind.slug)));
  }
}

TEST(ProblemKinds, AreSortedByStatusAndEachIsThereOnce) {
  std::set<std::string_view> slugs;
  int status = 400;
  for (const ProblemKind& kind : problem_kinds()) {
    EXPECT_TRUE(slugs.insert(kind.slug).second) << kind.slug;
    EXPECT_GE(kind.status, status) << kind.slug;
    status = kind.status;
    for (std::string_view text : {kind.meaning, kind.remedy}) EXPECT_EQ(text.back(), '.') << text;
  }
}

TEST(ProblemKinds, TextsAreEscapedInPages) {
  ProblemKind kind{400, "odd", "<b> & Co", "1 < 2.", "a > b."};
  EXPECT_THAT(to_page(kind), HasSubstr("<h1>&lt;b&gt; &amp; Co</h1>"));
  EXPECT_THAT(to_page(std::span(&kind, 1)), HasSubstr("<td>1 &lt; 2.</td><td>a &gt; b.</td>"));
}

}  // namespace
}  // namespace tillrace::app
