// Internal to the room; includes librdkafka. Reading partitions from any offset on, by several
// threads.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "log/kafka_admin.h"
#include "log/kafka_client.h"
#include "log/kafka_log.h"

namespace tillrace::log {

// A client that fetches; one partition of it has one place.
struct KafkaConsumer {
  KafkaHandle client;
  KafkaTopic topic;
};

// A place in one partition, from which the library fetches ahead. One thread at a time.
class KafkaCursor {
 public:
  KafkaCursor(KafkaConsumer& consumer, KafkaAdmin& admin, const KafkaLogOptions& options,
              const std::string& topic_id, Partition partition)
      : consumer_(consumer),
        admin_(admin),
        options_(options),
        topic_id_(topic_id),
        partition_(partition) {}
  ~KafkaCursor();
  KafkaCursor(const KafkaCursor&) = delete;
  KafkaCursor& operator=(const KafkaCursor&) = delete;

  bool is_fetching() const { return queue_ != nullptr; }
  // Lets go of what was fetched ahead, too.
  void rest();
  // Whether reading from there goes on where the last read ended.
  bool continues_at(Offset from) const;
  // As Log::read(), from the offset that go_to() was told.
  Result<Fetched> read(Offset from, const ReadLimits& limits);
  // As Log::wait_for(); `closing` ends it with shutting_down.
  Result<bool> wait_for(Offset offset, std::chrono::steady_clock::time_point deadline,
                        const std::stop_token& stop, const std::stop_token& closing);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  Status go_to(Offset from);
  void stop_fetching();
  Status fetch(int timeout_ms);
  Status take(const rd_kafka_message_t& message);
  Status fetch_until(Offset end, Deadline deadline);
  void move_ready(const ReadLimits& limits, std::size_t& bytes, Fetched& fetched);
  Status out_of_range();

  KafkaConsumer& consumer_;
  KafkaAdmin& admin_;
  const KafkaLogOptions& options_;
  const std::string& topic_id_;
  const Partition partition_;

  KafkaQueue queue_;     // none: nothing is fetched
  bool failed_ = false;  // what comes from the queue is not to be relied on
  Offset from_;          // what was handed out ends here
  Offset known_;         // no record lies from from_ to here but those in ready_
  std::deque<StoredRecord> ready_;
};

// Lends cursors: to a reader that goes on, the one it had. Thread-safe. A partition has two of them
// when two readers are at different places, more while more read at once.
class KafkaReaders {
 public:
  // All four outlive it.
  KafkaReaders(const KafkaLogOptions& options, const std::string& topic_id, KafkaAdmin& admin)
      : options_(options), topic_id_(topic_id), admin_(admin) {}
  ~KafkaReaders();

  class Lent {
   public:
    Lent(KafkaReaders& owner, KafkaCursor& cursor) : owner_(&owner), cursor_(&cursor) {}
    Lent(Lent&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), cursor_(other.cursor_) {}
    Lent& operator=(Lent&&) = delete;
    ~Lent() {
      if (owner_ != nullptr) owner_->give_back(*cursor_);
    }
    KafkaCursor* operator->() const { return cursor_; }

   private:
    KafkaReaders* owner_;
    KafkaCursor* cursor_;
  };
  Result<Lent> lend(Partition partition, Offset from);
  // A place that nobody has had for so long fetches no more until it is lent again: its partition
  // may have gone to another process. Returns how many those are now.
  std::size_t rest_idle(std::chrono::nanoseconds after);

 private:
  struct Place {
    std::unique_ptr<KafkaCursor> cursor;
    bool is_lent = false;
    std::uint64_t used = 0;  // counts; the highest was lent last; 0: fetches nothing
    std::chrono::steady_clock::time_point returned_at = {};
  };

  Place* choose(std::vector<Place>& places, Offset from) REQUIRES(mutex_);
  KafkaCursor* take_idle(std::chrono::nanoseconds after);
  Status add_place(Partition partition, std::vector<Place>& places) REQUIRES(mutex_);
  void give_back(const KafkaCursor& cursor);

  const KafkaLogOptions& options_;
  const std::string& topic_id_;
  KafkaAdmin& admin_;

  Mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<KafkaConsumer>> consumers_ GUARDED_BY(mutex_);
  std::map<Partition, std::vector<Place>> places_ GUARDED_BY(mutex_);  // one of each consumer
  std::uint64_t lends_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tillrace::log
