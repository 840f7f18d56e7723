// What every log must do, whatever it is made of. A further log is one more line at the end of this
// file.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <future>
#include <set>

#include "log/kafka_for_tests.h"
#include "log/log_testing.h"

namespace tillrace::log {
namespace {

using namespace std::chrono_literals;

constexpr Partition kFirst{0};

// One topic's home. open() makes the topic or opens what an earlier log, closed since, has left.
class LogHome {
 public:
  virtual ~LogHome() = default;
  virtual std::unique_ptr<Log> open(std::int32_t partitions) = 0;
};

class EmbeddedHome final : public LogHome {
 public:
  std::unique_ptr<Log> open(std::int32_t partitions) override {
    return world_.open(options_in(folder_.path(), partitions));
  }

 private:
  ScratchFolder folder_;
  World world_;
};

class KafkaHome final : public LogHome {
 public:
  std::unique_ptr<Log> open(std::int32_t partitions) override {
    const KafkaConnection& connection = SharedBroker::get().connection();
    if (topic_.empty()) topic_ = make_topic(connection, partitions);
    auto options = kafka_options(connection, topic_);
    options.receipts_folder = folder_.path() / "receipts";
    return open_kafka(options, world_);
  }

 private:
  ScratchFolder folder_;
  World world_;
  std::string topic_;
};

struct Kind {
  std::string name;
  bool has_whole_batches;  // all records of a batch become readable at once
  int histories;           // that are tried: opening some logs takes long
  std::function<std::unique_ptr<LogHome>()> make_home;
  bool needs_kafka = false;
};

class LogContract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam().needs_kafka) SKIP_WITHOUT_KAFKA();
    home_ = GetParam().make_home();
  }

  std::unique_ptr<LogHome> home_;
};

std::vector<Record> batch_of(std::initializer_list<const char*> keys) {
  std::vector<Record> batch;
  for (const char* key : keys) batch.push_back(record(key, std::string("value of ") + key));
  return batch;
}

TEST_P(LogContract, GivesOffsetsFromZeroInTheOrderOfTheBatch) {
  auto log = home_->open(1);
  auto first = log->append_and_wait(batch_of({"1", "2"}));
  auto second = log->append_and_wait(batch_of({"3"}));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, (std::vector<Appended>{{kFirst, {0}}, {kFirst, {1}}}));
  EXPECT_EQ(*second, (std::vector<Appended>{{kFirst, {2}}}));
  EXPECT_EQ(log->end(kFirst)->value, 3);
  EXPECT_EQ(log->first(kFirst)->value, 0);
}

TEST_P(LogContract, SendsEachRecordToThePartitionOfItsKey) {
  auto log = home_->open(4);
  auto places = log->append_and_wait(batch_of({"536365", "C536379", "A563185", "536365"}));
  ASSERT_TRUE(places);
  EXPECT_EQ((*places)[0].partition, partition_of("536365", 4));
  EXPECT_EQ((*places)[1].partition, partition_of("C536379", 4));
  EXPECT_EQ((*places)[3].partition, (*places)[0].partition);
  EXPECT_GT((*places)[3].offset, (*places)[0].offset);
  std::size_t stored = 0;
  for (std::int32_t i = 0; i < log->partitions(); ++i) stored += read_all(*log, {i}).size();
  EXPECT_EQ(stored, 4u);
}

TEST_P(LogContract, GivesBackEveryByteOfARecord) {
  auto log = home_->open(1);
  Record odd{"k", std::string("\0\xff\n{}", 5), {}, kLatestTime};
  odd.event_id.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  ASSERT_TRUE(log->append_and_wait({odd, record("", "")}));
  auto all = read_all(*log, kFirst);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].record.key, odd.key);
  EXPECT_EQ(all[0].record.value, odd.value);
  EXPECT_EQ(all[0].record.event_id, odd.event_id);
  EXPECT_EQ(all[0].record.received_at, odd.received_at);
  EXPECT_EQ(all[1].record.value, "");
}

TEST_P(LogContract, ReadsFromTheMiddleOfABatch) {
  auto log = home_->open(1);
  ASSERT_TRUE(log->append_and_wait(batch_of({"1", "2", "3"})));
  auto fetched = log->read(kFirst, {1}, {});
  ASSERT_TRUE(fetched);
  ASSERT_EQ(fetched->records.size(), 2u);
  EXPECT_EQ(fetched->records[0].offset.value, 1);
  EXPECT_EQ(fetched->records[0].record.key, "2");
  EXPECT_EQ(fetched->next.value, 3);
}

TEST_P(LogContract, FindsNothingAtTheEndAndCallsItNoError) {
  auto log = home_->open(1);
  for (int i = 0; i < 2; ++i) {
    auto fetched = log->read(kFirst, log->end(kFirst).value(), {});
    ASSERT_TRUE(fetched);
    EXPECT_TRUE(fetched->records.empty());
    EXPECT_EQ(fetched->next, log->end(kFirst).value());
    ASSERT_TRUE(log->append_and_wait(batch_of({"1"})));
  }
}

TEST_P(LogContract, StopsAtTheLimitOfRecordsAndGoesOnAfterIt) {
  auto log = home_->open(1);
  ASSERT_TRUE(log->append_and_wait(batch_of({"1", "2", "3"})));
  ASSERT_TRUE(log->append_and_wait(batch_of({"4", "5"})));
  auto fetched = log->read(kFirst, {1}, {.max_records = 3});
  ASSERT_TRUE(fetched);
  ASSERT_EQ(fetched->records.size(), 3u);
  EXPECT_EQ(fetched->records[2].record.key, "4");
  EXPECT_EQ(fetched->next.value, 4);
}

TEST_P(LogContract, StopsBeforeTheRecordThatPassesTheLimitOfBytes) {
  auto log = home_->open(1);
  ASSERT_TRUE(
      log->append_and_wait({record("1", "aaaa"), record("2", "bbbb"), record("3", "cccc")}));
  EXPECT_EQ(log->read(kFirst, {0}, {.max_bytes = 10})->records.size(), 2u);
  EXPECT_EQ(log->read(kFirst, {0}, {.max_bytes = 9})->records.size(), 1u);
}

TEST_P(LogContract, GivesOneRecordEvenIfItIsLargerThanTheLimits) {
  auto log = home_->open(1);
  ASSERT_TRUE(log->append_and_wait({record("1", std::string(5000, 'x')), record("2", "y")}));
  EXPECT_EQ(log->read(kFirst, {0}, {.max_bytes = 0})->records.size(), 1u);
  EXPECT_EQ(log->read(kFirst, {0}, {.max_records = 0})->records.size(), 1u);
}

TEST_P(LogContract, StopsAReaderWhoseMarkLiesBeyondTheEnd) {
  auto log = home_->open(1);
  ASSERT_TRUE(log->append_and_wait(batch_of({"1"})));
  auto fetched = log->read(kFirst, {2}, {});
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::corrupt);
  EXPECT_NE(fetched.error().message.find("ends at offset 1, before the wanted 2"),
            std::string::npos)
      << fetched.error().message;
}

TEST_P(LogContract, StopsAReaderWhoseMarkLiesBeforeTheStart) {
  auto log = home_->open(1);
  auto fetched = log->read(kFirst, {-1}, {});
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Code::corrupt);
}

TEST_P(LogContract, KnowsOnlyItsOwnPartitions) {
  auto log = home_->open(2);
  for (Partition none : {Partition{2}, Partition{-1}}) {
    EXPECT_EQ(log->read(none, {0}, {}).error().code, Code::not_found);
    EXPECT_EQ(log->end(none).error().code, Code::not_found);
    EXPECT_EQ(log->first(none).error().code, Code::not_found);
    EXPECT_EQ(log->wait_for(none, {0}, 1s, {}).error().code, Code::not_found);
  }
}

TEST_P(LogContract, RefusesAnEmptyBatch) {
  auto log = home_->open(1);
  auto places = log->append_and_wait({});
  ASSERT_FALSE(places);
  EXPECT_EQ(places.error().code, Code::invalid);
  EXPECT_EQ(log->end(kFirst)->value, 0);
}

TEST_P(LogContract, KeepsRecordsOffsetsAndIdentityWhenOpenedAgain) {
  std::string id;
  for (std::int64_t round = 0; round < 3; ++round) {
    auto log = home_->open(1);
    if (round == 0) id = log->id();
    EXPECT_EQ(log->id(), id);
    EXPECT_EQ(log->end(kFirst)->value, 2 * round);
    ASSERT_TRUE(log->append_and_wait(batch_of({"1", "2"})));
    EXPECT_EQ(read_all(*log, kFirst).size(), static_cast<std::size_t>(2 * round + 2));
  }
}

TEST_P(LogContract, EachLogHasItsOwnIdentity) {
  auto other_home = GetParam().make_home();
  auto log = home_->open(1);
  auto other = other_home->open(1);
  EXPECT_EQ(log->id().size(), 36u);
  EXPECT_TRUE(log->id() != other->id() || log->topic() != other->topic());
}

TEST_P(LogContract, WaitsNoLongerThanNeeded) {
  auto log = home_->open(1);
  ASSERT_TRUE(log->append_and_wait(batch_of({"1"})));
  auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(log->wait_for(kFirst, {0}, 1h, {}).value(), true);
  EXPECT_EQ(log->wait_for(kFirst, {1}, 10ms, {}).value(), false);
  auto waiter = std::async(std::launch::async, [&] { return log->wait_for(kFirst, {1}, 1h, {}); });
  std::this_thread::sleep_for(20ms);
  ASSERT_TRUE(log->append_and_wait(batch_of({"2"})));
  EXPECT_EQ(waiter.get().value(), true);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 1min);
}

TEST_P(LogContract, EndsAWaitWhenAskedToStop) {
  auto log = home_->open(1);
  std::stop_source stop;
  auto waiter = std::async(std::launch::async,
                           [&] { return log->wait_for(kFirst, {0}, 1h, stop.get_token()); });
  std::this_thread::sleep_for(10ms);
  stop.request_stop();
  EXPECT_EQ(waiter.get().value(), false);
}

TEST_P(LogContract, EndsAWaitWhenTheLogStops) {
  auto log = home_->open(1);
  auto waiter = std::async(std::launch::async, [&] { return log->wait_for(kFirst, {0}, 1h, {}); });
  std::this_thread::sleep_for(10ms);
  log->stop();
  EXPECT_EQ(waiter.get().error().code, Code::shutting_down);
}

TEST_P(LogContract, StopAnswersWhatWaitsThenTakesNothingMore) {
  auto log = home_->open(1);
  std::atomic<int> stored = 0;
  for (int i = 0; i < 100; ++i)
    log->append(batch_of({"1"}), [&](auto places) { stored += places.has_value(); });
  log->stop();
  EXPECT_EQ(stored, 100);
  EXPECT_EQ(log->append_and_wait(batch_of({"2"})).error().code, Code::shutting_down);
  EXPECT_EQ(read_all(*log, kFirst).size(), 100u);
}

TEST_P(LogContract, AnAnswerMayAppend) {
  auto log = home_->open(1);
  std::promise<Result<std::vector<Appended>>> second;
  log->append(batch_of({"1"}), [&](auto) {
    log->append(batch_of({"2"}), [&](auto places) { second.set_value(std::move(places)); });
  });
  EXPECT_EQ(second.get_future().get().value()[0].offset.value, 1);
}

TEST_P(LogContract, ManyAppendersGetOffsetsOfTheirOwnInTheirOwnOrder) {
  constexpr int kThreads = 8, kBatches = 40;
  auto log = home_->open(3);
  std::mutex mutex;
  std::map<std::pair<Partition, Offset>, std::string> acknowledged;
  auto appender = [&](int thread) {
    for (int i = 0; i < kBatches; ++i) {
      std::vector<Record> batch;
      for (int j = 0; j < 3; ++j)
        batch.push_back(
            record(fmt::format("{}", thread * 7 + j), fmt::format("{}/{}/{}", thread, i, j)));
      auto places = log->append_and_wait(batch);
      ASSERT_TRUE(places);
      std::lock_guard lock(mutex);
      for (std::size_t j = 0; j < 3; ++j)
        ASSERT_TRUE(
            acknowledged
                .emplace(std::pair((*places)[j].partition, (*places)[j].offset), batch[j].value)
                .second);
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) threads.emplace_back(appender, thread);
  }
  std::size_t stored = 0;
  std::map<std::pair<Partition, std::string>, int> last_batch;
  for (std::int32_t i = 0; i < 3; ++i) {
    for (const auto& [offset, kept, _] : read_all(*log, {i}, {.max_records = 7})) {
      ++stored;
      EXPECT_EQ(acknowledged.at({{i}, offset}), kept.value);
      std::string thread = kept.value.substr(0, kept.value.find('/'));
      int number = std::stoi(kept.value.substr(kept.value.find('/') + 1));
      EXPECT_GE(number, (last_batch[{{i}, thread}]));
      last_batch[{{i}, thread}] = number;
    }
  }
  EXPECT_EQ(stored, std::size_t{kThreads * kBatches * 3});
}

TEST_P(LogContract, KeepsTheReceiptOfABatchWithWhereItLies) {
  auto log = home_->open(2);
  ASSERT_TRUE(log->append_and_wait(batch_of({"1", "2", "3", "4"})));
  EXPECT_FALSE(log->find_receipt("order 7").value());
  auto places =
      log->append_and_wait(batch_of({"1", "2", "3", "4"}), Receipt{"order 7", "the note"});
  ASSERT_TRUE(places);
  for (int i = 0; i < 2; ++i) {
    auto receipt = log->find_receipt("order 7").value();
    ASSERT_TRUE(receipt);
    EXPECT_EQ(receipt->note, "the note");
    EXPECT_GT(receipt->stored_at.value, 0);
    std::int64_t records = 0;
    for (const auto& range : receipt->ranges) {
      records += range.count;
      EXPECT_TRUE(
          std::count(places->begin(), places->end(), Appended{range.partition, range.first}));
      EXPECT_TRUE(
          std::count(places->begin(), places->end(), Appended{range.partition, range.last}));
    }
    EXPECT_EQ(records, 4);
    log.reset();
    log = home_->open(2);
  }
}

TEST_P(LogContract, StoresNothingUnderAKeyThatIsTaken) {
  auto log = home_->open(1);
  ASSERT_TRUE(log->append_and_wait(batch_of({"1"}), Receipt{"key", "first"}));
  for (int i = 0; i < 2; ++i) {
    auto repeat = log->append_and_wait(batch_of({"1"}), Receipt{"key", "second"});
    ASSERT_FALSE(repeat);
    EXPECT_EQ(repeat.error().code, Code::conflict);
    EXPECT_EQ(log->find_receipt("key").value()->note, "first");
    EXPECT_EQ(log->end(kFirst)->value, 1);
    log.reset();
    log = home_->open(1);
  }
  ASSERT_TRUE(log->append_and_wait(batch_of({"1"}), Receipt{"other key", ""}));
  ASSERT_TRUE(log->append_and_wait(batch_of({"1"})));
}

TEST_P(LogContract, OfManyAtOnceUnderOneKeyOneIsStoredAndTheOthersFindIt) {
  constexpr int kRounds = 20, kAtOnce = 10;
  auto log = home_->open(1);
  std::atomic<int> stored = 0, repeats = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::string key = fmt::format("key {}", round);
    for (int i = 0; i < kAtOnce; ++i)
      log->append(batch_of({"1", "2"}), Receipt{key, std::to_string(i)}, [&, key](auto places) {
        if (places) return void(++stored);
        EXPECT_EQ(places.error().code, Code::conflict);
        auto receipt = log->find_receipt(key);
        EXPECT_TRUE(receipt && *receipt);
        EXPECT_LT((*receipt)->ranges.at(0).last, log->end(kFirst).value());
        ++repeats;
      });
  }
  log->stop();
  EXPECT_EQ(stored, kRounds);
  EXPECT_EQ(repeats, kRounds * (kAtOnce - 1));
  EXPECT_EQ(read_all(*log, kFirst).size(), std::size_t{2 * kRounds});
}

TEST_P(LogContract, TakesAReceiptAtItsLimitsAndRefusesOneBeyond) {
  auto log = home_->open(1);
  std::string longest_key(kMaxReceiptKeyBytes, 'k'), longest_note(kMaxReceiptNoteBytes, 'n');
  EXPECT_TRUE(log->append_and_wait(batch_of({"1"}), Receipt{longest_key, longest_note}));
  EXPECT_EQ(log->find_receipt(longest_key).value()->note, longest_note);
  for (const Receipt& receipt :
       {Receipt{"", ""}, Receipt{longest_key + "k", ""}, Receipt{"key", longest_note + "n"}}) {
    auto refused = log->append_and_wait(batch_of({"1"}), receipt);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::invalid);
  }
  EXPECT_EQ(log->end(kFirst)->value, 1);
}

TEST_P(LogContract, ABatchThatIsRefusedLeavesNoReceipt) {
  auto log = home_->open(1);
  EXPECT_FALSE(log->append_and_wait({}, Receipt{"key", ""}));
  log->stop();
  EXPECT_FALSE(log->append_and_wait(batch_of({"1"}), Receipt{"key", ""}));
  EXPECT_FALSE(log->find_receipt("key").value());
}

// A tailing reader, as the processor is: while batches come in it sees a growing prefix, of whole
// batches where the log has them.
TEST_P(LogContract, AReaderBehindAppendersSeesBatchesWithoutHoles) {
  constexpr int kBatches = 200;
  auto log = home_->open(1);
  std::jthread appender([&] {
    for (int i = 0; i < kBatches; ++i) log->append(batch_of({"1", "2", "3"}), [](auto) {});
  });
  Offset next{0};
  while (next.value < 3 * kBatches) {
    ASSERT_EQ(log->wait_for(kFirst, next, 1min, {}).value(), true);
    EXPECT_TRUE(!GetParam().has_whole_batches || log->end(kFirst)->value % 3 == 0);
    auto fetched = log->read(kFirst, next, {});
    ASSERT_TRUE(fetched) << fetched.error().message;
    for (const auto& stored : fetched->records) {
      ASSERT_EQ(stored.offset, next);
      ASSERT_EQ(stored.record.key, std::to_string(next.value % 3 + 1));
      ++next.value;
    }
    EXPECT_EQ(fetched->next, next);
  }
}

using ModelOfLog = std::vector<std::vector<std::string>>;  // values by partition

void append_to_both(Log& log, ModelOfLog& model, int& counter) {
  std::vector<Record> batch;
  for (int i = *rc::gen::inRange(1, 20); i > 0; --i)
    batch.push_back(record(std::to_string(*rc::gen::inRange(0, 30)), std::to_string(++counter)));
  auto places = log.append_and_wait(batch);
  RC_ASSERT(places.has_value());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto& partition = model[static_cast<std::size_t>((*places)[i].partition.value)];
    RC_ASSERT((*places)[i].offset.value == static_cast<std::int64_t>(partition.size()));
    partition.push_back(batch[i].value);
  }
}

void read_from_both(Log& log, const ModelOfLog& model) {
  Partition partition{*rc::gen::inRange(0, static_cast<std::int32_t>(model.size()))};
  const auto& values = model[static_cast<std::size_t>(partition.value)];
  auto size = static_cast<std::int64_t>(values.size());
  Offset from{*rc::gen::inRange<std::int64_t>(0, size + 1)};
  ReadLimits limits{*rc::gen::inRange<std::size_t>(0, 30), *rc::gen::inRange<std::size_t>(0, 200)};
  RC_ASSERT(log.end(partition)->value == size);
  auto fetched = log.read(partition, from, limits);
  RC_ASSERT(fetched.has_value());
  RC_ASSERT(fetched->records.empty() == (from.value == size));
  for (const auto& stored : fetched->records) {
    RC_ASSERT(stored.offset == from);
    RC_ASSERT(stored.record.value == values[static_cast<std::size_t>(from.value++)]);
  }
  RC_ASSERT(fetched->next == from);
}

TEST_P(LogContract, AgreesWithAListWhateverIsDoneInWhateverOrder) {
  int left = GetParam().histories;
  EXPECT_TRUE(rc::check([&] {
    if (--left < 0) return;
    auto home = GetParam().make_home();
    std::int32_t partitions = *rc::gen::inRange(1, 4);
    auto log = home->open(partitions);
    ModelOfLog model(static_cast<std::size_t>(partitions));
    int counter = 0;
    for (int step = *rc::gen::inRange(1, 15); step > 0; --step) {
      switch (*rc::gen::inRange(0, 7)) {
        case 0:
          log.reset();
          log = home->open(partitions);
          break;
        case 1:
        case 2:
        case 3: append_to_both(*log, model, counter); break;
        default: read_from_both(*log, model);
      }
    }
  }));
}

TEST_P(LogContract, AMemberThatIsAloneHoldsEveryPartition) {
  auto log = home_->open(3);
  auto member = log->join("warehouse");
  ASSERT_TRUE(member) << member.error().message;
  auto deadline = std::chrono::steady_clock::now() + 30s;
  while ((*member)->mine().size() < 3 && std::chrono::steady_clock::now() < deadline)
    EXPECT_TRUE((*member)->wait_for_change(1s, {}));
  EXPECT_EQ((*member)->mine(), (std::vector<Partition>{{0}, {1}, {2}}));
}

TEST_P(LogContract, AChangeIsToldOnce) {
  auto log = home_->open(1);
  auto member = log->join("warehouse");
  ASSERT_TRUE(member) << member.error().message;
  EXPECT_TRUE((*member)->wait_for_change(30s, {}).value());
  EXPECT_FALSE((*member)->wait_for_change(20ms, {}).value());
  EXPECT_EQ((*member)->mine(), std::vector<Partition>{{0}});
}

TEST_P(LogContract, WaitingForAChangeEndsWhenAskedTo) {
  auto log = home_->open(1);
  auto member = log->join("warehouse");
  ASSERT_TRUE(member) << member.error().message;
  EXPECT_TRUE((*member)->wait_for_change(30s, {}).value());
  auto began = std::chrono::steady_clock::now();
  std::stop_source stop;
  auto waiting = std::async(std::launch::async, [&] {
    return (*member)->wait_for_change(60s, stop.get_token()).value();
  });
  stop.request_stop();
  EXPECT_FALSE(waiting.get());
  EXPECT_LT(std::chrono::steady_clock::now() - began, 30s);
}

const Kind kEmbedded{"embedded", true, 100, [] { return std::make_unique<EmbeddedHome>(); }};
const Kind kKafka{"kafka", false, 8, [] { return std::make_unique<KafkaHome>(); }, true};
INSTANTIATE_TEST_SUITE_P(All, LogContract, testing::Values(kEmbedded, kKafka),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tillrace::log
