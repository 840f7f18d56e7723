// Internal to the room; includes librdkafka. Whether a topic is still the one that was opened.
#pragma once
#include <condition_variable>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "log/kafka_admin.h"
#include "log/kafka_reader.h"

namespace tillrace::log {

// Owns the thread "log-watch", which asks the brokers from time to time. A topic of another id, or
// with another number of partitions, is another topic: what is noted stays. One that is not there,
// or brokers that do not answer, may be back at the next look. Thread-safe.
class TopicWatch {
 public:
  // All but interval_ms outlive it. Readers that are idle rest.
  TopicWatch(KafkaAdmin& admin, KafkaReaders& readers, const TopicInfo& info, int interval_ms);

  // corrupt once another topic was found under the name.
  Status same() const;
  // Beside that, unavailable while neither of the last two looks found the topic: one may miss it
  // when a broker makes way for another.
  Status well() const;
  // What the brokers have just acknowledged tells as much as a look.
  void acknowledged() { note(""); }

 private:
  void run(const std::stop_token& stop);
  void look();
  void note(const std::string& problem);

  KafkaAdmin& admin_;
  KafkaReaders& readers_;
  const TopicInfo& info_;
  const std::chrono::milliseconds interval_;

  mutable Mutex mutex_;
  std::condition_variable stopping_;
  Status same_ GUARDED_BY(mutex_);
  int failed_looks_ GUARDED_BY(mutex_) = 0;  // in a row
  std::string problem_ GUARDED_BY(mutex_);   // of the last
  std::jthread thread_;
};

}  // namespace tillrace::log
