#include "auth/key_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/jwks_host_for_tests.h"
#include "auth/provider_for_tests.h"
#include "base/scratch_for_tests.h"

namespace tillrace::auth {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class KeySourceTest : public testing::Test {
 protected:
  KeySourceTest() { options_.first_pause_ms = 20; }

  void open(const std::string& location) {
    options_.location = location;
    auto opened = KeySource::open(options_, clock_, metrics_);
    ASSERT_TRUE(opened) << opened.error().message;
    source_ = std::move(*opened);
  }
  bool has(std::string_view kid) const {
    auto keys = source_->current().keys;
    return keys && keys->find(kid, Algorithm::es256) != nullptr;
  }
  bool comes(std::string_view kid) const {
    return comes_true([&] { return has(kid); });
  }
  bool counts(std::string_view result, int least) {
    auto label = fmt::format("tillrace_auth_jwks_fetches_total{{result=\"{}\"}} ", result);
    return comes_true([&] {
      std::string text = metrics_.text();
      std::size_t at = text.find(label);
      return at != std::string::npos && std::stoi(text.substr(at + label.size())) >= least;
    });
  }
  // One that answers in a way that is of no use, from the start.
  void expect_no_keys_from(http::Response answer, std::string_view why) {
    JwksHost host("");
    host.answer(std::move(answer));
    testing::internal::CaptureStderr();
    open(host.url());
    EXPECT_TRUE(comes_true([&] { return host.fetches() >= 2; }));
    EXPECT_EQ(source_->current().keys, nullptr);
    EXPECT_TRUE(source_->ask_for_newer());
    source_.reset();
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr(why));
  }

  SystemClock clock_;
  Metrics metrics_;
  KeySourceOptions options_;
  std::unique_ptr<KeySource> source_;
};

TEST_F(KeySourceTest, FetchesAtOnceWithoutBeingWaitedFor) {
  JwksHost host(key_set({ec_key().jwk("a")}));
  open(host.url());
  EXPECT_TRUE(comes("a"));
  EXPECT_TRUE(counts("ok", 1));
}

TEST_F(KeySourceTest, FetchesAgainWhenTheTimeHasCome) {
  JwksHost host(key_set({ec_key().jwk("a")}));
  options_.refresh_ms = 20;
  open(host.url());
  ASSERT_TRUE(comes("a"));
  std::uint64_t generation = source_->current().generation;
  int fetches = host.fetches();
  EXPECT_TRUE(comes_true([&] { return host.fetches() > fetches + 2; }));
  EXPECT_EQ(source_->current().generation, generation);  // the same keys are no others
  host.answer({200, {}, "application/json", key_set({ec_key().jwk("b")})});
  EXPECT_TRUE(comes("b"));
  EXPECT_FALSE(has("a"));
  EXPECT_NE(source_->current().generation, generation);
}

TEST_F(KeySourceTest, FetchesWhenAskedButNotTooOften) {
  JwksHost host(key_set({ec_key().jwk("a")}));
  options_.least_pause_ms = 300;
  open(host.url());
  ASSERT_TRUE(comes("a"));
  ASSERT_TRUE(counts("ok", 1));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(source_->ask_for_newer());
  EXPECT_EQ(host.fetches(), 1);
  host.answer({200, {}, "application/json", key_set({ec_key().jwk("b")})});
  std::this_thread::sleep_for(310ms);
  EXPECT_TRUE(source_->ask_for_newer());
  EXPECT_TRUE(comes("b"));
  EXPECT_EQ(host.fetches(), 2);
}

TEST_F(KeySourceTest, KeepsTheKeysWhenAFetchFails) {
  JwksHost host(key_set({ec_key().jwk("a")}));
  options_.refresh_ms = 20;
  options_.least_pause_ms = 20;
  open(host.url());
  ASSERT_TRUE(comes("a"));
  int failures = 0;
  for (http::Response answer :
       {http::Response{500, {}, "", ""}, http::Response{200, {}, "text/html", "<html>"},
        http::Response{200, {}, "", ""}, http::Response{200, {}, "", R"({"keys":[]})"},
        http::Response{302, {{"Location", "/keys"}}, "", ""}, http::Response{204, {}, "", ""}}) {
    host.answer(answer);
    failures += 2;
    EXPECT_TRUE(counts("failed", failures)) << answer.status;
    EXPECT_TRUE(has("a"));
    EXPECT_TRUE(source_->ask_for_newer());  // nobody can say that there is no such key
  }
  host.answer({200, {}, "", key_set({ec_key().jwk("b")})});
  EXPECT_TRUE(comes("b"));
}

TEST_F(KeySourceTest, AHostThatIsDownIsTriedAgain) {
  std::string url;
  {
    JwksHost host("");
    url = host.url();
  }
  open(url);
  EXPECT_TRUE(counts("failed", 2));
  EXPECT_EQ(source_->current().keys, nullptr);
}

TEST_F(KeySourceTest, ASlowHostIsGivenUpAndHoldsNobody) {
  JwksHost host(key_set({ec_key().jwk("a")}));
  options_.refresh_ms = 20;
  options_.least_pause_ms = 20;
  options_.timeout_ms = 200;
  open(host.url());
  ASSERT_TRUE(comes("a"));
  host.hang();
  EXPECT_TRUE(counts("failed", 1));
  auto before = clock_.monotonic();
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(has("a"));
  source_->ask_for_newer();
  EXPECT_LT(clock_.monotonic() - before, 150ms);
  source_.reset();
  EXPECT_LT(clock_.monotonic() - before, 2s);
}

TEST_F(KeySourceTest, RedirectsAreNotFollowed) {
  JwksHost other(key_set({ec_key().jwk("a")}));
  expect_no_keys_from({301, {{"Location", other.url()}}, "", key_set({ec_key().jwk("a")})},
                      "status 301, not 200; give the address it redirects to");
  EXPECT_EQ(other.fetches(), 0);
}

TEST_F(KeySourceTest, GarbageIsNoKeySet) {
  expect_no_keys_from({200, {}, "text/html", "<html>sign in</html>"}, "no JSON");
}

TEST_F(KeySourceTest, AHugeKeySetIsNotTaken) {
  std::string set = key_set({ec_key().jwk("a")});
  expect_no_keys_from({200, {}, "", set + std::string(kMostKeySetBytes, ' ')}, "more than");
}

TEST_F(KeySourceTest, AStatusOtherThan200IsNoAnswer) {
  expect_no_keys_from({404, {}, "", key_set({ec_key().jwk("a")})}, "status 404");
}

TEST_F(KeySourceTest, AFailureThatLastsIsToldOnce) {
  JwksHost host("garbage");
  options_.first_pause_ms = 1;
  testing::internal::CaptureStderr();
  open(host.url());
  EXPECT_TRUE(counts("failed", 5));
  source_.reset();
  std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
}

TEST_F(KeySourceTest, AFileIsReadAtOnceAndFollowed) {
  ScratchFolder folder;
  auto file = folder.file("jwks.json", key_set({ec_key().jwk("a")}));
  options_.refresh_ms = 20;
  options_.least_pause_ms = 20;
  open(file.string());
  EXPECT_TRUE(has("a"));
  folder.file("jwks.json", "broken");
  EXPECT_TRUE(counts("failed", 2));
  EXPECT_TRUE(has("a"));
  folder.file("jwks.json", key_set({ec_key().jwk("b")}));
  EXPECT_TRUE(comes("b"));
}

TEST_F(KeySourceTest, AFileThatIsNoKeySetEndsTheStart) {
  ScratchFolder folder;
  for (const std::string& text : {std::string(), std::string("{}"), key_set({})}) {
    options_.location = folder.file("jwks.json", text).string();
    EXPECT_EQ(KeySource::open(options_, clock_, metrics_).error().code, Code::invalid);
  }
  options_.location = (folder.path() / "none.json").string();
  EXPECT_EQ(KeySource::open(options_, clock_, metrics_).error().code, Code::not_found);
}

TEST_F(KeySourceTest, AnAddressThatHoldsAPasswordIsRefused) {
  options_.location = "https://user:password@id.example.com/keys";
  auto opened = KeySource::open(options_, clock_, metrics_);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, testing::Not(HasSubstr("user:password")));
}

TEST_F(KeySourceTest, PlainHttpFromElsewhereIsWarnedOf) {
  options_.timeout_ms = 50;
  testing::internal::CaptureStderr();
  open("http://192.0.2.1/keys");
  source_.reset();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("plain http"));
}

}  // namespace
}  // namespace tillrace::auth
