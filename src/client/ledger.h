// What becomes of the events that `post` sends: the counts, the file of refused events, the
// caller's callbacks.
#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "client/bytes.h"
#include "client/post.h"

namespace tillrace::client {

struct PostRecord {
  std::uint64_t place = 0;  // its line, or its place in the array
  std::string json;
};

// Thread-safe. The first failure asks everybody to stop.
class Ledger {
 public:
  Ledger(const PostOptions& options, const PostCallbacks& callbacks)
      : options_(options), callbacks_(callbacks) {}

  std::stop_token stopping() const { return stop_.get_token(); }
  void stop() { stop_.request_stop(); }

  void read(const Progress& input);
  void requested();
  void retried(std::string_view why);
  void accepted(std::uint64_t events, std::uint64_t bytes);
  void refused(const PostRecord& record, std::string_view why);
  void answered(int status);
  void failed(Error error);

  // After all threads have ended. Puts the file of refused events in place.
  PostSummary close(bool complete);

 private:
  void keep_refused(const PostRecord& record) REQUIRES(mutex_);
  void note_failure(Error error) REQUIRES(mutex_);
  void settle_refused(bool complete) REQUIRES(mutex_);
  void report() REQUIRES(mutex_);

  const PostOptions& options_;
  const PostCallbacks& callbacks_;
  std::stop_source stop_;
  Mutex mutex_;
  PostSummary summary_ GUARDED_BY(mutex_);
  Progress progress_ GUARDED_BY(mutex_);
  std::optional<Output> refused_ GUARDED_BY(mutex_);
  bool in_trouble_ GUARDED_BY(mutex_) = false;  // said already that requests are being tried again
};

}  // namespace tillrace::client
