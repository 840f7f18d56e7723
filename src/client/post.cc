#include "client/post.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "client/delivery.h"
#include "client/identity.h"
#include "client/ledger.h"
#include "client/pacer.h"
#include "client/records.h"

namespace tillrace::client {
namespace {

constexpr int kMostConnections = 256;
constexpr std::string_view kPath = "/v1/transactions";

// Batches on their way from the reader to the senders. Bounded; after abandon() it takes and gives
// none.
class BatchQueue {
 public:
  explicit BatchQueue(std::size_t most) : most_(most) {}

  // Waits for room. False when abandoned.
  bool push(PostBatch batch) {
    MutexLock lock(mutex_);
    while (batches_.size() >= most_ && !abandoned_) lock.wait(changed_);
    if (abandoned_) return false;
    batches_.push_back(std::move(batch));
    changed_.notify_all();
    return true;
  }
  // Waits for a batch. Nothing when there will be none.
  std::optional<PostBatch> pop() {
    MutexLock lock(mutex_);
    while (batches_.empty() && !finished_ && !abandoned_) lock.wait(changed_);
    if (batches_.empty() || abandoned_) return std::nullopt;
    PostBatch batch = std::move(batches_.front());
    batches_.pop_front();
    changed_.notify_all();
    return batch;
  }
  void finish() {
    MutexLock lock(mutex_);
    finished_ = true;
    changed_.notify_all();
  }
  void abandon() {
    MutexLock lock(mutex_);
    abandoned_ = true;
    changed_.notify_all();
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  const std::size_t most_;
  std::deque<PostBatch> batches_ GUARDED_BY(mutex_);
  bool finished_ GUARDED_BY(mutex_) = false;
  bool abandoned_ GUARDED_BY(mutex_) = false;
};

int connections_of(const PostOptions& options) {
  return options.concurrency.value_or(options.each ? 1 : 4);
}

Status check(const PostOptions& options) {
  int connections = connections_of(options);
  if (connections < 1 || connections > kMostConnections)
    return fail(Code::invalid, "{} connections; 1 to {}", connections, kMostConnections);
  if (options.batch < 1) return fail(Code::invalid, "a batch holds 1 event at least");
  if (options.max_batch_bytes < 1024)
    return fail(Code::invalid, "a batch holds 1024 bytes at least");
  if (options.first_backoff_ms < 1 || options.most_backoff_ms < 1 || options.retry_for_s < 0)
    return fail(Code::invalid,
                "back-off times must be 1 ms or more, and the time to give up no less than 0");
  return {};
}

// Reads events, gives them identities, and packs them into batches.
class Packer {
 public:
  Packer(const PostOptions& options, EventReader reader, Random& random, Ledger& ledger,
         BatchQueue& queue, std::size_t most_events)
      : options_(options),
        reader_(std::move(reader)),
        identities_(options.input, options.max_batch_bytes, random),
        ledger_(ledger),
        queue_(queue),
        most_events_(most_events) {}

  // True when the input was read to its end.
  bool run() {
    EventText event;
    while (!ledger_.stopping().stop_requested()) {
      auto found = reader_.next(event);
      if (!found) return give_up(found.error());
      if (*found == EventReader::Found::end) return hand_over();
      if (*found == EventReader::Found::nothing_yet) {
        if (!hand_over()) return false;
        continue;
      }
      ledger_.read({reader_.bytes_taken(), reader_.input().size_bytes(), 0});
      if (!take(event)) return false;
    }
    return false;
  }

 private:
  bool give_up(Error error) {
    ledger_.failed(std::move(error));
    return false;
  }

  bool take(const EventText& event) {
    auto json = identities_.prepare(event);
    if (!json && json.error().code != Code::invalid) return give_up(json.error());
    if (!json) {
      ledger_.refused({event.place, std::string(event.json)}, json.error().message);
      return true;
    }
    if (bytes_ + json->size() > options_.max_batch_bytes && !hand_over()) return false;
    bytes_ += json->size() + 1;
    batch_.push_back({event.place, std::move(*json)});
    return batch_.size() < most_events_ || hand_over();
  }

  bool hand_over() {
    bytes_ = 0;
    PostBatch batch = std::exchange(batch_, {});
    return batch.empty() || queue_.push(std::move(batch));
  }

  const PostOptions& options_;
  EventReader reader_;
  Identities identities_;
  Ledger& ledger_;
  BatchQueue& queue_;
  std::size_t most_events_;
  PostBatch batch_;
  std::size_t bytes_ = 0;
};

}  // namespace

Result<std::string> endpoint_of(const std::string& url) {
  bool known = url.starts_with("http://") || url.starts_with("https://");
  std::size_t host = known ? url.find("://") + 3 : 0;
  std::size_t path = std::min(url.find_first_of("/?#", host), url.size());
  if (!known || path == host)
    return fail(Code::invalid, "'{}' is no URL such as http://127.0.0.1:8080", url);
  bool names_none = path == url.size() || url.substr(path) == "/";
  return names_none ? url.substr(0, path).append(kPath) : url;
}

Result<PostSummary> post(const PostOptions& options, const PostCallbacks& callbacks, Clock& clock,
                         Random& random, std::stop_token stop) {
  if (Status checked = check(options); !checked) return fail(checked.error());
  auto endpoint = endpoint_of(options.url);
  if (!endpoint) return fail(endpoint.error());
  auto reader = EventReader::open(options.input, options.max_batch_bytes);
  if (!reader) return fail(reader.error());

  auto began = clock.monotonic();
  int connections = connections_of(options);
  Ledger ledger(options, callbacks);
  Pacer pacer(options.rate_per_s, clock);
  BatchQueue queue(static_cast<std::size_t>(connections) * 2);
  std::stop_callback on_stop(stop, [&ledger] { ledger.stop(); });
  std::stop_callback on_end(ledger.stopping(), [&queue] { queue.abandon(); });
  std::vector<std::jthread> senders;
  for (int i = 0; i < connections; ++i)
    senders.push_back(named_thread(fmt::format("post-{}", i), [&](const std::stop_token&) {
      Delivery delivery(options, *endpoint, ledger, pacer, clock, random);
      while (auto batch = queue.pop()) delivery.deliver(std::move(*batch));
    }));
  std::size_t most_events = options.each ? 1 : static_cast<std::size_t>(pacer.group(options.batch));
  Packer packer(options, std::move(*reader), random, ledger, queue, most_events);
  bool complete = packer.run();
  queue.finish();
  senders.clear();

  bool stopped = stop.stop_requested();
  PostSummary summary = ledger.close(complete && !stopped);
  summary.stopped = stopped;
  summary.seconds = std::chrono::duration<double>(clock.monotonic() - began).count();
  if (summary.seconds > 0)
    summary.events_per_s = static_cast<double>(summary.accepted) / summary.seconds;
  return summary;
}

}  // namespace tillrace::client
