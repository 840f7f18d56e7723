// Parsers for the threads that check events; each is used by one at a time.
#pragma once
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "model/event_json.h"

namespace tillrace::gateway {

// Thread-safe. Grows to as many parsers as there are threads that use one at once.
class ParserPool {
 public:
  explicit ParserPool(TimeZone shop) : shop_(shop) {}

  // What `use(EventParser&)` gives.
  template <class Use>
  auto with_parser(Use use) {
    std::unique_ptr<EventParser> parser = borrow();
    auto result = use(*parser);
    give_back(std::move(parser));
    return result;
  }

 private:
  std::unique_ptr<EventParser> borrow() {
    MutexLock lock(mutex_);
    if (idle_.empty()) return std::make_unique<EventParser>(shop_);
    std::unique_ptr<EventParser> parser = std::move(idle_.back());
    idle_.pop_back();
    return parser;
  }
  void give_back(std::unique_ptr<EventParser> parser) {
    MutexLock lock(mutex_);
    idle_.push_back(std::move(parser));
  }

  const TimeZone shop_;
  Mutex mutex_;
  std::vector<std::unique_ptr<EventParser>> idle_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::gateway
