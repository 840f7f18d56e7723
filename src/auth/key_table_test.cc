#include "auth/key_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "auth/api_key.h"
#include "auth/api_keys.h"
#include "base/scratch_for_tests.h"

namespace tillrace::auth {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class KeyTableTest : public testing::Test {
 protected:
  NewKey make(Scopes scopes = {Scope::ingest}, std::optional<UtcMicros> expires_at = {}) {
    auto made = keys_.create({"x", scopes, expires_at});
    EXPECT_TRUE(made);
    return *made;
  }
  void open() {
    auto opened = KeyTable::open(file_, clock_);
    ASSERT_TRUE(opened) << opened.error().message;
    table_ = std::move(*opened);
  }
  // "" when it is taken.
  std::string refusal(std::string_view text) {
    auto grant = table_->check(text);
    return grant ? "" : grant.error().message;
  }

  ScratchFolder folder_;
  std::filesystem::path file_ = folder_.path() / "keys.json";
  FakeClock clock_{UtcMicros{1'700'000'000'000'000}};
  SystemRandom random_;
  ApiKeys keys_{file_, clock_, random_};
  std::unique_ptr<KeyTable> table_;
};

TEST_F(KeyTableTest, AKeyGivesItsIdAndScopes) {
  NewKey key = make({Scope::ingest, Scope::read});
  open();
  auto grant = table_->check(key.text);
  ASSERT_TRUE(grant) << grant.error().message;
  EXPECT_EQ(grant->client, "key:" + key.stored.id);
  EXPECT_EQ(grant->scopes, Scopes({Scope::ingest, Scope::read}));
}

TEST_F(KeyTableTest, AWrongSecretAndAnUnknownIdAreRefusedAlike) {
  NewKey key = make();
  open();
  ApiKey other = make_api_key(random_);
  std::string wrong_secret = to_text({key.stored.id, other.secret});
  EXPECT_THAT(refusal(wrong_secret), HasSubstr("not known"));
  EXPECT_EQ(refusal(wrong_secret), refusal(to_text(other)));
  EXPECT_EQ(refusal(wrong_secret), refusal(to_text({other.id, parse_api_key(key.text)->secret})));
}

TEST_F(KeyTableTest, AStoredHashOfZerosOpensNothing) {
  StoredKey zeros{"abcdefghij", "x", {Scope::admin}, {}, {}, {}, {}};
  folder_.file("keys.json", encode_keys({zeros}));
  open();
  EXPECT_NE(refusal(to_text({"abcdefghij", std::string(52, 'a')})), "");
}

TEST_F(KeyTableTest, ATruncatedKeyIsToldSo) {
  NewKey key = make();
  open();
  EXPECT_THAT(refusal(key.text.substr(0, 71)), HasSubstr("cut off"));
}

TEST_F(KeyTableTest, AnExpiredKeyIsRefusedFromThatMomentOn) {
  NewKey key = make({Scope::ingest}, UtcMicros{clock_.now().value + 10'000'000});
  open();
  clock_.advance(9'999'999us);
  EXPECT_EQ(refusal(key.text), "");
  clock_.advance(1us);
  EXPECT_THAT(refusal(key.text), HasSubstr("expired"));
}

TEST_F(KeyTableTest, ThatAKeyWasRevokedIsToldToItsHolderOnly) {
  NewKey key = make();
  ASSERT_TRUE(keys_.revoke(key.stored.id));
  open();
  EXPECT_THAT(refusal(key.text), HasSubstr("revoked"));
  std::string guess = to_text({key.stored.id, make_api_key(random_).secret});
  EXPECT_THAT(refusal(guess), Not(HasSubstr("revoked")));
}

TEST_F(KeyTableTest, MadeAndRevokedKeysCountWithinASecond) {
  open();
  NewKey key = make();
  EXPECT_NE(refusal(key.text), "");
  clock_.advance(500ms);
  EXPECT_EQ(refusal(key.text), "");
  ASSERT_TRUE(keys_.revoke(key.stored.id));
  clock_.advance(500ms);
  EXPECT_NE(refusal(key.text), "");
}

TEST_F(KeyTableTest, ABrokenFileKeepsTheKeysFromBeforeAndIsToldOnce) {
  NewKey key = make();
  open();
  testing::internal::CaptureStderr();
  folder_.file("keys.json", "{broken");
  for (int i = 0; i < 10; ++i) {
    clock_.advance(1s);
    EXPECT_EQ(refusal(key.text), "");
  }
  folder_.file("keys.json", encode_keys({}), 0644);  // anybody could have written that
  clock_.advance(1s);
  EXPECT_EQ(refusal(key.text), "");
  std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2) << lines;
  EXPECT_THAT(lines, HasSubstr("stay in force"));
  folder_.file("keys.json", encode_keys({}));
  clock_.advance(1s);
  EXPECT_NE(refusal(key.text), "");
}

TEST_F(KeyTableTest, AFileThatIsTakenAwayTakesItsKeysAlong) {
  NewKey key = make();
  open();
  std::filesystem::remove(file_);
  clock_.advance(1s);
  EXPECT_NE(refusal(key.text), "");
  NewKey fresh = make();
  clock_.advance(1s);
  EXPECT_EQ(refusal(fresh.text), "");
}

TEST_F(KeyTableTest, AServerDoesNotStartOnAFileItCannotTrust) {
  folder_.file("keys.json", "{broken");
  EXPECT_EQ(KeyTable::open(file_, clock_).error().code, Code::corrupt);
  folder_.file("keys.json", encode_keys({}), 0666);
  EXPECT_EQ(KeyTable::open(file_, clock_).error().code, Code::invalid);
  folder_.file("keys.json", R"({"version":9})");
  EXPECT_EQ(KeyTable::open(file_, clock_).error().code, Code::invalid);
  std::filesystem::remove(file_);
  EXPECT_TRUE(KeyTable::open(file_, clock_));
}

TEST_F(KeyTableTest, ChecksGoOnWhileTheFileChanges) {
  NewKey key = make();
  open();
  std::atomic<bool> stop = false;
  std::vector<std::jthread> checkers;
  for (int i = 0; i < 3; ++i)
    checkers.emplace_back([&] {
      while (!stop) ASSERT_TRUE(table_->check(key.text));
    });
  for (int i = 0; i < 30; ++i) {
    NewKey other = make();
    clock_.advance(500ms);
    while (!table_->check(other.text)) {  // another thread may be reading the file just now
    }
  }
  stop = true;
}

}  // namespace
}  // namespace tillrace::auth
