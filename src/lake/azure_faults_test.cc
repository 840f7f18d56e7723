// The store on Azure behind a bad line: nothing is lost, and nothing is told wrongly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/scratch_for_tests.h"
#include "base/thread.h"
#include "lake/azure_proxy_for_tests.h"
#include "lake/azurite_for_tests.h"
#include "lake/matchers_for_tests.h"

namespace tillrace::lake {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Kind = Fault::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array kPassingFaults{Kind::refuse, Kind::lose_request, Kind::cut_request,
                                    Kind::lose_answer, Kind::cut_answer};

bool is_put(std::string_view request) { return request.starts_with("PUT "); }
bool is_head(std::string_view request) { return request.starts_with("HEAD "); }
bool is_commit(std::string_view request) {
  return is_put(request) &&
         request.substr(0, request.find("\r\n")).find("comp=blocklist") != std::string_view::npos;
}
bool is_any(std::string_view) { return true; }

class AzuriteFaults : public testing::Test {
 protected:
  void SetUp() override {
    if (!Azurite::shared()) {
      if (std::getenv("CI")) FAIL() << "Azurite is absent";
      GTEST_SKIP() << "Azurite is absent; `tools/install.sh test` installs it";
    }
    container_ = std::make_unique<AzuriteContainer>(*Azurite::shared());
    proxy_ = std::make_unique<BadProxy>(Azurite::shared()->port());
    store_ = open(Azurite::endpoint_at(proxy_->port()));
    straight_ = open(Azurite::shared()->endpoint());
  }
  AzureOptions options(const std::string& endpoint) { return container_->options(endpoint); }
  std::unique_ptr<AzureStore> open(const std::string& endpoint) { return open(options(endpoint)); }
  std::unique_ptr<AzureStore> open(const AzureOptions& options) {
    auto opened = AzureStore::open(options, clock_, random_, metrics_);
    EXPECT_THAT(opened, Succeeds());
    return std::move(*opened);
  }

  HastyClock clock_;
  SeededRandom random_{1};
  Metrics metrics_;
  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  std::unique_ptr<AzuriteContainer> container_;
  std::unique_ptr<BadProxy> proxy_;
  std::unique_ptr<AzureStore> store_;     // by the bad line
  std::unique_ptr<AzureStore> straight_;  // by none
};

TEST_F(AzuriteFaults, EachOperationPassesOverEachFault) {
  std::string large(AzureStore::kBlockBytes + 1000, 'l');
  std::filesystem::path local = scratch_.path() / "local";
  std::ofstream(local, std::ios::binary) << large;
  for (Kind kind : kPassingFaults) {
    std::string folder = fmt::format("f{}/", static_cast<int>(kind));
    auto meet = [&] { proxy_->once({.kind = kind}, is_any); };
    meet();
    EXPECT_THAT(store_->put_if_absent(folder + "0", "zero"), Succeeds());
    meet();
    EXPECT_THAT(store_->put(folder + "1", "one"), Succeeds());
    meet();
    EXPECT_THAT(store_->put_file(folder + "2", local), Succeeds());
    meet();
    EXPECT_EQ(store_->get(folder + "0").value_or("none"), "zero");
    meet();
    EXPECT_EQ(store_->get_range(folder + "1", 1, 1).value_or("none"), "n");
    meet();
    EXPECT_EQ(store_->head(folder + "2")->bytes, large.size());
    meet();
    EXPECT_TRUE(store_->get(folder + "2").value_or("none") == large);
    meet();
    int files = 0;
    EXPECT_THAT(store_->list(folder, [&](const StoredFile&) { return ++files > 0; }), Succeeds());
    EXPECT_EQ(files, 3);
    meet();
    EXPECT_THAT(store_->remove(folder + "1"), Succeeds());
    EXPECT_THAT(straight_->head(folder + "1"), FailsWith(Code::not_found));
    meet();
    EXPECT_THAT(store_->get(folder + "1"), FailsWith(Code::not_found));
    meet();
    EXPECT_THAT(store_->put_if_absent(folder + "0", "zero"), FailsWith(Code::conflict));
  }
}

TEST_F(AzuriteFaults, EveryPassingStatusIsTriedAgain) {
  for (int status : {408, 429, 500, 502, 503, 504}) {
    proxy_->once({.kind = Kind::refuse, .status = status}, is_any);
    EXPECT_THAT(store_->put("a", fmt::format("{}", status)), Succeeds());
    EXPECT_EQ(straight_->get("a").value(), fmt::format("{}", status));
  }
  EXPECT_THAT(clock_.pauses(), SizeIs(6));
}

TEST_F(AzuriteFaults, APutWhoseAnswerIsLostIsTheCallersOwn) {
  for (Kind kind : {Kind::lose_answer, Kind::cut_answer}) {
    std::string path = fmt::format("log/{}.json", static_cast<int>(kind));
    proxy_->once({.kind = kind}, is_put);
    EXPECT_THAT(store_->put_if_absent(path, "mine"), Succeeds());
    EXPECT_EQ(straight_->get(path).value(), "mine");
    EXPECT_THAT(store_->put_if_absent(path, "mine"), FailsWith(Code::conflict));
  }
}

TEST_F(AzuriteFaults, APutWhoseTryIsLostIsNotTheCallersOwnWhenSomeoneElseWasFirst) {
  bool other_came = false;
  proxy_->choose([&](std::string_view) {
    if (std::exchange(other_came, true)) return Fault{};
    EXPECT_THAT(straight_->put_if_absent("log/0.json", "the same"), Succeeds());
    return Fault{.kind = Kind::lose_request};
  });
  EXPECT_THAT(store_->put_if_absent("log/0.json", "the same"), FailsWith(Code::conflict));
}

TEST_F(AzuriteFaults, ACommitOfBlocksWhoseAnswerIsLostIsTheCallersOwn) {
  std::string large(AzureStore::kBlockBytes + 1, 'x');
  proxy_->once({.kind = Kind::lose_answer}, is_commit);
  EXPECT_THAT(store_->put_if_absent("large", large), Succeeds());
  proxy_->once({.kind = Kind::lose_answer}, is_commit);
  EXPECT_THAT(store_->put("large", large + "y"), Succeeds());
  EXPECT_TRUE(straight_->get("large").value() == large + "y");
}

TEST_F(AzuriteFaults, AConflictThatCannotBeExplainedIsUnavailable) {
  ASSERT_THAT(straight_->put("taken", "x"), Succeeds());
  proxy_->choose([](std::string_view request) {
    return is_head(request) ? Fault{.kind = Kind::refuse} : Fault{};
  });
  EXPECT_THAT(store_->put_if_absent("taken", "y"), FailsWith(Code::unavailable));
}

TEST_F(AzuriteFaults, PausesGrowUpToALimitAndAreNotAllAlike) {
  int refused = 0;
  proxy_->choose(
      [&](std::string_view) { return ++refused <= 8 ? Fault{.kind = Kind::refuse} : Fault{}; });
  EXPECT_THAT(store_->put("a", "x"), Succeeds());
  std::vector<std::chrono::nanoseconds> pauses = clock_.pauses();
  ASSERT_THAT(pauses, SizeIs(8));
  for (std::size_t i = 0; i < pauses.size(); ++i) {
    milliseconds full(std::min(200 << i, 5'000));
    EXPECT_GE(pauses[i], full / 2) << i;
    EXPECT_LE(pauses[i], full) << i;
  }
  EXPECT_NE(pauses[6], pauses[7]);
}

TEST_F(AzuriteFaults, RetryAfterIsHonoured) {
  for (std::string field : {"Retry-After: 7", "retry-after: 7", "x-ms-retry-after-ms: 7000"}) {
    std::size_t before = clock_.pauses().size();
    proxy_->once({.kind = Kind::refuse, .fields = field + "\r\n"}, is_any);
    EXPECT_THAT(store_->put("a", "x"), Succeeds());
    ASSERT_EQ(clock_.pauses().size(), before + 1);
    EXPECT_EQ(clock_.pauses().back(), seconds(7)) << field;
  }
}

TEST_F(AzuriteFaults, ARetryAfterBeyondTheTotalTimeIsNotWaitedFor) {
  proxy_->choose([](std::string_view) {
    return Fault{.kind = Kind::refuse, .fields = "Retry-After: 3600\r\n"};
  });
  EXPECT_THAT(store_->get("a"), FailsWith(Code::unavailable));
  EXPECT_EQ(proxy_->requests(), 1);
  EXPECT_THAT(clock_.pauses(), IsEmpty());
}

TEST_F(AzuriteFaults, TroubleThatStaysIsToldInTimeWithAllThatHelps) {
  proxy_->choose([](std::string_view) { return Fault{.kind = Kind::refuse}; });
  auto begin = clock_.monotonic();
  auto put = store_->put_if_absent("bronze/x.json", "x");
  EXPECT_LT(clock_.monotonic() - begin, seconds(65));
  ASSERT_THAT(put, FailsWith(Code::unavailable));
  for (std::string part :
       {"put_if_absent", "bronze/x.json", "503", "ServerBusy", "0000-proxy", "127.0.0.1", "tries"})
    EXPECT_THAT(put.error().message, HasSubstr(part));
  EXPECT_GT(proxy_->requests(), 10);
  EXPECT_THAT(metrics_.text(),
              HasSubstr("tillrace_lake_azure_requests_total{result=\"failed\"} 1"));
}

TEST_F(AzuriteFaults, AServiceThatHangsIsTriedAgain) {
  AzureOptions hasty = options(Azurite::endpoint_at(proxy_->port()));
  hasty.retry.try_ms = 300;
  auto store = open(hasty);
  proxy_->once({.kind = Kind::hang}, is_any);
  EXPECT_THAT(store->put_if_absent("a", "x"), Succeeds());
  proxy_->once({.kind = Kind::hang_after}, is_any);
  EXPECT_THAT(store->put_if_absent("b", "x"), Succeeds());
  EXPECT_EQ(straight_->get("b").value(), "x");
  hasty.retry.total_ms = 1'000;
  store = open(hasty);
  proxy_->choose([](std::string_view) { return Fault{.kind = Kind::hang}; });
  EXPECT_THAT(store->get("a"), FailsWith(Code::unavailable));
}

TEST_F(AzuriteFaults, AServiceThatIsAwayIsUnavailableAndComesBack) {
  std::string gone = Azurite::endpoint_at(1);
  auto got = open(gone)->get("a");
  ASSERT_THAT(got, FailsWith(Code::unavailable));
  EXPECT_THAT(got.error().message, HasSubstr("127.0.0.1:1"));
  int lost = 0;
  proxy_->choose(
      [&](std::string_view) { return ++lost <= 10 ? Fault{.kind = Kind::lose_request} : Fault{}; });
  EXPECT_THAT(store_->put("a", "x"), Succeeds());
}

TEST_F(AzuriteFaults, AWrongKeyIsToldAtOnceAndNotShown) {
  AzureOptions wrong = options(Azurite::endpoint_at(proxy_->port()));
  std::string key = "bm90IHRoZSBrZXk=";
  wrong.credential = AccountKey{key};
  auto put = open(wrong)->put("a", "x");
  ASSERT_THAT(put, FailsWith(Code::unavailable));
  EXPECT_EQ(proxy_->requests(), 1);
  EXPECT_THAT(put.error().message, HasSubstr("credentials"));
  EXPECT_THAT(put.error().message, HasSubstr("403"));
  EXPECT_THAT(put.error().message, Not(HasSubstr(key)));
}

TEST_F(AzuriteFaults, AMissingContainerIsNoMissingFile) {
  AzureOptions other = options(Azurite::shared()->endpoint());
  other.root = "abfss://nobody@devstoreaccount1.dfs.core.windows.net/lake";
  auto store = open(other);
  EXPECT_THAT(store->get("a"), FailsWith(Code::unavailable));
  EXPECT_THAT(store->head("a"), FailsWith(Code::unavailable));
  EXPECT_THAT(store->put("a", "x"), FailsWith(Code::unavailable));
  EXPECT_THAT(store->remove("a"), FailsWith(Code::unavailable));
  EXPECT_THAT(store->list("", [](const StoredFile&) { return true; }),
              FailsWith(Code::unavailable));
  EXPECT_THAT(store->get("a").error().message, HasSubstr("container"));
}

// Made by Python's hmac for the account of every Azurite; until 2099.
constexpr const char* kAllowAll =
    "sv=2020-08-04&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp&sig="
    "lP4358Cnz1iq8XYqBFoRARKlOuXCuZxE4Uf0d7qFrYE%3D";
constexpr const char* kAllowRead =
    "sv=2020-08-04&ss=b&srt=sco&sp=rl&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp&sig="
    "qi5Q4Of1Zau4CLIJ7Kxtt9pIAzOjWpUTj9HyhZkw3Tw%3D";

TEST_F(AzuriteFaults, ASharedAccessSignatureDoesWhatItPermits) {
  AzureOptions with_signature = options(Azurite::shared()->endpoint());
  with_signature.credential = SharedAccessSignature{std::string("?") + kAllowAll};
  auto store = open(with_signature);
  EXPECT_THAT(store->put_if_absent("a b+c", "x"), Succeeds());
  EXPECT_THAT(store->put_if_absent("a b+c", "x"), FailsWith(Code::conflict));
  with_signature.credential = SharedAccessSignature{kAllowRead};
  store = open(with_signature);
  EXPECT_EQ(store->get("a b+c").value_or("none"), "x");
  int files = 0;
  EXPECT_THAT(store->list("a", [&](const StoredFile&) { return ++files > 0; }), Succeeds());
  EXPECT_EQ(files, 1);
  auto removed = store->remove("a b+c");
  ASSERT_THAT(removed, FailsWith(Code::unavailable));
  EXPECT_THAT(removed.error().message, HasSubstr("permit"));
  EXPECT_THAT(removed.error().message, Not(HasSubstr("sig=")));
}

// Many writers want the same names, each by its own bad line of luck.
class AzuriteRaces : public AzuriteFaults, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(AzuriteRaces, OfManyWritersOneIsToldThatItWonAndItDid) {
  constexpr int kWriters = 8;
  constexpr std::size_t kNames = 10;
  SeededRandom luck(GetParam());
  proxy_->choose([&](std::string_view) {
    if (luck.below(100) >= 40) return Fault{};
    return Fault{.kind = kPassingFaults[luck.below(kPassingFaults.size())]};
  });
  std::array<std::array<std::optional<Status>, kWriters>, kNames> told;
  {
    std::vector<std::jthread> writers;
    for (std::size_t id = 0; id < kWriters; ++id)
      writers.push_back(named_thread("writer", [&, id](const std::stop_token&) {
        for (std::size_t name = 0; name < kNames; ++name)
          told[name][id] =
              store_->put_if_absent(fmt::format("log/{:020}.json", name), fmt::format("by {}", id));
      }));
  }
  for (std::size_t name = 0; name < kNames; ++name) {
    std::string content = straight_->get(fmt::format("log/{:020}.json", name)).value_or("none");
    for (std::size_t id = 0; id < kWriters; ++id) {
      const Status& status = *told[name][id];
      bool mine = content == fmt::format("by {}", id);
      bool conflict = !status && status.error().code == Code::conflict;
      EXPECT_TRUE(!status || mine) << id << " is told that it won, but there is " << content;
      EXPECT_FALSE(conflict && mine) << id << " won, but is told of a conflict";
      EXPECT_FALSE(conflict && content == "none") << id << " is told of a conflict with nobody";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AzuriteRaces, testing::Range<std::uint64_t>(1, 6));

}  // namespace
}  // namespace tillrace::lake
