// How answers come back to the thread that owns their connection.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "http/router.h"

namespace tillrace::http {

// Which request of which connection an answer is for. Neither number is used twice by a worker.
struct RequestId {
  std::uint64_t connection = 0;
  std::uint64_t request = 0;
};

struct Letter {
  RequestId to;
  Response response;
  bool forgotten = false;  // nobody replied; the response is the server's own
};

// Answers on their way to one worker. Thread-safe. A burst of answers, such as the many that one
// sync of the log makes durable, wakes the worker once.
class Mailbox {
 public:
  // `wake` is called when the box was empty, under the box's lock; it must only post.
  explicit Mailbox(std::function<void()> wake) : wake_(std::move(wake)) {}
  // After close() the letter is dropped: there is nobody left to send it to.
  void put(Letter letter);
  std::vector<Letter> take();
  // When it returns, no call of `wake` is running and none will come.
  void close();

 private:
  Mutex mutex_;
  std::vector<Letter> letters_ GUARDED_BY(mutex_);
  std::function<void()> wake_ GUARDED_BY(mutex_);  // empty once closed
};

// shared: a Reply may outlive the server; whoever holds one late still has a box to put it in.
using SharedMailbox = std::shared_ptr<Mailbox>;

SharedMailbox make_mailbox(std::function<void()> wake);
Reply make_reply(SharedMailbox mailbox, RequestId id);

}  // namespace tillrace::http
