#include "log/topics.h"

#include <gtest/gtest.h>

#include "log/database.h"
#include "log/log_testing.h"
#include "log/topic_info.h"

namespace tillrace::log {
namespace {

class Topics : public testing::Test {
 protected:
  Result<TopicInfo> create(const std::string& name, std::int32_t partitions) {
    return create_topic(folder_.path(), name, partitions, world_.clock, world_.random);
  }
  ScratchFolder folder_;
  World world_;
};

TEST_F(Topics, NamesFollowKafkasRule) {
  for (std::string good : {std::string("ingestion-topic"), std::string("a"), std::string("A.b_c-9"),
                           std::string("..."), std::string(249, 'x')})
    EXPECT_TRUE(check_topic_name(good)) << good;
  for (std::string bad : {std::string(""), std::string("."), std::string(".."), std::string("a/b"),
                          std::string("a b"), std::string("caf\xc3\xa9"), std::string("a~new"),
                          std::string(250, 'x'), std::string("a\0b", 3)})
    EXPECT_EQ(check_topic_name(bad).error().code, Code::invalid) << bad;
}

TEST_F(Topics, AreListedByNameWithWhatTheyHold) {
  auto second = create("second", 2);
  auto first = create("first", 1);
  ASSERT_TRUE(first && second);
  auto options = options_in(folder_.path());
  options.topic = "first";
  ASSERT_TRUE(world_.open(options)->append_and_wait({record("1", "a"), record("2", "b")}));

  auto topics = list_topics(folder_.path());
  ASSERT_TRUE(topics) << topics.error().message;
  ASSERT_EQ(topics->size(), 2u);
  EXPECT_EQ((*topics)[0].info.name, "first");
  EXPECT_EQ((*topics)[0].info.id, first->id);
  EXPECT_EQ((*topics)[0].partitions[0].end.value, 2);
  EXPECT_GT((*topics)[0].bytes_on_disk, 0u);
  EXPECT_EQ((*topics)[1].info.partitions, 2);
  EXPECT_EQ((*topics)[1].partitions[1].end.value, 0);
}

TEST_F(Topics, AreListedWhileTheirOwnerWrites) {
  auto log = world_.open(options_in(folder_.path(), 2));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(log->append_and_wait({record("1", "a")}));
    auto topics = list_topics(folder_.path());
    ASSERT_TRUE(topics) << topics.error().message;
    std::int64_t records = 0;
    for (const auto& range : (*topics)[0].partitions) records += range.end.value;
    EXPECT_EQ(records, i + 1);
  }
}

TEST_F(Topics, OfNoFolderAreNone) {
  auto topics = list_topics(folder_.path() / "absent");
  ASSERT_TRUE(topics);
  EXPECT_TRUE(topics->empty());
}

TEST_F(Topics, AreMadeOnce) {
  ASSERT_TRUE(create("events", 3));
  auto again = create("events", 3);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::conflict);
}

TEST_F(Topics, RefuseImpossibleNumbersOfPartitions) {
  for (std::int32_t bad : {0, -1, kMaxPartitions + 1})
    EXPECT_EQ(create("events", bad).error().code, Code::invalid) << bad;
  EXPECT_TRUE(list_topics(folder_.path())->empty());
}

TEST_F(Topics, RefuseABadNameBeforeTheyTouchTheDisk) {
  EXPECT_EQ(create("../escape", 1).error().code, Code::invalid);
  EXPECT_FALSE(std::filesystem::exists(folder_.path().parent_path() / "escape"));
}

TEST_F(Topics, AHalfMadeOneIsNoTopicAndDoesNotStandInTheWay) {
  auto draft = folder_.path() / "events~new" / "db";
  ASSERT_TRUE(make_folders(draft));
  ASSERT_TRUE(write_file_atomically(draft / "CURRENT", "half"));
  EXPECT_TRUE(list_topics(folder_.path())->empty());
  ASSERT_TRUE(create("events", 1));
  EXPECT_EQ(list_topics(folder_.path())->size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "events~new"));
}

TEST_F(Topics, ADamagedOneIsNamed) {
  ASSERT_TRUE(create("events", 1));
  std::filesystem::remove(database_folder(folder_.path(), "events") / "CURRENT");
  auto topics = list_topics(folder_.path());
  ASSERT_FALSE(topics);
  EXPECT_NE(topics.error().message.find("events"), std::string::npos) << topics.error().message;
}

TEST(TopicInfoRecord, ReadsBackWhatItWrote) {
  TopicInfo info{"events", 4, "018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70", {1'291'191'960'000'000}};
  std::string text = encode_topic_info(info);
  EXPECT_EQ(text,
            "tillrace-log 1\nname events\npartitions 4\nid 018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70\n"
            "created_at_us 1291191960000000\n");
  auto read = decode_topic_info(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, "events");
  EXPECT_EQ(read->partitions, 4);
  EXPECT_EQ(read->id, info.id);
  EXPECT_EQ(read->created_at, info.created_at);
}

TEST(TopicInfoRecord, RefusesEveryChangeOfAByteAndEveryCut) {
  TopicInfo info{"events", 4, "018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70", {17}};
  std::string whole = encode_topic_info(info);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_FALSE(decode_topic_info(whole.substr(0, i))) << i;
    std::string changed = whole;
    changed[i] = '!';
    EXPECT_FALSE(decode_topic_info(changed)) << i;
  }
  EXPECT_FALSE(decode_topic_info(whole + "\n"));
}

TEST(TopicInfoRecord, NamesAFormatItDoesNotKnow) {
  auto read = decode_topic_info("tillrace-log 2\nwhatever\n");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("log format 2"), std::string::npos);
}

}  // namespace
}  // namespace tillrace::log
