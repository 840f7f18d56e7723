#include "auth/api_keys.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "auth/api_key.h"
#include "base/scratch_for_tests.h"

namespace tillrace::auth {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class ApiKeysTest : public testing::Test {
 protected:
  KeyRequest request(std::string name = "till 7") const {
    return {std::move(name), {Scope::ingest}, {}};
  }

  ScratchFolder folder_;
  std::filesystem::path file_ = folder_.path() / "keys.json";
  FakeClock clock_{UtcMicros{1'700'000'000'900'000}};
  SystemRandom random_;
  ApiKeys keys_{file_, clock_, random_};
};

TEST_F(ApiKeysTest, AKeyIsStoredWithoutItsSecretForItsOwnerOnly) {
  auto made = keys_.create(request());
  ASSERT_TRUE(made) << made.error().message;
  auto key = parse_api_key(made->text);
  ASSERT_TRUE(key);
  EXPECT_EQ(made->stored.id, key->id);
  EXPECT_EQ(made->stored.created_at, UtcMicros{1'700'000'000'000'000});  // whole seconds
  std::string stored = *read_file(file_);
  EXPECT_THAT(stored, Not(HasSubstr(key->secret.substr(0, 8))));
  EXPECT_THAT(stored, HasSubstr(to_hex(sha256(key->secret))));
  EXPECT_EQ(*keys_.list(), std::vector{made->stored});
  struct stat status {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(ApiKeysTest, ARequestThatIsWrongChangesNothing) {
  KeyRequest without_scope{"x", {}, {}};
  KeyRequest past = request();
  past.expires_at = UtcMicros{clock_.now().value - 1};
  KeyRequest now = request();
  now.expires_at = clock_.now();
  for (const KeyRequest& wrong : {request(""), request(std::string(101, 'x')), request("a\nb"),
                                  request("\xff"), without_scope, past, now}) {
    auto made = keys_.create(wrong);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::invalid);
  }
  EXPECT_FALSE(std::filesystem::exists(file_));
  EXPECT_TRUE(keys_.create(request(std::string(100, 'x'))));
}

TEST_F(ApiKeysTest, RevokingIsForGoodAndKeepsTheFirstTime) {
  std::string id = keys_.create(request())->stored.id;
  std::string other = keys_.create(request())->stored.id;
  auto revoked = keys_.revoke(id);
  ASSERT_TRUE(revoked);
  EXPECT_TRUE(revoked->just_now);
  clock_.advance(1h);
  auto again = keys_.revoke(id);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->just_now);
  EXPECT_EQ(again->stored.revoked_at, revoked->stored.revoked_at);
  EXPECT_FALSE(keys_.list()->back().revoked_at) << other;
}

TEST_F(ApiKeysTest, AnUnknownIdCannotBeRevoked) {
  EXPECT_EQ(keys_.revoke("abcdefghij").error().code, Code::not_found);
  auto made = keys_.create(request());
  EXPECT_EQ(keys_.revoke("abcdefghij").error().code, Code::not_found);
  EXPECT_EQ(keys_.revoke("").error().code, Code::not_found);
  EXPECT_EQ(keys_.revoke(made->text).error().code, Code::not_found);
}

TEST_F(ApiKeysTest, AFileThatCannotBeReadIsNeverWrittenOver) {
  for (const char* content : {"", "{", R"({"version":2,"keys":[]})"}) {
    folder_.file("keys.json", content);
    EXPECT_FALSE(keys_.create(request()));
    EXPECT_FALSE(keys_.revoke("abcdefghij"));
    EXPECT_FALSE(keys_.list());
    EXPECT_EQ(*read_file(file_), content);
  }
  folder_.file("keys.json", encode_keys({}), 0644);
  EXPECT_FALSE(keys_.create(request()));
}

TEST_F(ApiKeysTest, WithoutAFolderThereIsNoKey) {
  ApiKeys nowhere(folder_.path() / "none" / "keys.json", clock_, random_);
  EXPECT_EQ(nowhere.create(request()).error().code, Code::unavailable);
}

TEST_F(ApiKeysTest, TheLimitCountsUntilAKeyIsOutOfForce) {
  StoredKey key{"", "x", {Scope::read}, {}, {}, {}, {}};
  std::vector<StoredKey> full(kMostKeys, key);
  for (StoredKey& one : full) one.id = make_api_key(random_).id;
  folder_.file("keys.json", encode_keys(full));
  EXPECT_EQ(keys_.create(request()).error().code, Code::exhausted);
  ASSERT_TRUE(keys_.revoke(full[5].id));
  ASSERT_TRUE(keys_.revoke(full[7].id));
  ASSERT_TRUE(keys_.create(request()));
  auto left = keys_.list();
  ASSERT_EQ(left->size(), kMostKeys);
  EXPECT_EQ((*left)[5].id, full[6].id);
  EXPECT_EQ((*left)[6].id, full[7].id);  // one was enough
}

TEST_F(ApiKeysTest, WhatIsMadeByManyAtOnceIsAllThere) {
  constexpr int kWriters = 4;
  constexpr int kEach = 10;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < kWriters; ++writer)
      writers.emplace_back([this] {
        SystemClock clock;
        ApiKeys own(file_, clock, random_);
        for (int i = 0; i < kEach; ++i) ASSERT_TRUE(own.create(request()));
      });
  }
  std::set<std::string> ids;
  auto all = keys_.list();
  for (const StoredKey& key : *all) ids.insert(key.id);
  EXPECT_EQ(ids.size(), std::size_t{kWriters * kEach});
}

TEST_F(ApiKeysTest, ALockThatIsNotLetGoOfEndsTheWait) {
  auto lock = file_;
  lock += ".lock";
  int fd = ::open(lock.c_str(), O_RDWR | O_CREAT, 0600);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(fd, F_OFD_SETLK, &whole), 0);
  auto made = keys_.create(request());  // the clock is a fake: five seconds are over at once
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::unavailable);
  ::close(fd);
  EXPECT_TRUE(keys_.create(request()));
}

TEST_F(ApiKeysTest, WhatACrashLeftBesideTheFileIsNoMatter) {
  auto first = keys_.create(request());
  folder_.file("keys.json.new", "{\"version\":1,\"ke", 0644);
  EXPECT_EQ(keys_.list()->size(), 1U);
  ASSERT_TRUE(keys_.create(request()));
  EXPECT_EQ(keys_.list()->size(), 2U);
  EXPECT_FALSE(std::filesystem::exists(file_.string() + ".new"));
}

// A writer is killed at any moment, also between its draft and the rename: each time the file is
// whole, and every key that was handed out is in it.
TEST_F(ApiKeysTest, AKilledWriterLeavesAWholeFile) {
  for (int round = 0; round < 15; ++round) {
    int out[2];
    ASSERT_EQ(::pipe(out), 0);
    pid_t child = ::fork();
    if (child == 0) {
      SystemClock clock;
      ApiKeys own(file_, clock, random_);
      while (true) {
        auto made = own.create(request());
        if (made && ::write(out[1], made->stored.id.data(), kKeyIdCharacters) < 0) ::_exit(1);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(5'000 + round * 1'700));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(out[1]);
    auto keys = keys_.list();
    ASSERT_TRUE(keys) << keys.error().message;
    std::set<std::string> ids;
    for (const StoredKey& key : *keys) ids.insert(key.id);
    char id[kKeyIdCharacters];
    while (::read(out[0], id, sizeof id) == sizeof id)
      EXPECT_TRUE(ids.contains(std::string(id, sizeof id)));
    ::close(out[0]);
    ASSERT_TRUE(keys_.create(request()));  // neither the lock nor the draft stands in the way
  }
}

}  // namespace
}  // namespace tillrace::auth
