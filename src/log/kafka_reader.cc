#include "log/kafka_reader.h"

#include <algorithm>
#include <array>

#include "log/kafka_record.h"

namespace tillrace::log {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kTakenAtOnce = 1'000;
constexpr std::size_t kIdlePlaces = 2;  // kept for readers that come back
constexpr std::size_t kMostPlaces = 8;
constexpr int kLongestPollMs = 1'000;

std::vector<KafkaSetting> consumer_settings(const KafkaLogOptions& options) {
  std::size_t kilobytes = std::max<std::size_t>(options.prefetch_bytes >> 10, 1);
  return {
      {"isolation.level", "read_committed"},
      {"auto.offset.reset", "error"},
      {"enable.auto.commit", "false"},
      {"auto.commit.enable", "false"},
      {"enable.auto.offset.store", "false"},
      {"enable.partition.eof", "true"},
      {"allow.auto.create.topics", "false"},
      {"check.crcs", "true"},
      {"queued.max.messages.kbytes", std::to_string(kilobytes)},
      {"fetch.message.max.bytes", std::to_string(std::min<std::size_t>(kilobytes << 10, 4 << 20))},
      {"fetch.queue.backoff.ms", "2"},
      {"fetch.error.backoff.ms", "100"}};
}

int ms_until(steady_clock::time_point deadline) {
  auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, kLongestPollMs));
}

std::size_t size_of(const StoredRecord& stored) {
  return stored.record.key.size() + stored.record.value.size();
}

}  // namespace

KafkaCursor::~KafkaCursor() { stop_fetching(); }

bool KafkaCursor::continues_at(Offset from) const {
  return queue_ && !failed_ && from >= from_ &&
         from <= (ready_.empty() ? known_ : ready_.front().offset);
}

void KafkaCursor::stop_fetching() {
  if (!queue_) return;
  rd_kafka_consume_stop(consumer_.topic.get(), partition_.value);
  queue_.reset();
}

void KafkaCursor::rest() {
  stop_fetching();
  ready_.clear();
}

Status KafkaCursor::go_to(Offset from) {
  if (continues_at(from)) {
    from_ = from;
    return {};
  }
  stop_fetching();
  failed_ = false;
  ready_.clear();
  from_ = known_ = from;
  if (from.value < 0) return out_of_range();
  queue_.reset(rd_kafka_queue_new(consumer_.client.get()));
  if (rd_kafka_consume_start_queue(consumer_.topic.get(), partition_.value, from.value,
                                   queue_.get()) == 0)
    return {};
  queue_.reset();
  return kafka_error(rd_kafka_last_error(),
                     fmt::format("cannot read partition {}", partition_.value));
}

// Takes what has come, or waits for something to come.
Status KafkaCursor::fetch(int timeout_ms) {
  std::array<rd_kafka_message_t*, kTakenAtOnce> messages;
  auto count = rd_kafka_consume_batch_queue(queue_.get(), timeout_ms > 0 ? timeout_ms : 0,
                                            messages.data(), timeout_ms > 0 ? 1 : messages.size());
  Status taken;
  for (ssize_t i = 0; i < count; ++i) {
    KafkaMessage message(messages[static_cast<std::size_t>(i)]);
    if (taken) taken = take(*message);
  }
  failed_ = !taken;
  return taken;
}

Status KafkaCursor::take(const rd_kafka_message_t& message) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      ready_.push_back(stored_record(message, topic_id_));
      known_.value = message.offset + 1;
      return {};
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:  // behind what is no record
      known_.value = std::max(known_.value, message.offset);
      return {};
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: return out_of_range();
    default:
      return kafka_error(message.err, fmt::format("cannot read partition {}", partition_.value),
                         rd_kafka_message_errstr(&message));
  }
}

Status KafkaCursor::out_of_range() {
  auto range = admin_.range(options_.topic, partition_);
  if (!range) return fail(range.error());
  if (Status inside = check_inside(*range, from_); !inside) return inside;
  return fail(Code::unavailable, "partition {}: offset {} was out of range a moment ago",
              partition_.value, from_.value);
}

void KafkaCursor::move_ready(const ReadLimits& limits, std::size_t& bytes, Fetched& fetched) {
  for (; !ready_.empty(); ready_.pop_front()) {
    std::size_t more = size_of(ready_.front());
    bool is_first = fetched.records.empty();
    if (!is_first &&
        (fetched.records.size() >= limits.max_records || bytes + more > limits.max_bytes))
      break;
    bytes += more;
    fetched.next.value = ready_.front().offset.value + 1;
    fetched.records.push_back(std::move(ready_.front()));
  }
  if (ready_.empty()) fetched.next = std::max(fetched.next, known_);
  from_ = fetched.next;
}

// What lies before `end` has come, as far as it is records.
Status KafkaCursor::fetch_until(Offset end, Deadline deadline) {
  while (ready_.empty() && known_ < end) {
    if (Status fetched = fetch(ms_until(deadline)); !fetched) return fetched;
    if (ready_.empty() && known_ < end && steady_clock::now() >= deadline)
      return fail(Code::unavailable, "partition {}: nothing of offsets {} to {} came within {} ms",
                  partition_.value, known_.value, end.value - 1, options_.read_timeout_ms);
  }
  return {};
}

Result<Fetched> KafkaCursor::read(Offset from, const ReadLimits& limits) {
  if (Status gone = go_to(from); !gone) return fail(gone.error());
  Fetched fetched{{}, from};
  if (ready_.empty())
    if (Status came = fetch(0); !came) return fail(came.error());
  if (ready_.empty()) {
    auto range = admin_.range(options_.topic, partition_);
    if (!range) return fail(range.error());
    if (Status inside = check_inside(*range, from); !inside) return fail(inside.error());
    Deadline deadline = steady_clock::now() + milliseconds(options_.read_timeout_ms);
    if (Status came = fetch_until(range->end, deadline); !came) return fail(came.error());
  }
  std::size_t bytes = 0;
  std::size_t before = 0;
  do {
    before = fetched.records.size();
    move_ready(limits, bytes, fetched);
    if (!ready_.empty()) break;
    if (Status came = fetch(0); !came) break;  // the next read says why
  } while (fetched.records.size() > before);
  return fetched;
}

Result<bool> KafkaCursor::wait_for(Offset offset, Deadline deadline, const std::stop_token& stop,
                                   const std::stop_token& closing) {
  if (Status gone = go_to(offset); !gone) return fail(gone.error());
  auto wake = [&queue = *queue_] { rd_kafka_queue_yield(&queue); };
  std::stop_callback wake_on_stop(stop, wake), wake_on_close(closing, wake);
  while (ready_.empty()) {
    if (stop.stop_requested()) return false;
    if (closing.stop_requested()) return fail(Code::shutting_down, "the log is stopped");
    int left = ms_until(deadline);
    if (left == 0) return false;
    if (Status came = fetch(left); !came) return fail(came.error());
  }
  return true;
}

KafkaReaders::~KafkaReaders() {
  MutexLock lock(mutex_);
  places_.clear();  // before their consumers
}

Result<KafkaReaders::Lent> KafkaReaders::lend(Partition partition, Offset from) {
  MutexLock lock(mutex_);
  std::vector<Place>& places = places_[partition];
  while (true) {
    if (Place* place = choose(places, from)) {
      place->is_lent = true;
      place->used = ++lends_;
      return Lent(*this, *place->cursor);
    }
    if (places.size() >= kMostPlaces) {
      lock.wait(returned_);
      continue;
    }
    if (Status added = add_place(partition, places); !added) return fail(added.error());
  }
}

// The one that stands there; else, where there are enough, the one that was used least recently.
KafkaReaders::Place* KafkaReaders::choose(std::vector<Place>& places, Offset from) {
  Place* oldest = nullptr;
  for (Place& place : places) {
    if (place.is_lent) continue;
    if (place.used == 0 || place.cursor->continues_at(from)) return &place;
    if (oldest == nullptr || place.used < oldest->used) oldest = &place;
  }
  return places.size() >= kIdlePlaces ? oldest : nullptr;
}

// Stopping waits for the library, so nobody else does meanwhile.
std::size_t KafkaReaders::rest_idle(std::chrono::nanoseconds after) {
  std::size_t count = 0;
  while (KafkaCursor* cursor = take_idle(after)) {
    Lent lent(*this, *cursor);
    cursor->rest();
    ++count;
  }
  return count;
}

// As if it was lent.
KafkaCursor* KafkaReaders::take_idle(std::chrono::nanoseconds after) {
  MutexLock lock(mutex_);
  auto now = steady_clock::now();
  for (auto& [partition, places] : places_)
    for (Place& place : places) {
      if (place.is_lent || !place.cursor->is_fetching() || now - place.returned_at < after)
        continue;
      place.is_lent = true;
      place.used = 0;
      return place.cursor.get();
    }
  return nullptr;
}

Status KafkaReaders::add_place(Partition partition, std::vector<Place>& places) {
  std::size_t at = places.size();
  if (at == consumers_.size()) {
    auto client =
        make_kafka_client(RD_KAFKA_CONSUMER, options_.connection, consumer_settings(options_), 0);
    if (!client) return fail(client.error());
    KafkaTopic topic(rd_kafka_topic_new(client->get(), options_.topic.c_str(), nullptr));
    consumers_.push_back(
        std::make_unique<KafkaConsumer>(KafkaConsumer{std::move(*client), std::move(topic)}));
  }
  places.push_back(
      {std::make_unique<KafkaCursor>(*consumers_[at], admin_, options_, topic_id_, partition)});
  return {};
}

void KafkaReaders::give_back(const KafkaCursor& cursor) {
  MutexLock lock(mutex_);
  for (auto& [partition, places] : places_)
    for (Place& place : places)
      if (place.cursor.get() == &cursor) {
        place.is_lent = false;
        place.returned_at = steady_clock::now();
      }
  returned_.notify_all();
}

}  // namespace tillrace::log
