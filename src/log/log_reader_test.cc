#include "log/log_reader.h"

#include <gtest/gtest.h>

#include "log/log_testing.h"

namespace tillrace::log {
namespace {

constexpr Partition kOnly{0};

class LogReaderTest : public testing::Test {
 protected:
  std::unique_ptr<LogReader> follow() {
    auto reader = LogReader::open(folder_.path(), "events");
    EXPECT_TRUE(reader) << reader.error().message;
    return reader ? std::move(*reader) : nullptr;
  }
  ScratchFolder folder_;
  World world_;
};

TEST_F(LogReaderTest, ReadsWhatItsOwnerHasWrittenAndThenWhatIsAdded) {
  auto log = world_.open(options_in(folder_.path()));
  ASSERT_TRUE(log->append_and_wait({record("1", "a"), record("2", "b")}));
  auto reader = follow();
  EXPECT_EQ(reader->info().id, log->id());
  EXPECT_EQ(reader->end(kOnly)->value, 2);
  ASSERT_TRUE(log->append_and_wait({record("3", "c")}));
  EXPECT_EQ(reader->end(kOnly)->value, 2);
  ASSERT_TRUE(reader->refresh());
  auto fetched = reader->read(kOnly, {1}, {});
  ASSERT_TRUE(fetched);
  ASSERT_EQ(fetched->records.size(), 2u);
  EXPECT_EQ(fetched->records[1].record.value, "c");
  EXPECT_EQ(reader->first(kOnly)->value, 0);
}

TEST_F(LogReaderTest, FollowsItsOwnerThroughFlushesAndRestarts) {
  auto options = options_in(folder_.path());
  options.write_buffer_bytes = 64 << 10;
  auto log = world_.open(options);
  auto reader = follow();
  Offset next{0};
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(log->append_and_wait({record("1", std::to_string(i) + std::string(2000, 'x'))}));
    if (i % 100 == 99) {
      log.reset();
      log = world_.open(options);
    }
    if (i % 7 != 0) continue;
    ASSERT_TRUE(reader->refresh());
    auto fetched = reader->read(kOnly, next, {});
    ASSERT_TRUE(fetched) << fetched.error().message;
    for (const auto& stored : fetched->records) {
      ASSERT_EQ(stored.offset, next);
      ASSERT_TRUE(stored.record.value.starts_with(std::to_string(next.value) + "x"));
      ++next.value;
    }
    EXPECT_EQ(next.value, i + 1);
  }
}

TEST_F(LogReaderTest, ReadsATopicThatNobodyHasOpen) {
  { ASSERT_TRUE(world_.open(options_in(folder_.path()))->append_and_wait({record("1", "a")})); }
  EXPECT_EQ(follow()->read(kOnly, {0}, {})->records.size(), 1u);
}

TEST_F(LogReaderTest, LeavesTheTopicAsItWas) {
  auto log = world_.open(options_in(folder_.path()));
  ASSERT_TRUE(log->append_and_wait({record("1", "a")}));
  auto files = [&] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path()))
      names.insert(entry.path());
    return names;
  };
  auto before = files();
  { ASSERT_TRUE(follow()->refresh()); }
  EXPECT_EQ(files(), before);
  EXPECT_TRUE(log->append_and_wait({record("1", "b")}));
}

TEST_F(LogReaderTest, AMissingTopicIsNotFound) {
  EXPECT_EQ(LogReader::open(folder_.path(), "none").error().code, Code::not_found);
  EXPECT_EQ(LogReader::open(folder_.path() / "absent", "events").error().code, Code::not_found);
}

TEST_F(LogReaderTest, ABadNameIsInvalid) {
  EXPECT_EQ(LogReader::open(folder_.path(), "../events").error().code, Code::invalid);
}

TEST_F(LogReaderTest, RefusesOffsetsAndPartitionsThatAreNotThere) {
  ASSERT_TRUE(world_.open(options_in(folder_.path())));
  auto reader = follow();
  EXPECT_EQ(reader->read(kOnly, {1}, {}).error().code, Code::corrupt);
  EXPECT_EQ(reader->read({1}, {0}, {}).error().code, Code::not_found);
  EXPECT_EQ(reader->end({1}).error().code, Code::not_found);
}

}  // namespace
}  // namespace tillrace::log
