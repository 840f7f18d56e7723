#include "log/kafka_member.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <optional>
#include <thread>

#include "base/logging.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "log/kafka_client.h"

namespace tillrace::log {
namespace {

using std::chrono::steady_clock;

constexpr int kPollMs = 100;
constexpr int kLookTimeoutMs = 1'000;
constexpr std::chrono::seconds kReportInterval{1};
constexpr std::chrono::seconds kLongestLeave{5};
constexpr std::chrono::hours kLongestWait{24};

std::vector<KafkaSetting> member_settings(const KafkaLogOptions& options,
                                          const std::string& group) {
  return {{"group.id", group},
          {"session.timeout.ms", std::to_string(options.session_timeout_ms)},
          {"heartbeat.interval.ms", std::to_string(std::max(options.session_timeout_ms / 10, 100))},
          {"partition.assignment.strategy", "roundrobin"},
          {"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"},
          {"allow.auto.create.topics", "false"}};
}

class KafkaMember final : public Membership {
 public:
  KafkaMember(const KafkaLogOptions& options, KafkaHandle client)
      : topic_(options.topic),
        client_(std::move(client)),
        events_(rd_kafka_queue_get_consumer(client_.get())) {}
  ~KafkaMember() override {
    if (!thread_.joinable()) return;  // it never subscribed
    thread_.request_stop();
    thread_.join();
    leave();
  }

  Status subscribe();
  std::vector<Partition> mine() const override;
  Result<bool> wait_for_change(std::chrono::nanoseconds timeout,
                               const std::stop_token& stop) override;
  void report(Partition partition, Offset mark) override;

 private:
  void run(const std::stop_token& stop);
  void take(rd_kafka_event_t& event);
  void rebalance(rd_kafka_event_t& event);
  void decided(std::vector<Partition> partitions);
  bool has_problem() const;
  void look_for_group();
  void commit_marks();
  void leave();

  const std::string topic_;
  const KafkaHandle client_;
  const KafkaQueue events_;

  mutable Mutex mutex_;
  std::condition_variable changed_;
  std::vector<Partition> mine_ GUARDED_BY(mutex_);
  std::vector<Partition> told_ GUARDED_BY(mutex_);        // by wait_for_change()
  std::map<Partition, Offset> marks_ GUARDED_BY(mutex_);  // not committed yet
  std::optional<Error> problem_ GUARDED_BY(mutex_);       // until the group is reached again
  std::jthread thread_;
};

Status KafkaMember::subscribe() {
  rd_kafka_poll_set_consumer(client_.get());
  PartitionList topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), topic_.c_str(), RD_KAFKA_PARTITION_UA);
  if (auto error = rd_kafka_subscribe(client_.get(), topics.get()))
    return kafka_error(error, "cannot join the group");
  thread_ = named_thread("log-member", [this](const std::stop_token& stop) { run(stop); });
  return {};
}

std::vector<Partition> KafkaMember::mine() const {
  MutexLock lock(mutex_);
  return mine_;
}

Result<bool> KafkaMember::wait_for_change(std::chrono::nanoseconds timeout,
                                          const std::stop_token& stop) {
  auto deadline = steady_clock::now() + std::min<std::chrono::nanoseconds>(timeout, kLongestWait);
  std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex_);
    changed_.notify_all();
  });
  MutexLock lock(mutex_);
  bool time_left = true;
  while (mine_ == told_ && !problem_ && !stop.stop_requested() && time_left)
    time_left = lock.wait_until(changed_, deadline);
  if (problem_) return fail(*problem_);  // first: what changed meanwhile is told afterwards
  return std::exchange(told_, mine_) != mine_;
}

void KafkaMember::report(Partition partition, Offset mark) {
  MutexLock lock(mutex_);
  marks_[partition] = mark;
}

void KafkaMember::run(const std::stop_token& stop) {
  auto reported = steady_clock::now();
  while (!stop.stop_requested()) {
    KafkaEvent event(rd_kafka_queue_poll(events_.get(), kPollMs));
    if (event) take(*event);
    if (steady_clock::now() - reported < kReportInterval) continue;
    if (has_problem()) look_for_group();
    commit_marks();
    reported = steady_clock::now();
  }
}

void KafkaMember::take(rd_kafka_event_t& event) {
  if (rd_kafka_event_type(&event) == RD_KAFKA_EVENT_REBALANCE) return rebalance(event);
  auto error = rd_kafka_event_error(&event);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  logging::debug("the group of readers: {}", rd_kafka_event_error_string(&event));
  if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN &&
      error != RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
    return;
  MutexLock lock(mutex_);
  problem_ = Error{Code::unavailable, rd_kafka_event_error_string(&event)};
  changed_.notify_all();
}

bool KafkaMember::has_problem() const {
  MutexLock lock(mutex_);
  return problem_.has_value();
}

// The library tells what goes wrong, but not that it is over where the partitions stay the same.
void KafkaMember::look_for_group() {
  PartitionList asked(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(asked.get(), topic_.c_str(), 0);
  if (rd_kafka_committed(client_.get(), asked.get(), kLookTimeoutMs) || asked->elems[0].err) return;
  MutexLock lock(mutex_);
  problem_.reset();
}

// The client itself is given nothing, so it fetches nothing. In a group that makes up its mind each
// member gives back all that it has; what it is read for meanwhile is left to it, unless it was
// away for so long that others have it.
void KafkaMember::rebalance(rd_kafka_event_t& event) {
  if (rd_kafka_event_error(&event) != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    bool is_lost = rd_kafka_assignment_lost(client_.get()) != 0;
    rd_kafka_assign(client_.get(), nullptr);
    if (is_lost) decided({});
    return;
  }
  std::vector<Partition> partitions;
  const auto* list = rd_kafka_event_topic_partition_list(&event);
  for (int i = 0; i < list->cnt; ++i) partitions.push_back({list->elems[i].partition});
  PartitionList none(rd_kafka_topic_partition_list_new(0));
  rd_kafka_assign(client_.get(), none.get());
  {
    MutexLock lock(mutex_);
    problem_.reset();
  }
  decided(std::move(partitions));
}

void KafkaMember::decided(std::vector<Partition> partitions) {
  std::sort(partitions.begin(), partitions.end());
  MutexLock lock(mutex_);
  mine_ = std::move(partitions);
  changed_.notify_all();
}

void KafkaMember::commit_marks() {
  std::map<Partition, Offset> marks;
  {
    MutexLock lock(mutex_);
    marks = std::exchange(marks_, {});
  }
  if (marks.empty()) return;
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(marks.size())));
  for (const auto& [partition, mark] : marks)
    rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), partition.value)->offset =
        mark.value;
  rd_kafka_commit(client_.get(), list.get(), 1);
}

void KafkaMember::leave() {
  commit_marks();
  KafkaError error(rd_kafka_consumer_close_queue(client_.get(), events_.get()));
  if (error) return;
  auto deadline = steady_clock::now() + kLongestLeave;
  while (rd_kafka_consumer_closed(client_.get()) == 0 && steady_clock::now() < deadline) {
    KafkaEvent event(rd_kafka_queue_poll(events_.get(), kPollMs));
    if (event) take(*event);
  }
}

}  // namespace

Result<std::unique_ptr<Membership>> join_kafka_group(const KafkaLogOptions& options,
                                                     const std::string& group) {
  auto client =
      make_kafka_client(RD_KAFKA_CONSUMER, options.connection, member_settings(options, group),
                        RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR);
  if (!client) return fail(client.error());
  auto member = std::make_unique<KafkaMember>(options, std::move(*client));
  if (Status joined = member->subscribe(); !joined) return fail(joined.error());
  return std::unique_ptr<Membership>(std::move(member));
}

}  // namespace tillrace::log
