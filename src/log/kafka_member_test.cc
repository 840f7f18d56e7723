// Members of a group: sharing, leaving, and one that is paused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/kafka_writers_for_tests.h"

namespace tillrace::log {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr std::string_view kGroup = "warehouse";

// Waits until the members together hold `wanted` partitions, each of them some.
bool share(const std::vector<Membership*>& members, std::size_t wanted) {
  for (int tries = 0; tries < 1'500; ++tries, pause_ms(20)) {
    std::set<Partition> held;
    std::size_t sum = 0;
    bool all_have = true;
    for (Membership* member : members) {
      auto mine = member->mine();
      held.insert(mine.begin(), mine.end());
      sum += mine.size();
      all_have &= !mine.empty();
    }
    if (held.size() == wanted && sum == wanted && all_have) return true;
  }
  return false;
}

class KafkaMember : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_KAFKA();
    options_ = kafka_options(SharedBroker::get().connection(),
                             make_topic(SharedBroker::get().connection(), 4));
    options_.session_timeout_ms = 2'000;
  }
  KafkaLogOptions options_;
  World world_;
};

TEST_F(KafkaMember, TwoShareThePartitionsAndOneTakesOverWhatTheOtherLeaves) {
  auto log = open_kafka(options_, world_), other_log = open_kafka(options_, world_);
  auto member = log->join(kGroup).value();
  ASSERT_TRUE(share({member.get()}, 4));
  {
    auto other = other_log->join(kGroup).value();
    EXPECT_TRUE(share({member.get(), other.get()}, 4));
  }
  EXPECT_TRUE(share({member.get()}, 4));
}

TEST_F(KafkaMember, GroupsDoNotShareWithEachOther) {
  auto log = open_kafka(options_, world_);
  auto member = log->join("warehouse").value(), other = log->join("lake").value();
  EXPECT_TRUE(share({member.get()}, 4));
  EXPECT_TRUE(share({other.get()}, 4));
}

TEST_F(KafkaMember, MoreMembersThanPartitionsLeaveSomeIdle) {
  options_.topic = make_topic(options_.connection, 1);
  auto log = open_kafka(options_, world_), other_log = open_kafka(options_, world_);
  auto member = log->join(kGroup).value(), other = other_log->join(kGroup).value();
  auto held = [&] { return member->mine().size() + other->mine().size(); };
  for (int tries = 0; tries < 1'000 && held() != 1; ++tries) pause_ms(20);
  EXPECT_EQ(held(), 1u);
}

TEST_F(KafkaMember, WhatIsReportedIsSeenByKafkasTools) {
  auto log = open_kafka(options_, world_);
  auto member = log->join(kGroup).value();
  ASSERT_TRUE(share({member.get()}, 4));
  member->report({2}, {17});
  member->report({2}, {18});
  auto reader =
      make_kafka_client(RD_KAFKA_CONSUMER, options_.connection,
                        {{"group.id", fmt::format("tillrace.{}.{}", options_.topic, kGroup)}}, 0);
  PartitionList marks(rd_kafka_topic_partition_list_new(1));
  auto* mark = rd_kafka_topic_partition_list_add(marks.get(), options_.topic.c_str(), 2);
  for (int tries = 0; tries < 50 && mark->offset != 18; ++tries, pause_ms(100))
    rd_kafka_committed(reader->get(), marks.get(), 5'000);
  EXPECT_EQ(mark->offset, 18);
}

TEST_F(KafkaMember, AGroupWithoutANameIsRefused) {
  EXPECT_EQ(open_kafka(options_, world_)->join("").error().code, Code::invalid);
}

// A member in a process of its own, which tells each change as a line "n partitions" in a pipe.
class OtherProcess {
 public:
  explicit OtherProcess(const KafkaLogOptions& options) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    child_ = ::fork();
    if (child_ == 0) be_member(options, ends[1]);
    ::close(ends[1]);
    told_ = ::fdopen(ends[0], "r");
  }
  ~OtherProcess() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    ::fclose(told_);
  }
  void signal(int number) const { ::kill(child_, number); }
  // Waits for the next change.
  int next_count() {
    char line[20];
    return ::fgets(line, sizeof line, told_) == nullptr ? -1 : std::atoi(line);
  }

 private:
  [[noreturn]] static void be_member(const KafkaLogOptions& options, int pipe) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    World world;
    auto log = open_kafka(options, world);
    auto member = log->join(kGroup);
    while (member) {
      if (!(*member)->wait_for_change(1min, {}).value_or(false)) continue;
      std::string line = fmt::format("{}\n", (*member)->mine().size());
      if (::write(pipe, line.data(), line.size()) < 0) break;
    }
    ::_exit(1);
  }
  pid_t child_;
  FILE* told_;
};

TEST_F(KafkaMember, OneThatIsPausedBeyondItsSessionLosesItsPartitionsAndComesBackByItself) {
  OtherProcess other(options_);  // first: a fork copies no threads
  ASSERT_EQ(other.next_count(), 4);
  auto log = open_kafka(options_, world_);
  auto member = log->join(kGroup).value();
  ASSERT_EQ(other.next_count(), 2);
  ASSERT_TRUE(member->wait_for_change(10s, {}).value());
  EXPECT_EQ(member->mine().size(), 2u);
  other.signal(SIGSTOP);
  EXPECT_TRUE(share({member.get()}, 4));
  other.signal(SIGCONT);
  for (int tries = 0; tries < 1'000 && member->mine().size() != 2; ++tries) pause_ms(20);
  EXPECT_EQ(member->mine().size(), 2u);
}

}  // namespace
}  // namespace tillrace::log
