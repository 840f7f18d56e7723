// Internal to the room; includes RocksDB. Of the appends that bring a receipt, one a key is on its
// way at a time.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "log/kafka_producer.h"
#include "log/receipt_store.h"

namespace tillrace::log {

// A batch whose key is on its way already waits here: for conflict, when the first is stored, or
// for its own turn, when that failed. Thread-safe, but keep() has one caller.
class ReceiptGate {
 public:
  ReceiptGate(ReceiptStore& store, Clock& clock) : store_(store), clock_(clock) {}

  // The batch, when it may be sent; nothing when it waits. conflict when its key is taken;
  // unavailable when that cannot be told. After an error the batch is still the caller's.
  Result<std::unique_ptr<KafkaBatch>> enter(std::unique_ptr<KafkaBatch>& batch);
  // Stores the receipts of the batches that were delivered, in one write, before they are answered.
  // If that fails, so have they.
  void keep(const SettledBatches& delivered);
  // What waited for the batch's key: to be answered with conflict, since it was stored; or, since
  // it was not, to be sent: then at most one, and the rest waits on.
  std::deque<std::unique_ptr<KafkaBatch>> leave(const std::string& key, bool was_stored);

 private:
  ReceiptStore& store_;
  Clock& clock_;
  Mutex mutex_;
  // By the key that is on its way.
  std::map<std::string, std::deque<std::unique_ptr<KafkaBatch>>> waiting_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::log
